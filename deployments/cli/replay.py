"""`proctor replay` and `proctor explain`: judged again from the recording, byte for byte."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.errors import EXIT_FAILED, read_settings
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import AlertId, ExamId, SessionId, TenantId

if TYPE_CHECKING:
    from proctor.domain.alerts import Alert
    from proctor.domain.recordings import RecordingKey
    from proctor.fusion.explain import Explanation
    from proctor.services.replays import Compared, Replays

Tenant = Annotated[str, typer.Option(help="Whose data.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on one line per session.")]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", exists=True, dir_okay=False, help="Judge by this policy instead."),
]
Processes = Annotated[int, typer.Option(min=1, max=64, help="How many work at a time.")]


def replay(
    session: Annotated[str | None, typer.Argument(help="A session's id.")] = None,
    exam: Annotated[str | None, typer.Option(help="Every recorded session of this exam.")] = None,
    policy: PolicyOption = None,
    tenant: Tenant = "default",
    processes: Processes = 1,
    as_json: Json = False,
    log: Annotated[
        bool, typer.Option("--log", help="Print the alert log itself: the bytes that are hashed.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the recording to one Arrow file.")
    ] = None,
) -> None:
    """Judge recorded sessions again; exit 1 when that is not what was committed live."""
    from proctor.fusion.alert_log import alert_log
    from proctor.replaying import compare_all

    if (session is None) == (exam is None):
        raise InvalidInput("name a session, or an exam with --exam")
    settings = read_settings()
    text = None if policy is None else checked_policy(policy)
    keys = asyncio.run(keys_of(TenantId(tenant), session, exam, save))
    compared = compare_all(settings, keys, text, processes)
    for one in compared:
        if log:
            typer.echo(alert_log(one.again).decode(), nl=False)
        elif as_json:
            typer.echo(json.dumps(_json(one, is_other=text is not None)))
        else:
            _print(one, is_other=text is not None)
    if exam is not None and not (log or as_json):
        typer.echo(f"{len(compared)} sessions, sha256 of all {sha256_of(compared)}")
    if text is None and not all(one.is_same for one in compared):
        raise typer.Exit(EXIT_FAILED)


def explain(
    alert: Annotated[str, typer.Argument(help="An alert's id.")], as_json: Json = False
) -> None:
    """Recompute an alert from what is stored; exit 1 when it is not the same."""

    async def work(replays: "Replays") -> "Explanation":
        return await replays.explain(AlertId(alert))

    found = asyncio.run(_with_replays(work))
    if as_json:
        typer.echo(json.dumps(_explanation_json(found)))
    else:
        typer.echo("\n".join(_explained(found)))
    if not found.is_same:
        raise typer.Exit(EXIT_FAILED)


def checked_policy(file: Path) -> str:
    """A policy's text, once it has been validated. Raises `InvalidInput`."""
    from deployments.cli.policy_file import text_of
    from proctor.fusion.policy import parse_policy

    text = text_of(file)
    parse_policy(text)
    return text


async def keys_of(
    tenant_id: TenantId, session: str | None, exam: str | None, save: Path | None = None
) -> "Sequence[RecordingKey]":
    """Which recordings are meant. Raises `NotFound` when there are none."""
    from proctor.replaying import open_replays

    async with open_replays(read_settings()) as replays:
        if session is None:
            return await replays.of_exam(tenant_id, ExamId(exam or ""))
        key = await replays.find(tenant_id, SessionId(session))
        if save is not None:
            await _save(replays, key, save)
        return [key]


async def _save(replays: "Replays", key: "RecordingKey", file: Path) -> None:
    from proctor.adapters.recordings.arrow import write_arrow

    takes = (await replays.read(key)).takes
    if len(takes) > 1:
        raise InvalidInput(f"session {key.session_id} has {len(takes)} takes; a file holds one")
    await asyncio.to_thread(file.write_bytes, write_arrow(takes[0]))


async def _with_replays(work: Any) -> Any:
    from proctor.replaying import open_replays

    async with open_replays(read_settings()) as replays:
        return await work(replays)


def sha256_of(compared: "Sequence[Compared]") -> str:
    """One hash over the logs of many sessions, in order of their ids."""
    lines = sorted(f"{one.session_id} {one.sha256}\n" for one in compared)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _verdict(one: "Compared") -> str:
    if one.is_same:
        return "the same as what was committed live"
    if not one.is_whole:
        return "not what was committed: a part of the recording is missing"
    return f"not what was committed live: {one.committed_sha256}"


def _print(one: "Compared", is_other: bool) -> None:
    typer.echo(f"{one.session_id}: {len(one.again)} alerts, sha256 {one.sha256}")
    if not is_other:
        typer.echo(f"  {_verdict(one)}")
        if one.is_same:
            return
    changed = one.difference
    for mark, alerts in (("+", changed.added), ("-", changed.removed)):
        for alert in alerts:
            typer.echo(f"  {mark} {_line(alert)}")
    for before, after in changed.moved:
        typer.echo(f"  ~ {_line(before)} -> {_line(after)}")
    if is_other and changed.is_none:
        typer.echo("  no alert is added, removed or moved")


def _line(alert: "Alert") -> str:
    seconds = alert.occurred_ms / 1000
    return f"{seconds:.1f} s {alert.rule_id} {alert.transition} ({alert.severity})"


def _json(one: "Compared", is_other: bool) -> dict[str, object]:
    changed = one.difference
    found: dict[str, object] = {
        "session_id": one.session_id,
        "alerts": len(one.again),
        "alert_log_sha256": one.sha256,
        "committed_sha256": one.committed_sha256,
        "footer_sha256": one.footer_sha256,
        "is_whole": one.is_whole,
    }
    if not is_other:
        return found | {"same": one.is_same}
    return found | {
        "added": [_line(alert) for alert in changed.added],
        "removed": [_line(alert) for alert in changed.removed],
        "moved": [f"{_line(before)} -> {_line(after)}" for before, after in changed.moved],
    }


def _explained(found: "Explanation") -> list[str]:
    from proctor.fusion.explain import sentences

    lines = sentences(found.alert, found.rule_text)
    if found.is_beyond:
        lines.append(
            "recomputed: it is beyond what is recorded: news of after the session's end, "
            "which nobody judges, or not stored yet (a minute)"
        )
    elif found.recomputed is None:
        lines.append("recomputed: the recording does not give this alert")
    elif found.is_same:
        lines.append("recomputed from the recording: the same")
    else:
        lines += ["recomputed from the recording, it differs:", *found.differences]
    return lines


def _explanation_json(found: "Explanation") -> dict[str, object]:
    from proctor.fusion.alert_log import line_of

    again = found.recomputed
    return {
        "alert": json.loads(line_of(found.alert)),
        "rule": found.rule_text,
        "recomputed": None if again is None else json.loads(line_of(again)),
        "same": found.is_same,
        "differences": list(found.differences),
    }
