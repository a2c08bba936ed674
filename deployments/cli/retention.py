"""`proctor retention`: what is kept, where, for how long and why. Reads the settings and the database."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from deployments.cli.errors import OneLineErrors, read_settings
from proctor.domain.ids import TenantId

if TYPE_CHECKING:
    from proctor.services.evidence.schedule import Schedule

app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    help="What is kept, and for how long.",
    name="retention",
)


@app.callback()
def retention() -> None:
    """What is kept, and for how long."""


@app.command()
def show(
    tenant: Annotated[str, typer.Option(help="Whose exams.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Show the schedule as the running configuration and the tenant's exams have it."""
    schedule = asyncio.run(_read(TenantId(tenant)))
    if as_json:
        typer.echo(json.dumps(asdict(schedule)))
        return
    table = Table("what", "where", "how long", "why", "ended by", show_lines=True)
    for kept in schedule.kept:
        table.add_row(kept.what, kept.where, kept.how_long, kept.why, kept.ended_by)
    Console().print(table)
    for days, exams in schedule.exams.items():
        typer.echo(f"{exams} exams: {days} days after the session's end")


async def _read(tenant_id: TenantId) -> "Schedule":
    from proctor.bootstrap_evidence import build_retention
    from proctor.bootstrap_stores import open_sql

    settings = read_settings()
    stores = open_sql(settings)
    try:
        await stores.open()
        return await build_retention(settings, stores.evidence_ends).of(tenant_id)
    finally:
        await stores.close()
