"""The readers' side of the delivery benchmark in a process of its own: WebSocket, SSE and gRPC, no Serve.

`python -m bench.delivery_server LIMITS` (JSON of `SocketLimits`) with the settings in the environment;
prints its two ports as JSON and ends with its standard input.
"""

import asyncio
import json
import socket
import sys
from dataclasses import fields
from typing import Any, cast

import grpc  # type: ignore[import-untyped]  # it ships no types
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from proctor.adapters.logging import configure
from proctor.api.grpc_feed import AioAlerts, FeedCalls
from proctor.api.live import PREFIX, create_live_app
from proctor.api.proto.alerts_pb2_grpc import add_AlertsServicer_to_server
from proctor.api.services import Services
from proctor.api.sockets import SocketLimits
from proctor.bootstrap import build_services
from proctor.bootstrap_stores import Stores, open_live_state, open_sql
from proctor.domain.candidates import ModelRef
from proctor.identity.matching import MatchCalibration
from proctor.settings import Settings

NOBODY = cast(Any, None)
"""What the readers never ask: models, hosts, shards, faces."""


def services_of(settings: Settings) -> Services:
    """The product's own services over the database and Redis of the benchmark."""
    sql, live = open_sql(settings), open_live_state(settings)
    kept: dict[str, Any] = {
        each.name: getattr(sql, each.name, NOBODY)
        for each in fields(Stores)
        if not each.name.startswith("_")
    }
    stores = Stores(**{**kept, "live": live})
    model = ModelRef("none", "1")
    calibration = MatchCalibration(
        metric="l2", slope=1.0, midpoint=0.5, match_above=0.9, no_match_below=0.1, fmr=0.1
    )
    return build_services(
        settings,
        stores,
        perception=NOBODY,
        placement=NOBODY,
        judges=NOBODY,
        calibrations={model: calibration},
        embedding=model,
    )


async def serve(limits: SocketLimits) -> None:
    """Serve until standard input ends."""
    services = services_of(Settings().resolved())
    door = grpc.aio.server()
    add_AlertsServicer_to_server(AioAlerts(FeedCalls(services, limits)), door)  # type: ignore[no-untyped-call]  # generated
    grpc_port = door.add_insecure_port("127.0.0.1:0")
    await door.start()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    app = Starlette(routes=[Mount(PREFIX, create_live_app(services, limits))])
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="off", log_level="critical", timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    told = {"port": listening.getsockname()[1], "grpc_port": grpc_port}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving
    await door.stop(0)


if __name__ == "__main__":
    configure("error", "delivery-server", sys.stderr)
    asyncio.run(serve(SocketLimits(**json.loads(sys.argv[1]))))
