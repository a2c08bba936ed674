"""Recorded sessions judged again, from their observations alone, under their own policy or another.

Another *model* cannot be tried this way: a recording holds what models said, never what they saw.
`jobs/evaluate.py` runs models over pictures that are still there.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from jobs.pipeline import Order, Row
from proctor.domain.alerts import Alert
from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.recordings import RecordingKey
from proctor.services.replays import Compared, Replays
from proctor.settings import Settings

SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("exam_id", pa.string()),
        ("kind", pa.string()),
        ("reason", pa.string()),
        ("change", pa.string()),
        ("alert_id", pa.string()),
        ("rule_id", pa.string()),
        ("transition", pa.string()),
        ("seq", pa.int64()),
        ("occurred_ms", pa.int64()),
        ("severity", pa.string()),
        ("live_seq", pa.int64()),
        ("live_occurred_ms", pa.int64()),
        ("live_severity", pa.string()),
        ("alerts", pa.int64()),
        ("alert_log_sha256", pa.string()),
        ("live_alert_log_sha256", pa.string()),
        ("is_same", pa.bool_()),
        ("is_whole", pa.bool_()),
        ("priority_rank", pa.int64()),
        ("live_priority_rank", pa.int64()),
    ]
)
"""`kind`: `session` (one row each), `alert`, or `failed` with a reason. `change` of an alert: `same`,
`added`, `removed` or `moved` (in time, severity or suppression) against the live log."""


@dataclass(frozen=True, slots=True)
class RescoreSpec:
    """Whose recordings, and the other policy's text, None for each session's own."""

    tenant_id: str
    policy_text: str | None


class Rescorer:
    """Judges one session after the other, with stores of its own."""

    def __init__(self, spec: RescoreSpec) -> None:
        from proctor.bootstrap_evidence import open_recordings
        from proctor.bootstrap_stores import open_sql

        self._spec = spec
        settings = Settings()
        self._loop = asyncio.new_event_loop()
        stores = open_sql(settings)
        self._loop.run_until_complete(stores.open())
        self._replays = Replays(
            open_recordings(settings), stores.archive, stores.sessions, stores.priorities
        )

    def rows(self, item: str) -> Sequence[Row]:
        """The session's row, then one per alert of either log."""
        exam_id, session_id = item.split("/")
        key = RecordingKey(
            tenant_id=TenantId(self._spec.tenant_id),
            exam_id=ExamId(exam_id),
            session_id=SessionId(session_id),
        )
        compared = self._loop.run_until_complete(self._replays.compare(key, self._spec.policy_text))
        return rows_of(exam_id, compared)

    def failed(self, item: str, reason: str) -> Row:
        """Why there is nothing of it."""
        exam_id, session_id = item.split("/")
        return {"session_id": session_id, "exam_id": exam_id, "kind": "failed", "reason": reason}


def rows_of(exam_id: str, compared: Compared) -> list[Row]:
    """A session that was judged again, as rows."""
    whose = {"session_id": compared.session_id, "exam_id": exam_id}
    about = {
        "alerts": len(compared.again),
        "alert_log_sha256": compared.sha256,
        "live_alert_log_sha256": compared.committed_sha256,
        "is_same": compared.is_same,
        "is_whole": compared.is_whole,
        "priority_rank": compared.rank_after,
        "live_priority_rank": compared.rank_before,
    }
    changed = compared.difference
    added = {alert.alert_id for alert in changed.added}
    moved = {after.alert_id: before for before, after in changed.moved}
    found: list[Row] = [whose | {"kind": "session"} | about]
    for alert in compared.again:
        change = "added" if alert.alert_id in added else "same"
        row = whose | {"kind": "alert", "change": change} | _alert(alert)
        if before := moved.get(alert.alert_id):
            row |= {"change": "moved"} | _live(before)
        found.append(row)
    for alert in changed.removed:
        row = whose | {"kind": "alert", "change": "removed", "alert_id": alert.alert_id}
        row |= {"rule_id": alert.rule_id, "transition": str(alert.transition)} | _live(alert)
        found.append(row)
    return [row | {"alert_log_sha256": compared.sha256} for row in found]


def _alert(alert: Alert) -> Row:
    return {
        "alert_id": alert.alert_id,
        "rule_id": alert.rule_id,
        "transition": str(alert.transition),
        "seq": alert.seq,
        "occurred_ms": alert.occurred_ms,
        "severity": str(alert.severity),
    }


def _live(alert: Alert) -> Row:
    return {
        "live_seq": alert.seq,
        "live_occurred_ms": alert.occurred_ms,
        "live_severity": str(alert.severity),
    }


def rescore_order(spec: RescoreSpec) -> Order:
    """What the actors are made of."""
    return Order(open=Rescorer, spec=spec, schema=SCHEMA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """What came of a run."""

    sessions: int
    failed: int
    same: int
    alerts: int
    added: int
    removed: int
    moved: int


def summary(rows: pa.Table) -> dict[str, int]:
    """Counts over all rows."""
    told = rows.select(["kind", "change", "is_same"]).to_pylist()
    changes = [row["change"] for row in told if row["kind"] == "alert"]
    sessions = [row for row in told if row["kind"] == "session"]
    return asdict(
        Rescored(
            sessions=len(sessions),
            failed=sum(row["kind"] == "failed" for row in told),
            same=sum(row["is_same"] for row in sessions),
            alerts=sum(change != "removed" for change in changes),
            added=changes.count("added"),
            removed=changes.count("removed"),
            moved=changes.count("moved"),
        )
    )
