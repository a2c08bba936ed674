"""`proctor`: the commands that people use. Ray is imported only by the command that starts it."""

import json
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deployments.cli import bench, cluster, dlq, jobs, models, policy, proof, retention
from deployments.cli.demo import demo
from deployments.cli.errors import OneLineErrors, read_settings
from deployments.cli.metrics import metrics
from deployments.cli.replay import explain, replay
from proctor.domain.roles import Role

app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    help="RayProctor: watches over remote exams; it proves and explains, a human judges.",
)
app.add_typer(models.app, name="models")
app.add_typer(policy.app, name="policy")
app.add_typer(dlq.app, name="dlq")
app.add_typer(bench.app, name="bench")
app.add_typer(cluster.app, name="cluster")
app.add_typer(jobs.app, name="jobs")
app.add_typer(retention.app, name="retention")
app.command()(demo)
app.command()(replay)
app.command()(explain)
app.command()(metrics)
app.add_typer(proof.keys, name="keys")
app.command()(proof.export)
app.command()(proof.verify)
app.command()(proof.erase)


@app.command()
def up(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON once it answers.")
    ] = False,
    steps: Annotated[
        bool, typer.Option("--steps", help="With --json: a line of JSON per step, too.")
    ] = False,
) -> None:
    """Start everything on this machine; Ctrl-C ends it and leaves nothing behind."""
    from deployments.cli.up import run

    run(read_settings(), as_json=as_json, steps=steps)


@app.command()
def doctor() -> None:
    """Is this machine ready? Exits 1 when something is missing."""
    from deployments.preflight import look

    table = Table("", "what", "found", box=None)
    checks = list(look(read_settings()))
    for check in checks:
        table.add_row("[green]ok" if check.is_good else "[red]no", check.name, check.found)
    Console().print(table)
    if not all(check.is_good for check in checks):
        raise typer.Exit(1)


@app.command()
def token(
    role: Annotated[Role, typer.Option(help="What its bearer may do.")],
    tenant: Annotated[str, typer.Option(help="Whose data.")] = "default",
    subject: Annotated[str, typer.Option(help="Who bears it, for the audit log.")] = "local",
    minutes: Annotated[int, typer.Option(min=1, max=24 * 60, help="How long it lives.")] = 60,
    session: Annotated[
        str | None, typer.Option(help="A candidate's one session; for that role only.")
    ] = None,
) -> None:
    """Print a token for local use, signed with the key in the home folder."""
    from deployments.launcher import mint
    from proctor.domain.ids import SessionId, TenantId

    minted = mint(
        read_settings(),
        role,
        tenant=TenantId(tenant),
        subject=subject,
        lifetime=timedelta(minutes=minutes),
        session_id=SessionId(session) if session else None,
    )
    typer.echo(minted)


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables; `proctor up` does so by itself."""
    from proctor.adapters.sql.migrate import upgrade

    settings = read_settings().resolved()
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    assert settings.database_url is not None
    upgrade(settings.database_url)
    typer.echo("the database is up to date")


@app.command()
def ps(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list, for programs.")] = False,
) -> None:
    """Show the processes of the product that runs from this home."""
    from dataclasses import asdict

    from deployments.launcher import processes_of

    rows = processes_of(read_settings())
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
        return
    table = Table("kind", "name", "pid", "MB", "CPU s")
    for row in rows:
        table.add_row(row.kind, row.name, str(row.pid), f"{row.pss_mb:.0f}", f"{row.cpu_s:.1f}")
    Console().print(table)
