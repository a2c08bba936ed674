"""Orders and pieces of evidence, made up."""

import hashlib
from dataclasses import replace
from typing import Any

from proctor.domain.evidence import (
    EvidenceOrder,
    EvidenceRef,
    KeptSession,
    Piece,
    PieceKind,
    ref_of,
)
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import Severity
from tests.contract.samples import ACME

CANARY = b"\xff\xd8 canary: a made-up picture "


def order(incident: str = "inc_1", severity: Severity = Severity.LOW, **more: Any) -> EvidenceOrder:
    made = EvidenceOrder(
        tenant_id=ACME,
        exam_id=ExamId("exm_1"),
        session_id=SessionId("ses_1"),
        candidate_id=CandidateId("cnd_1"),
        incident_id=IncidentId(incident),
        digests=(),
        from_ms=0,
        until_ms=10_000,
        severity=severity,
    )
    return replace(made, **more)


def piece(
    kind: PieceKind = PieceKind.JUDGED, at_ms: int = 1_000, size: int = 500, seed: int = 0
) -> Piece:
    content = (CANARY + bytes([seed]) * size)[: max(size, len(CANARY) + 1)]
    is_clip = kind is PieceKind.CLIP
    return Piece(
        kind=kind,
        media_type="video/webm" if is_clip else "image/jpeg",
        start_ms=at_ms,
        end_ms=at_ms + (5_000 if is_clip else 0),
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
    )


def ref(
    incident: str = "inc_1", kind: PieceKind = PieceKind.JUDGED, at_ms: int = 1_000, **more: Any
) -> EvidenceRef:
    return ref_of(order(incident, **more), piece(kind, at_ms))


SESSION = KeptSession(
    tenant_id=TenantId("acme"), exam_id=ExamId("exm_1"), session_id=SessionId("ses_1")
)
