"""`proctor bench delivery`: how fast alerts leave by each way."""

import asyncio
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deployments.cli.bench_load import JsonFile
from deployments.cli.demo import wide_console
from proctor.domain.errors import InvalidInput
from proctor.ports import AlertFeed, Clock, LiveState

if TYPE_CHECKING:
    from deployments.dispatcher import Dispatcher


def delivery(
    ways: Annotated[
        str | None, typer.Option(help="Only these, such as websocket,kafka; default: all.")
    ] = None,
    rates: Annotated[str, typer.Option(help="Alerts a second.")] = "1,100,1000",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each rate lasts.")] = 10.0,
    backlog: Annotated[
        int, typer.Option(min=1, help="Alerts that wait when the throughput is measured.")
    ] = 3000,
    faults: Annotated[
        int, typer.Option(min=0, help="Play faults instead, each with so many receivers (seeds).")
    ] = 0,
    outage_seconds: Annotated[float, typer.Option(min=0.5, help="How long a fault lasts.")] = 5.0,
    json_file: JsonFile = None,
) -> None:
    """Delay and throughput of alerts by WebSocket, SSE, gRPC, Kafka and webhook, one by one and in batches.

    Starts a database, Redis, the readers' server and librdkafka's mock brokers of its own: no models, no
    Ray. With --faults: what was raised, delivered, doubled and lost while lines and brokers fail. Exits 1
    when an alert was lost or came out of its session's order.
    """
    from bench.delivery import Asked, measure, tables
    from bench.delivery_ways import WAYS

    console = wide_console()
    chosen = tuple(ways.split(",")) if ways else tuple(WAYS)
    if unknown := sorted(set(chosen) - set(WAYS)):
        raise InvalidInput(f"no such way: {', '.join(unknown)}; there are {', '.join(WAYS)}")

    def say(step: str) -> None:
        console.print(f"  · {step}", style="dim", highlight=False)

    if faults:
        _play_faults(faults, outage_seconds, console, json_file)
        return
    asked = Asked(ways=chosen, rates=numbers(rates), seconds=seconds, backlog=backlog)
    with tempfile.TemporaryDirectory(prefix="proctor-", ignore_cleanup_errors=True) as folder:
        found = asyncio.run(measure(Path(folder), make_dispatcher, asked, say))
    for table in tables(found):
        console.print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(found.as_json(), indent=2) + "\n", encoding="utf-8")
    lost = sum(each.lost for each in found.delays)
    if lost:
        console.print(f"[red]{lost} alerts never came", highlight=False)
    raise typer.Exit(1 if lost else 0)


def _play_faults(seeds: int, outage_s: float, console: Console, json_file: Path | None) -> None:
    from bench.batches import machine
    from bench.delivery_faults import fault_table, play_faults

    def say(step: str) -> None:
        console.print(f"  · {step}", style="dim", highlight=False)

    with tempfile.TemporaryDirectory(prefix="proctor-", ignore_cleanup_errors=True) as folder:
        playing = play_faults(Path(folder), make_dispatcher, seeds, outage_s, say=say)
        found = asyncio.run(playing)
    console.print(fault_table(found))
    if json_file is not None:
        told = {"machine": machine(), "faults": [asdict(each) for each in found]}
        json_file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(1 if any(each.lost or each.disordered for each in found) else 0)


def make_dispatcher(feed: AlertFeed, live: LiveState, clock: Clock) -> "Dispatcher":
    """The product's own."""
    from deployments.dispatcher import Dispatcher
    from proctor.adapters.metrics import PrometheusMetrics

    return Dispatcher(feed=feed, live=live, clock=clock, metrics=PrometheusMetrics())


def numbers(text: str) -> tuple[float, ...]:
    """`1,100` as numbers. Raises `InvalidInput`."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < each <= 100_000 for each in found):
        raise InvalidInput("--rates are numbers from above 0 to 100000, such as 1,100,1000")
    return found
