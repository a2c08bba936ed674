"""Settings in, evidence out: its store, the keeper of a session host, what shows it, what ends it.

Imports are inside the functions, so that a process pays only for what it opens.
"""

from typing import TYPE_CHECKING

from proctor.settings import Settings

if TYPE_CHECKING:
    from proctor.adapters.evidence.objects import ObjectEvidence
    from proctor.ports import (
        AuditLog,
        Clock,
        EvidenceEnds,
        EvidenceLedger,
        ExamStore,
        IncidentStore,
        KeyRing,
        LiveState,
        Metrics,
        SessionStore,
        SubjectKeys,
    )
    from proctor.services.evidence.ending import EndEvidence
    from proctor.services.evidence.keeper import SpoolingKeeper
    from proctor.services.evidence.schedule import RetentionSchedule
    from proctor.services.evidence.showing import EvidenceDesk


def open_evidence(settings: Settings) -> "ObjectEvidence":
    """The store of sealed evidence. Raises `InvalidInput` for a URL of no store."""
    from proctor.adapters.evidence.objects import ObjectEvidence

    known = settings.resolved()
    assert known.evidence_url is not None
    return ObjectEvidence(known.evidence_url)


def build_evidence_keeper(
    settings: Settings,
    ledger: "EvidenceLedger",
    subject_keys: "SubjectKeys",
    clock: "Clock",
    metrics: "Metrics",
) -> "SpoolingKeeper":
    """The keeper of one session host; its `run` is the host's to own."""
    from proctor.adapters.evidence.spool import FolderSpool
    from proctor.services.evidence.keeper import SpoolingKeeper

    known = settings.resolved()
    assert known.evidence_spool is not None
    return SpoolingKeeper(
        keys=subject_keys,
        spool=FolderSpool(known.evidence_spool),
        objects=open_evidence(known),
        ledger=ledger,
        clock=clock,
        metrics=metrics,
        most_bytes=known.evidence_spool_mb * 1_000_000,
    )


def build_evidence_desk(
    settings: Settings,
    *,
    ledger: "EvidenceLedger",
    subject_keys: "SubjectKeys",
    keys: "KeyRing",
    audit: "AuditLog",
    incidents: "IncidentStore",
    sessions: "SessionStore",
    exams: "ExamStore",
    live: "LiveState",
    clock: "Clock",
) -> "EvidenceDesk":
    """Evidence before human eyes."""
    from proctor.services.evidence.showing import EvidenceDesk

    return EvidenceDesk(
        ledger=ledger,
        objects=open_evidence(settings),
        subject_keys=subject_keys,
        keys=keys,
        audit=audit,
        incidents=incidents,
        sessions=sessions,
        exams=exams,
        live=live,
        clock=clock,
    )


def build_evidence_end(settings: Settings, ends: "EvidenceEnds") -> "EndEvidence":
    """What deletes evidence: by retention, and with its candidate's data."""
    from proctor.adapters.clock import SystemClock
    from proctor.services.evidence.ending import EndEvidence

    return EndEvidence(ends, open_evidence(settings), SystemClock())


def build_retention(settings: Settings, ends: "EvidenceEnds") -> "RetentionSchedule":
    """What is kept, where, for how long, as these settings have it."""
    from proctor.services.evidence.schedule import Places, RetentionSchedule, place_of

    known = settings.resolved()
    urls = (known.database_url, known.faces_uri, known.recordings_url, known.evidence_url)
    return RetentionSchedule(ends, Places(*(place_of(url or "") for url in urls)))
