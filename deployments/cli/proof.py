"""`proctor export`, `proctor verify`, `proctor erase` and `proctor keys`: proof, and the end of data.

`verify` needs the file and the public key, nothing of the site: no settings, no database, no network.
"""

import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from deployments.cli.errors import EXIT_FAILED, OneLineErrors, read_settings
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import CandidateId, SessionId, TenantId

if TYPE_CHECKING:
    from proctor.adapters.sql.stores import SqlStores
    from proctor.domain.erasure import Erasure
    from proctor.services.proof.export import Exported
    from proctor.settings import Settings

keys = typer.Typer(
    cls=OneLineErrors, no_args_is_help=True, help="The key ring, and the key that signs proof."
)

Tenant = Annotated[str, typer.Option(help="Whose data.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
By = Annotated[str | None, typer.Option("--by", help="Who asks, for the audit log; default: you.")]
Answer = TypeVar("Answer")


def export(
    session: Annotated[str, typer.Argument(help="A session's id.")],
    to: Annotated[Path, typer.Option("--to", dir_okay=False, help="The file to write.")],
    evidence: Annotated[
        str, typer.Option(help="Pictures and clips: opened, sealed or none.")
    ] = "sealed",
    tenant: Tenant = "default",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Write everything of a session into one file that `proctor verify` checks offline."""
    from proctor.bootstrap_proof import build_export, open_subject_keys
    from proctor.services.proof.export import EvidenceAs

    if evidence not in set(EvidenceAs):
        raise InvalidInput(f"--evidence is one of: {', '.join(EvidenceAs)}")

    async def write(settings: "Settings", stores: "SqlStores") -> "Exported":
        return await build_export(settings, stores, open_subject_keys(settings, stores)).write(
            TenantId(tenant),
            SessionId(session),
            to,
            actor=by or _who(),
            evidence=EvidenceAs(evidence),
        )

    done = _with_stores(write)
    told = {
        "file": str(to),
        "entries": done.entries,
        "alerts": done.alerts,
        "evidence": done.evidence,
        "head": done.head,
    }
    text = f"{to}: {done.entries} entries, {done.alerts} alerts, {done.evidence} pieces of evidence"
    typer.echo(json.dumps(told) if as_json else f"{text}, head {done.head}")


def verify(
    file: Annotated[Path, typer.Argument(help="What `proctor export` wrote.")],
    key: Annotated[Path, typer.Option("--key", help="The site's public key, PEM.")],
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A signed checkpoint had from elsewhere; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check an export offline; exit 1 when it was touched, 2 when it cannot be read."""
    from proctor.adapters.recordings.arrow import read_arrow
    from proctor.adapters.seal import SealReader
    from proctor.services.proof.verify import verify as check

    known = [path.read_text(encoding="utf-8", errors="replace") for path in checkpoint or ()]
    report = check(file, SealReader.from_pem(key.read_bytes()), read_arrow, known)
    if as_json:
        told = {
            "session_id": report.session_id,
            "entries": report.entries,
            "checkpoints": report.checkpoints,
            "good": not report.faults,
            "faults": report.faults,
            "notes": report.notes,
        }
        typer.echo(json.dumps(told))
    else:
        for line in report.notes:
            typer.echo(f"note: {_plain(line)}")
        for line in report.faults:
            typer.echo(f"FAULT: {_plain(line)}")
        what = f"{report.entries} entries, {report.checkpoints} checkpoints"
        is_good = "as it was written" if not report.faults else "NOT as it was written"
        typer.echo(f"session {_plain(report.session_id)}: {what}: {is_good}")
    if report.faults:
        raise typer.Exit(EXIT_FAILED)


def _plain(told: str) -> str:
    """Without what moves a terminal's cursor: names in a file are whatever its forger wrote."""
    return "".join(one if one.isprintable() else "?" for one in told)


def erase(
    candidate: Annotated[str, typer.Argument(help="A candidate's id.")],
    tenant: Tenant = "default",
    by: By = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase everything of a candidate, for ever; prints the receipt.

    A session that goes on is in the way: end it first, or have the service stop it
    (DELETE /v1/candidates/ID?stop=true).
    """
    from proctor.bootstrap_proof import build_erase, open_subject_keys
    from proctor.bootstrap_stores import open_faces, open_live_state

    if not yes:
        typer.confirm(f"Erase {candidate} of {tenant} for ever?", abort=True)

    async def work(settings: "Settings", stores: "SqlStores") -> "Erasure":
        faces = open_faces(settings)
        live = open_live_state(settings) if settings.redis_url is not None else None
        try:
            one = build_erase(
                settings, stores, keys=open_subject_keys(settings, stores), faces=faces, live=live
            )
            return await one(TenantId(tenant), CandidateId(candidate), by or _who())
        finally:
            await faces.close()
            if live is not None:
                await live.close()

    done = _with_stores(work)
    told = {
        "receipt_id": done.receipt_id,
        "candidate_id": done.candidate_id,
        "asked_by": done.asked_by,
        "asked_at": done.asked_at.isoformat(),
        "done_at": done.done_at.isoformat() if done.done_at else None,
        "sessions": done.sessions,
        "recordings": done.recordings,
        "evidence": done.evidence,
    }
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(
        f"{done.candidate_id} is erased, receipt {done.receipt_id}: {done.sessions} sessions, "
        f"{done.recordings} recordings, {done.evidence} pieces of evidence"
    )


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Show the key ring's versions and the key that signs proof."""
    from proctor.bootstrap_proof import open_rotating_ring, open_seal

    settings = read_settings().resolved()
    ring, seal = open_rotating_ring(settings), open_seal(settings)
    told = {
        "key_ring": settings.key_ring,
        "versions": list(ring.versions()),
        "proof_key": seal.kid,
    }
    if as_json:
        typer.echo(json.dumps(told))
        return
    table = Table("what", "found", box=None)
    table.add_row("key ring", settings.key_ring)
    table.add_row("versions", ", ".join(map(str, ring.versions())))
    table.add_row("proof key", seal.kid)
    Console().print(table)


@keys.command()
def rotate(as_json: AsJson = False) -> None:
    """Add a version to the key ring and wrap every candidate's data key anew under it.

    What older versions sealed stays readable: keep them as long as templates and secrets of then are.
    """
    from proctor.bootstrap_proof import open_rotating_ring, open_subject_keys

    async def work(settings: "Settings", stores: "SqlStores") -> tuple[int, int]:
        newest = open_rotating_ring(settings).rotate()
        return newest, await open_subject_keys(settings, stores).rewrap()

    newest, count = _with_stores(work)
    told = f"version {newest} seals from now on; {count} data keys were wrapped anew"
    typer.echo(json.dumps({"version": newest, "rewrapped": count}) if as_json else told)


@keys.command()
def public() -> None:
    """Print the public key that checks exports and checkpoints, in PEM."""
    from proctor.bootstrap_proof import open_seal

    typer.echo(open_seal(read_settings()).pem(), nl=False)


def _with_stores(work: "Callable[[Settings, SqlStores], Awaitable[Answer]]") -> Answer:
    """Do something with the database of the settings, then close it."""
    from proctor.adapters.logging import configure
    from proctor.bootstrap_stores import open_sql

    async def run() -> Answer:
        settings = read_settings().resolved()
        configure(settings.log_level, "proof", sys.stderr)  # never between the lines of an answer
        stores = open_sql(settings)
        try:
            await stores.open()
            return await work(settings, stores)
        finally:
            await stores.close()

    return asyncio.run(run())


def _who() -> str:
    """Who runs this command on this machine."""
    return f"local:{getpass.getuser()}"
