"""The recording of a session: everything its judge consumed, in order, so that it can be judged again.

A recording has takes: one per memory of the session. As long as no memory is lost there is one take;
one that begins anew (the live state was lost, or a recording was full) begins another.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from proctor.domain.ids import ExamId, SessionId, TenantId

BEGIN, RESTORED, TICKS = "begin", "restored", "ticks"
"""Kinds of rows besides the judge's own steps: a memory begins; a shard read it back; only time passed."""

END = "end"
"""The judge's last step."""


class Row(NamedTuple):
    """One thing that the judge consumed. A tuple, because one is made for every report.

    Attributes:
        no: 1, 2, 3 ... within the take, no holes.
        kind: Which step: `begin`, `consume`, `tick`, `shard_lost`, `end` ...
        ticks: Turns of the timer just before it that changed nothing but the time.
        ticked_ms: The session time of the last of them; 0 without.
        silent_ms: For how long the host had been silent then; 0 without.
        consumed: What the judge had consumed after it (`Mark.consumed`).
        epoch: The connection that was judged after it.
        seq: The last report of it.
        session_ms: Session time after it.
        alert_seq: The number of the session's last alert after it.
        seen: Kinds of the observations that it brought, in order.
        text: The step's arguments as JSON, exact enough to repeat it.
    """

    no: int
    kind: str
    ticks: int
    ticked_ms: int
    silent_ms: int
    consumed: int
    epoch: int
    seq: int
    session_ms: int
    alert_seq: int
    seen: tuple[str, ...]
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingKey:
    """Whose recording."""

    tenant_id: TenantId
    exam_id: ExamId
    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of a take. The same take and number always hold the same rows.

    Attributes:
        key: Whose.
        take: Names the memory; takes of a session sort by their beginning.
        number: 0, 1, 2 ... within the take.
        rows: In order.
    """

    key: RecordingKey
    take: str
    number: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What closes a recording, once its session has ended and all its alerts are committed.

    Attributes:
        key: Whose.
        take: The last take.
        entries: How many rows that take has.
        alerts: How many alerts were committed by then. News of incidents that come after the end (a
            verdict) are alerts, too, but no judgement: they are not counted.
        alert_log_sha256: Of these alerts (`proctor.fusion.alert_log`).
        ended_at: When the session ended.
        retention_days: How long the exam keeps it after that; None when nobody said.
    """

    key: RecordingKey
    take: str
    entries: int
    alerts: int
    alert_log_sha256: str
    ended_at: datetime
    retention_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A session's recording as it was found.

    Attributes:
        key: Whose.
        takes: The rows of each take, in order of their beginning.
        footer: None while the session goes on, or its end has not been written down.
    """

    key: RecordingKey
    takes: tuple[tuple[Row, ...], ...]
    footer: Footer | None


def take_began_at(take: str) -> datetime | None:
    """When a take began, by its name; None when that says nothing."""
    try:
        began_at = datetime.strptime(f"{take[:15]}+0000", "%Y%m%dT%H%M%S%z")
    except ValueError:
        return None
    return began_at.astimezone(UTC)


def due_at(footer: Footer) -> datetime | None:
    """When the recording must be deleted: `retention_days` after the end; None for never by itself."""
    if footer.retention_days is None:
        return None
    return footer.ended_at + timedelta(days=footer.retention_days)


def is_due(footer: Footer, now: datetime) -> bool:
    """Whether the recording has outlived its exam's retention."""
    at = due_at(footer)
    return at is not None and now >= at
