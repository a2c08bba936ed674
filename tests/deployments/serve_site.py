"""A real Serve with the readers' deployment over fakes, and clients of every kind; prints what they saw.

Run as a module by test_live_on_serve.py: Ray reads its environment once per process, so the test's own
process stays free of it.
"""

import asyncio
import json
import os
import shutil
import socket
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
from fastapi import FastAPI
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from httpx_sse import aconnect_sse
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.cutter import cutter
from deployments.home import ray_token
from deployments.live import Live
from deployments.ray_head import RayHead, make_session_folder
from proctor.api.grpc_feed import FeedCalls
from proctor.api.live import create_live_app
from proctor.api.proto.alerts_pb2 import FollowRequest
from proctor.api.proto.alerts_pb2_grpc import AlertsStub
from proctor.domain.roles import Role
from tests.fakes.api import QUICK, FakeApi
from tests.proctor.api.test_live import alert_of, raise_alerts

BACKLOG, ALL = 300, 400
WINDOW = 65_536
LIMITS = replace(QUICK, page=20, window_bytes=WINDOW, say_s=1.0)


class FakedLive(Live):
    """`Live` over fakes: a backlog, then an alert every 30 ms once somebody has asked for it."""

    def __init__(self, folder: str) -> None:
        super().__init__({})
        self._folder = Path(folder)

    async def __serve_build_asgi_app__(self) -> FastAPI:
        self._api = FakeApi(self._folder)
        for first in range(1, BACKLOG, 100):
            await raise_alerts(
                self._api, *(alert_of(self._api, n) for n in range(first, first + 100))
            )
        self._calls = FeedCalls(self._api.services, LIMITS)
        return create_live_app(self._api.services, LIMITS)

    async def raise_more(self) -> None:
        for seq in range(BACKLOG + 1, ALL + 1):
            await raise_alerts(self._api, alert_of(self._api, seq))
            await asyncio.sleep(0.03)

    async def ended(self) -> dict[str, float]:
        """How streams and sockets ended so far, as `kind code`."""
        found: dict[str, float] = defaultdict(float)
        for (name, labels), value in self._api.metrics.counts.items():
            if name in ("live_streams_closed_total", "live_sockets_closed_total"):
                told = dict(labels)
                found[f"{told['kind']} {told['code']}"] += value
        return dict(found)


class Site:
    """The clients."""

    def __init__(self, folder: Path, port: int, grpc_port: int, handle: Any) -> None:
        self.api = FakeApi(folder)
        self.base_url = f"http://127.0.0.1:{port}"
        self.grpc_port = grpc_port
        self.handle = handle

    def metadata(self, role: Role = Role.PROCTOR) -> tuple[tuple[str, str], ...]:
        token = self.api.token(role)
        return (("application", "live"), ("authorization", f"Bearer {token}"))

    async def follow(
        self, port: int, request: FollowRequest, metadata: Any = None, upto: int = 0, **more: Any
    ) -> tuple[list[int], str]:
        """Positions of one call up to this one, or until there is no more; how it ended."""
        found: list[int] = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = AlertsStub(channel)
            call = stub.Follow(request, metadata=metadata or self.metadata(), **more)
            try:
                async for message in call:
                    found += [event.position for event in message.events]
                    if found[-1:] == [upto] or not (message.events or upto or more):
                        return found, "caught up"
            except grpc.aio.AioRpcError as error:
                details = (error.details() or "").partition(":")[0]
                return found, f"{error.code().name} {details}"
            return found, "OK"

    async def follow_all(self, port: int) -> dict[str, Any]:
        """Every alert over as many calls as it takes, resuming by position."""
        found, ends = list[int](), list[str]()
        while len(found) < ALL:
            positions, end = await self.follow(
                port, FollowRequest(after_position=found[-1] if found else 0), upto=ALL
            )
            found += positions
            ends.append(end)
        return {"is_whole": found == list(range(1, ALL + 1)), "ends": ends}

    async def refusals(self) -> list[str]:
        good = self.metadata()
        nobody, forged = good[:1], (*good[:1], ("authorization", "Bearer x.y.z"))
        analyst = self.metadata(Role.ANALYST)
        asked = [
            (FollowRequest(), nobody, {}),
            (FollowRequest(), forged, {}),
            (FollowRequest(), analyst, {}),
            (FollowRequest(after_position=9_999), good, {}),
            (FollowRequest(session_id="no id"), good, {}),
            (FollowRequest(session_id="x" * (5 << 20)), good, {}),
            (FollowRequest(after_position=ALL), good, {"timeout": 0.5}),
        ]
        return [
            (await self.follow(self.grpc_port, request, metadata, **more))[1]
            for request, metadata, more in asked
        ]

    async def reflected(self) -> str:
        """What a client is told that asks which services there are."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            ask = ServerReflectionStub(channel).ServerReflectionInfo
            try:
                async for _ in ask(iter([ServerReflectionRequest(list_services="")]), timeout=10):
                    return "a list"
            except grpc.aio.AioRpcError as error:
                return str(error.code().name)
        return "nothing"

    async def cut_and_resume(self) -> dict[str, Any]:
        """F33: a relay resets the connection while alerts come."""
        async with cutter(self.grpc_port) as (relay, port):

            async def cut() -> None:
                for _ in range(4):
                    await asyncio.sleep(0.7)
                    relay.reset()

            cutting = asyncio.create_task(cut())
            raising = self.handle.raise_more.remote()
            told = await self.follow_all(port)
            await cutting
            await raising
        return {**told, "cuts": relay.cuts}

    async def socket(self) -> Any:
        headers = {"Authorization": self.metadata()[1][1]}
        async with httpx.AsyncClient(base_url=self.base_url, headers=headers) as client:
            answer = await client.post("/v1/live/tickets")
        address = self.base_url.replace("http", "ws") + "/v1/live/alerts"
        opened = await connect(address, origin=self.base_url, max_queue=1)  # type: ignore[arg-type]
        await opened.send(json.dumps({"type": "hello", "ticket": answer.json()["ticket"]}))
        return opened

    async def stuck_socket(self) -> dict[str, Any]:
        """F32: one WebSocket never reads; another reads all; then the first wakes up."""
        stuck, other = await self.socket(), await self.socket()
        heard = await self.hear(other, answers=True)
        await asyncio.sleep(LIMITS.say_s + 0.5)
        late = await self.hear(stuck, answers=False)
        return {"other": len(heard), "late": len(late), "code": stuck.close_code}

    @staticmethod
    async def hear(opened: Any, *, answers: bool) -> list[int]:
        found: list[int] = []
        try:
            async for text in opened:
                message = json.loads(text)
                if message["type"] == "alert":
                    found.append(message["position"])
                elif message["type"] == "ping" and answers:
                    await opened.send('{"type": "pong"}')
                elif message["type"] == "caught_up":
                    await opened.close()
        except ConnectionClosed:
            pass
        return found

    async def events(self) -> dict[str, Any]:
        """SSE over as many answers as it takes, and one reader that never reads."""
        headers = {"Authorization": self.metadata()[1][1]}
        stuck = socket.create_connection(("127.0.0.1", int(self.base_url.rpartition(":")[2])))
        lines = ["GET /v1/live/alerts/stream HTTP/1.1", "Host: x"]
        lines += [f"Authorization: {headers['Authorization']}", "", ""]
        stuck.sendall("\r\n".join(lines).encode())
        found, answers, is_done = list[int](), 0, False
        async with httpx.AsyncClient(base_url=self.base_url, headers=headers) as client:
            while not is_done:
                last = {"Last-Event-ID": str(found[-1])} if found else {}
                answers += 1
                async with aconnect_sse(
                    client, "GET", "/v1/live/alerts/stream", headers=last
                ) as source:
                    async for event in source.aiter_sse():
                        if event.event == "alert":
                            found.append(int(event.id))
                        is_done = event.event == "caught_up"
                        if is_done:
                            break
        stuck.close()
        return {"is_whole": found == list(range(1, ALL + 1)), "answers": answers}

    async def play(self) -> dict[str, Any]:
        seen: dict[str, Any] = {"listens_on": listeners(self.grpc_port)}
        seen["first"] = await self.follow(self.grpc_port, FollowRequest(after_position=BACKLOG - 5))
        seen["cut"] = await self.cut_and_resume()
        seen["refusals"] = await self.refusals()
        seen["reflected"] = await self.reflected()
        seen["socket"] = await self.stuck_socket()
        seen["events"] = await self.events()
        seen["ended"] = await self.handle.ended.remote()
        return seen


def listeners(port: int) -> list[str]:
    return sorted(
        {
            found.laddr.ip
            for found in psutil.net_connections("tcp")
            if found.status == psutil.CONN_LISTEN and found.laddr.port == port
        }
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    """Start Ray and Serve, play, end both; one line of JSON on stdout."""
    home = Path(sys.argv[1])
    folder = make_session_folder()
    port, grpc_port = free_port(), free_port()
    os.environ["PROCTOR_GRPC_PORT"] = str(grpc_port)
    head = RayHead.start(folder, ray_token(home), {"PROCTOR_GRPC_PORT": str(grpc_port)})
    try:
        from ray import serve

        from deployments.grpc_door import grpc_options
        from proctor.settings import Settings

        serve.start(
            proxy_location="HeadOnly",
            http_options={"host": "127.0.0.1", "port": port},
            grpc_options=grpc_options(Settings()),
            logging_config={"encoding": "JSON", "enable_access_log": False},
        )
        door = serve.ingress()(FakedLive)
        deployed = serve.deployment(
            name="live", ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=1000
        )(door)
        handle = serve.run(deployed.bind(str(home)), name="live", route_prefix="/v1/live")
        seen = asyncio.run(Site(home, port, grpc_port, handle).play())
        serve.shutdown()
    finally:
        head.stop()
        shutil.rmtree(folder)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
