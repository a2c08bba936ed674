"""What of a session enters its chain, and what of that only as a commitment.

In clear stands what is no word about a person: rules, numbers of news, severities, coverage. What a
candidate's erasure must be able to take away stands behind a commitment: who it is, the readings and
sentences of alerts, hashes of pictures, reviewers and their words.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from proctor.domain.alerts import Alert
from proctor.domain.casework import Added, SessionDecision
from proctor.domain.coverage import CoverageInterval
from proctor.domain.erasure import Erasure
from proctor.domain.evidence import EvidenceRef
from proctor.domain.incidents import Incident
from proctor.domain.notes import VerdictGiven
from proctor.domain.proof import Fact, FactKind
from proctor.domain.recordings import Footer, Recording
from proctor.domain.sessions import Exam, Session


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def plain(value: Any, kind: Any) -> Any:
    """A domain object as JSON values: what is committed to, and what an export holds."""
    return _adapter(kind).dump_python(value, mode="json")


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def begun(session: Session, exam: Exam) -> Fact:
    """Who sits what, since when, judged by what."""
    assert session.started_at is not None
    return Fact(
        kind=FactKind.BEGUN,
        source_id=session.session_id,
        body={
            "exam_id": exam.exam_id,
            "started_at": _utc(session.started_at),
            "policy_id": exam.policy_id,
            "policy_version": exam.policy_version,
            "policy_sha256": hashlib.sha256(exam.policy_text.encode()).hexdigest(),
            "retention_days": exam.retention_days,
        },
        secret={"candidate_id": session.candidate_id},
    )


def alert(news: Alert) -> Fact:
    """A change of an incident, as it was told."""
    return Fact(
        kind=FactKind.ALERT,
        source_id=news.alert_id,
        body={
            "seq": news.seq,
            "incident_id": news.incident_id,
            "transition": news.transition.value,
            "rule_id": news.rule_id,
            "policy_id": news.policy_id,
            "policy_version": news.policy_version,
            "category": news.category.value,
            "severity": news.severity.value,
        },
        secret=plain(news, Alert),
    )


def evidence(ref: EvidenceRef, sealed_sha256: str) -> Fact:
    """A picture or clip that lies in the store; the hash of the sealed bytes says nothing of it."""
    return Fact(
        kind=FactKind.EVIDENCE,
        source_id=ref.evidence_id,
        body={
            "incident_id": ref.incident_id,
            "kind": ref.kind.value,
            "media_type": ref.media_type,
            "start_ms": ref.start_ms,
            "end_ms": ref.end_ms,
            "size": ref.size,
            "sealed_sha256": sealed_sha256,
        },
        secret={"sha256": ref.sha256},
    )


def verdict(given: VerdictGiven) -> Fact:
    """A reviewer's word."""
    return Fact(
        kind=FactKind.VERDICT,
        source_id=given.verdict_id,
        body={
            "incident_id": given.incident_id,
            "verdict": given.verdict.value,
            "given_at": _utc(given.given_at),
        },
        secret={"reviewer": given.reviewer, "reason": given.reason},
    )


def decision(given: SessionDecision) -> Fact:
    """How a reviewer left the session; each version is an entry."""
    return Fact(
        kind=FactKind.DECISION,
        source_id=str(given.version),
        body={"word": given.word.value, "given_at": _utc(given.given_at)},
        secret={"reviewer": given.reviewer, "notes": given.notes},
    )


def added(said: Added, incident: Incident) -> Fact:
    """An incident that a person added; it is confirmed by who added it."""
    return Fact(
        kind=FactKind.ADDED,
        source_id=said.incident_id,
        body={
            "rule_id": incident.rule_id,
            "category": incident.category.value,
            "severity": incident.severity.value,
            "opened_ms": incident.opened_ms,
            "closed_ms": incident.closed_ms,
            "added_at": _utc(said.added_at),
        },
        secret={"reviewer": said.reviewer, "words": said.words},
    )


def coverage(session: Session, alerts: int) -> Fact:
    """The end: what could be seen, and how much was told."""
    assert session.ended_at is not None
    return Fact(
        kind=FactKind.COVERAGE,
        source_id=session.session_id,
        body={
            "ended_at": _utc(session.ended_at),
            "alerts": alerts,
            "coverage": plain(session.coverage, tuple[CoverageInterval, ...]),
        },
    )


def recording_id(footer: Footer) -> str:
    """The name of a closed recording in the chain; a footer that replaces another is another."""
    return f"{footer.take}-{footer.entries}-{footer.alert_log_sha256[:16]}"


def recording(found: Recording, footer: Footer) -> Fact:
    """What was consumed, so that it can be judged again."""
    return Fact(
        kind=FactKind.RECORDING,
        source_id=recording_id(footer),
        body={"take": footer.take, "entries": footer.entries, "alerts": footer.alerts},
        secret={
            "alert_log_sha256": footer.alert_log_sha256,
            "rows_sha256": rows_sha256(found.takes),
        },
    )


def erased(receipt: Erasure) -> Fact:
    """The candidate was erased: commitments before this open no more."""
    return Fact(
        kind=FactKind.ERASED,
        source_id=receipt.receipt_id,
        body={"asked_at": _utc(receipt.asked_at)},
    )


def rows_sha256(takes: Iterable[Iterable[Any]]) -> str:
    """Of a recording's rows, however they were cut into files: each take after its number of rows."""
    digest = hashlib.sha256()
    for take in takes:
        rows = list(take)
        digest.update(len(rows).to_bytes(8, "big"))
        for row in rows:
            text = repr((*row[:-1], row.text.hex())).encode()
            digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()
