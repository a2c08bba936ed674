"""`proctor dlq`: dead letters of a tenant's sinks, listed and sent again. Reads the database alone."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.cli.errors import OneLineErrors, read_settings
from proctor.adapters.clock import SystemClock
from proctor.domain.deliveries import Delivery
from proctor.domain.errors import InvalidInput, NotFound
from proctor.domain.ids import AlertId, SinkId, TenantId
from proctor.domain.sinks import Sink

if TYPE_CHECKING:
    from proctor.adapters.sql.stores import SqlStores

app = typer.Typer(
    cls=OneLineErrors, no_args_is_help=True, help="Alerts that could not be delivered."
)

Tenant = Annotated[str, typer.Option(help="Whose data.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
SinkOption = Annotated[str | None, typer.Option("--sink", help="One sink; all without it.")]
PAGE = 200
Answer = TypeVar("Answer")


def _with_stores(work: "Callable[[SqlStores], Awaitable[Answer]]") -> Answer:
    """Do something with the database of the settings, then close it."""
    from proctor.bootstrap_stores import open_sql

    async def run() -> Answer:
        stores = open_sql(read_settings())
        try:
            await stores.open()
            return await work(stores)
        finally:
            await stores.close()

    return asyncio.run(run())


@app.command("list")
def list_letters(
    tenant: Tenant = "default", sink: SinkOption = None, as_json: AsJson = False
) -> None:
    """Show dead letters: sink, position, alert, tries, why and since when."""

    async def read(stores: "SqlStores") -> list[tuple[Sink, Delivery]]:
        found: list[tuple[Sink, Delivery]] = []
        for one in await _sinks(stores, TenantId(tenant), sink):
            after = 0
            while page := await stores.deliveries.dead_letters(
                one.tenant_id, one.sink_id, after, PAGE
            ):
                found += [(one, letter) for letter in page]
                after = page[-1].position
        return found

    letters = _with_stores(read)
    if as_json:
        typer.echo(json.dumps([_plain(one, letter) for one, letter in letters]))
        return
    table = Table("sink", "name", "position", "alert", "tries", "why", "since")
    for one, letter in letters:
        since = letter.ended_at.isoformat(timespec="seconds") if letter.ended_at else ""
        table.add_row(
            one.sink_id,
            escape(one.name),
            str(letter.position),
            letter.alert_id,
            str(letter.attempts),
            letter.code,
            since,
        )
    Console().print(table)


@app.command()
def replay(
    sink: Annotated[str, typer.Option("--sink", help="Whose dead letters.")],
    alert: Annotated[
        list[str] | None, typer.Option("--alert", help="An alert's id; may be repeated.")
    ] = None,
    from_position: Annotated[int | None, typer.Option("--from", min=1, help="First.")] = None,
    to_position: Annotated[int | None, typer.Option("--to", min=1, help="Last.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one of the sink.")] = False,
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Send dead letters again, with all their tries; the dispatcher takes them up within seconds."""
    has_range = from_position is not None or to_position is not None
    if [bool(alert), has_range, everything].count(True) != 1:
        raise InvalidInput("say which: --alert ID, --from N and --to N, or --all: one of them")
    ids = [AlertId(name) for name in alert] if alert else None
    positions = (from_position or 1, to_position or 1 << 53) if has_range else None

    async def send(stores: "SqlStores") -> int:
        [one] = await _sinks(stores, TenantId(tenant), sink)
        now = SystemClock().now()
        return await stores.deliveries.replay(one.tenant_id, one.sink_id, now, ids, positions)

    count = _with_stores(send)
    typer.echo(json.dumps({"replayed": count}) if as_json else f"{count} alerts are sent again")


async def _sinks(stores: "SqlStores", tenant_id: TenantId, sink: str | None) -> list[Sink]:
    if sink is not None:
        try:
            return [await stores.sinks.get_sink(tenant_id, SinkId(sink))]
        except NotFound:
            raise InvalidInput(
                f"the tenant {tenant_id!a} has no sink {sink!a}; see `proctor dlq list`"
            ) from None
    found: list[Sink] = []
    while page := await stores.sinks.list_sinks(
        tenant_id, found[-1].sink_id if found else None, PAGE
    ):
        found += page
    return found


def _plain(sink: Sink, letter: Delivery) -> dict[str, object]:
    return {
        "sink_id": sink.sink_id,
        "name": sink.name,
        "position": letter.position,
        "alert_id": letter.alert_id,
        "session_id": letter.session_id,
        "attempts": letter.attempts,
        "replays": letter.replays,
        "code": letter.code,
        "ended_at": letter.ended_at.isoformat() if letter.ended_at else None,
    }
