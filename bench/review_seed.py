"""A tenant with many sessions and incidents, written in bulk by the stores' own columns."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Table, insert, text

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.incidents import alert_row, incident_row
from proctor.adapters.sql.review_tables import connections, coverage_sums, decisions
from proctor.adapters.sql.tables import (
    alerts,
    candidates,
    coverage,
    exams,
    incidents,
    priorities,
    sessions,
    tenants,
    verdicts,
)
from proctor.domain.alerts import Transition
from proctor.domain.coverage import CoverageInterval, CoverageReason, CoverageState, Modality
from proctor.domain.desk import sums_of
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, SignalId, TenantId
from proctor.domain.incidents import Category, Evidence, EvidenceStatus, Incident, Severity, Verdict
from proctor.domain.observations import Producer
from proctor.domain.priority import Contribution, Priority, Withheld
from proctor.domain.signals import Signal, SignalKind, Support
from proctor.fusion.news import alert_of

ADMIN_TENANT = "acme"
TENANT = TenantId(ADMIN_TENANT)
NOON = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SITTINGS = 500
"""Sessions of one exam."""
BUSY = 600
"""Incidents of the busiest session."""
LENGTH_MS = 3 * 3_600_000
AT_ONCE = 2_000
RARE = "several_voices"
RULES = (
    ("looking_away", Category.CONDUCT, Severity.LOW, SignalKind.GAZE_AWAY, 60),
    ("no_face", Category.CONDUCT, Severity.MEDIUM, SignalKind.NO_FACE, 18),
    ("several_faces", Category.CONDUCT, Severity.HIGH, SignalKind.SEVERAL_FACES, 6),
    ("speech", Category.CONDUCT, Severity.MEDIUM, SignalKind.SPEECH, 12),
    ("different_person", Category.IDENTITY, Severity.HIGH, SignalKind.DIFFERENT_PERSON, 1),
    ("video_frozen", Category.COVERAGE, Severity.INFO, SignalKind.VIDEO_FROZEN, 3),
)
FACE = Producer("face-mesh", "1", "ab" * 32)
VOICE = Producer("voice", "6.2", "cd" * 32)
DIGEST = "ef" * 32


@dataclass(frozen=True)
class Seeded:
    """What can be asked for."""

    exams: list[str]
    sessions: list[str]
    incidents: list[str]
    busiest: str
    rare_rule: str = RARE


async def seed(database: Database, many: int, found: int) -> Seeded:
    """Fill an empty, migrated database.

    Args:
        database: An open one.
        many: Sessions; of ten one is live, one has not begun and the others are over.
        found: Incidents over all of them; half are reviewed.
    """
    draw = random.Random(1)
    policy = _policy()
    await _put(database, tenants, [{"tenant_id": TENANT, "name": "Acme"}])
    exam_ids = [f"exa_{draw.randbytes(10).hex()}" for _ in range(-(-many // SITTINGS))]
    await _put(
        database,
        exams,
        [
            {
                "exam_id": exam_id,
                "tenant_id": TENANT,
                "title": f"Algebra {number}",
                "policy_id": "standard",
                "policy_version": 1,
                "policy_text": policy,
                "retention_days": draw.choice([30, 90]),
                "created_at": NOON,
            }
            for number, exam_id in enumerate(exam_ids)
        ],
    )
    sitting = [_session(draw, number, exam_ids) for number in range(many)]
    await _put(
        database,
        candidates,
        [
            {
                "candidate_id": row["candidate_id"],
                "tenant_id": TENANT,
                "external_ref": f"ref-{number:05d}",
                "created_at": NOON,
            }
            for number, row in enumerate(sitting)
        ],
    )
    await _put(database, sessions, sitting)
    begun = [row for row in sitting if row["started_at"] is not None]
    await _put(
        database,
        connections,
        [
            {
                "session_id": row["session_id"],
                "epoch": epoch + 1,
                "tenant_id": TENANT,
                "at": row["started_at"] + timedelta(minutes=20 * epoch),
            }
            for row in begun
            for epoch in range(row["epoch"])
        ],
    )
    await _cover(database, draw, begun)
    ranked = [row for row in begun if draw.random() < 0.95]
    await _put(database, priorities, [_priority(draw, row) for row in ranked])
    noted = _incidents(draw, begun, found)
    await _write(database, draw, begun, noted)
    await _put(
        database,
        decisions,
        [
            {
                "session_id": row["session_id"],
                "version": 1,
                "tenant_id": TENANT,
                "word": draw.choice(["reviewed"] * 8 + ["follow_up_needed", "cannot_tell"]),
                "reviewer": "ada",
                "notes": "Looked through",
                "given_at": NOON,
            }
            for row in begun
            if row["state"] == "ended" and draw.random() < 0.4
        ],
    )
    if not database.is_sqlite:  # as autovacuum does by itself; for SQLite nobody does
        async with database.writing() as connection:
            await connection.execute(text("ANALYZE"))
    return Seeded(
        exams=exam_ids,
        sessions=[str(row["session_id"]) for row in begun],
        incidents=[str(each.incident_id) for each in draw.sample(noted, min(500, len(noted)))],
        busiest=str(begun[0]["session_id"]),
    )


def _policy() -> str:
    from pathlib import Path

    return (Path(__file__).parents[1] / "policies" / "standard.yaml").read_text(encoding="utf-8")


async def _put(database: Database, table: Table, rows: list[dict]) -> None:  # type: ignore[type-arg]
    for start in range(0, len(rows), AT_ONCE):
        async with database.writing() as connection:
            await connection.execute(insert(table), rows[start : start + AT_ONCE])


def _session(draw: random.Random, number: int, exam_ids: list[str]) -> dict:  # type: ignore[type-arg]
    state = "ended" if number == 0 else draw.choices(["created", "live", "ended"], [1, 1, 8])[0]
    started = NOON + timedelta(days=number // SITTINGS, seconds=draw.randrange(600))
    is_begun, is_over = state != "created", state == "ended"
    return {
        "session_id": f"ses_{draw.randbytes(10).hex()}",
        "tenant_id": TENANT,
        "exam_id": exam_ids[number // SITTINGS],
        "candidate_id": f"can_{draw.randbytes(10).hex()}",
        "state": state,
        "epoch": draw.choice([1, 1, 1, 2, 4]) if is_begun else 0,
        "created_at": NOON,
        "started_at": started if is_begun else None,
        "ended_at": started + timedelta(milliseconds=LENGTH_MS) if is_over else None,
        "settled_at": started + timedelta(hours=4) if is_over else None,
    }


async def _cover(database: Database, draw: random.Random, begun: list[dict]) -> None:  # type: ignore[type-arg]
    rows, sums = [], []
    for number, row in enumerate(begun):
        intervals = []
        gaps = 400 if number == 0 else draw.choice([0, 1, 3, 8])
        for modality in Modality:
            intervals += _intervals(draw, modality, gaps, row["state"] == "ended")
        for ordinal, each in enumerate(intervals):
            rows.append(
                {
                    "tenant_id": TENANT,
                    "session_id": row["session_id"],
                    "ordinal": ordinal,
                    "modality": each.modality.value,
                    "state": each.state.value,
                    "reason": each.reason and each.reason.value,
                    "start_ms": each.start_ms,
                    "end_ms": each.end_ms,
                }
            )
        for total in sums_of(intervals):
            sums.append(
                {
                    "session_id": row["session_id"],
                    "modality": total.modality.value,
                    "state": total.state.value,
                    "reason": total.reason.value if total.reason else "",
                    "tenant_id": TENANT,
                    "closed_ms": total.closed_ms,
                    "open_since_ms": total.open_since_ms,
                }
            )
    await _put(database, coverage, rows)
    await _put(database, coverage_sums, sums)


def _intervals(
    draw: random.Random, modality: Modality, gaps: int, is_over: bool
) -> list[CoverageInterval]:
    cuts = sorted(draw.sample(range(1_000, LENGTH_MS - 1_000), 2 * gaps))
    told, at = [], 0
    for start, end in zip(cuts[::2], cuts[1::2], strict=True):
        told.append(_interval(modality, CoverageState.MONITORED, None, at, start))
        reason = draw.choice([CoverageReason.NO_MEDIA, CoverageReason.TOO_DARK])
        state = CoverageState.BLIND
        if reason is CoverageReason.TOO_DARK:
            state = CoverageState.DEGRADED
        told.append(_interval(modality, state, reason, start, end))
        at = end
    last = LENGTH_MS if is_over else None
    return [*told, _interval(modality, CoverageState.MONITORED, None, at, last)]


def _interval(
    modality: Modality,
    state: CoverageState,
    reason: CoverageReason | None,
    start: int,
    end: int | None,
) -> CoverageInterval:
    return CoverageInterval(
        modality=modality, state=state, reason=reason, start_ms=start, end_ms=end
    )


def _priority(draw: random.Random, row: dict) -> dict:  # type: ignore[type-arg]
    value = None if draw.random() < 0.03 else round(draw.betavariate(1.2, 5), 6)
    parts = tuple(
        Contribution(kind=kind, source=kind.value, log_odds=draw.random() * 3, since_ms=5_000)
        for kind in draw.sample([SignalKind.SPEECH, SignalKind.GAZE_AWAY, SignalKind.NO_FACE], 2)
    )
    priority = Priority(
        at_ms=LENGTH_MS,
        value=value,
        withheld=Withheld.COVERAGE if value is None else None,
        base_log_odds=-2.9,
        log_odds=-1.0,
        contributions=parts,
        peak=value,
        peak_ms=None if value is None else 9_000,
        peak_contributions=parts,
        is_final=row["state"] == "ended",
    )
    return {
        "session_id": row["session_id"],
        "tenant_id": TENANT,
        "rank": priority.rank,
        "payload": priority,
    }


def _incidents(draw: random.Random, begun: list[dict], found: int) -> list[Incident]:  # type: ignore[type-arg]
    weights = [draw.paretovariate(1.3) for _ in begun]
    where = draw.choices(begun, weights, k=max(0, found - BUSY)) + [begun[0]] * min(BUSY, found)
    noted = [_incident(draw, row) for row in where]
    for index in range(0, len(noted), max(1, len(noted) // 20)):  # a rule that finds twenty in all
        noted[index] = replace(noted[index], rule_id=RARE)
    return noted


def _incident(draw: random.Random, row: dict) -> Incident:  # type: ignore[type-arg]
    (rule,) = draw.choices(RULES, [each[4] for each in RULES])
    name, category, severity, kind, _ = rule
    opened = draw.randrange(LENGTH_MS - 60_000)
    lasted = draw.randrange(2_000, 60_000)
    signals = tuple(
        Signal(
            signal_id=SignalId(f"sig_{draw.randbytes(10).hex()}"),
            kind=kind,
            started_ms=opened + part * 200,
            ended_ms=opened + lasted,
            probability=round(draw.uniform(0.6, 0.99), 3),
            support=Support(
                observations=draw.randrange(4, 80),
                numbers=(("lasted_s", lasted / 1000), ("yaw_from_base_deg", -21.5)),
                producers=(FACE, VOICE) if kind is SignalKind.SPEECH else (FACE,),
                frame_digest=DIGEST,
            ),
        )
        for part in range(draw.choice([1, 1, 2, 5]))
    )
    return Incident(
        incident_id=IncidentId(f"inc_{draw.randbytes(10).hex()}"),
        tenant_id=TENANT,
        exam_id=ExamId(row["exam_id"]),
        session_id=SessionId(row["session_id"]),
        candidate_id=CandidateId(row["candidate_id"]),
        rule_id=name,
        policy_id="standard",
        policy_version=1,
        category=category,
        severity=severity,
        opened_ms=opened,
        closed_ms=opened + lasted,
        signals=signals,
        verdict=draw.choices(list(Verdict), [5, 2, 3])[0],
        evidence=Evidence(status=EvidenceStatus.STORED),
        suppressed_by="accommodation:may_look_away" if draw.random() < 0.02 else None,
    )


async def _write(
    database: Database,
    draw: random.Random,
    begun: list[dict],  # type: ignore[type-arg]
    noted: list[Incident],
) -> None:
    began = {row["session_id"]: row["started_at"] for row in begun}
    seqs: dict[str, int] = {}
    position = 0
    for start in range(0, len(noted), AT_ONCE):
        part = noted[start : start + AT_ONCE]
        told, said = [], []
        for incident in part:
            at = began[incident.session_id]
            for transition in (Transition.OPENED, Transition.CLOSED):
                seqs[incident.session_id] = seq = seqs.get(incident.session_id, 0) + 1
                position += 1
                raised = at + timedelta(milliseconds=incident.opened_ms)
                alert = alert_of(
                    incident, transition, seq=seq, title="T", reason="For 3 s", raised_at=raised
                )
                told.append(alert_row(alert) | {"position": position})
            if incident.verdict is not Verdict.UNREVIEWED:
                said.append(
                    {
                        "verdict_id": f"ver_{draw.randbytes(10).hex()}",
                        "tenant_id": TENANT,
                        "session_id": incident.session_id,
                        "incident_id": incident.incident_id,
                        "verdict": incident.verdict.value,
                        "reviewer": "ada",
                        "reason": "Looked at it",
                        "given_at": at + timedelta(days=1),
                        "told_at": at + timedelta(days=1),
                    }
                )
        rows = [incident_row(each, began[each.session_id]) for each in part]
        async with database.writing() as connection:
            await connection.execute(insert(incidents), rows)
            await connection.execute(insert(alerts), told)
            if said:
                await connection.execute(insert(verdicts), said)
