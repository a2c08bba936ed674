"""Tombstones as text that is signed: who is erased, whatever a backup brings back."""

import json
from datetime import UTC, datetime

import structlog

from proctor.domain.erasure import Erasure, Tombstone
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import CandidateId, TenantId
from proctor.ports import Seal
from proctor.services.proof.entries import canonical

TOMBSTONE = "rayproctor-tombstone"
"""What the signature of a tombstone says that it signs."""

_log = structlog.get_logger(__name__)


def read_stone(signed: str, seal: Seal) -> Tombstone | None:
    """None for one that we did not sign: who can write there must not be able to erase people."""
    try:
        fields = json.loads(seal.read(TOMBSTONE, signed))
        return Tombstone(
            receipt_id=fields["receipt"],
            tenant_id=TenantId(fields["tenant"]),
            candidate_id=CandidateId(fields["candidate"]),
            asked_by=fields["by"],
            asked_at=datetime.fromisoformat(fields["at"]),
        )
    except (InvalidInput, ValueError, KeyError, TypeError):
        _log.error("a tombstone is not ours")
        return None


def write_stone(stone: Tombstone) -> bytes:
    """Canonical JSON."""
    return canonical(
        {
            "v": 1,
            "receipt": stone.receipt_id,
            "tenant": stone.tenant_id,
            "candidate": stone.candidate_id,
            "by": stone.asked_by,
            "at": stone.asked_at.astimezone(UTC).isoformat(timespec="microseconds"),
        }
    )


def receipt_of(stone: Tombstone) -> Erasure:
    """The receipt that it was made for; everything of it is owed."""
    return Erasure(
        receipt_id=stone.receipt_id,
        tenant_id=stone.tenant_id,
        candidate_id=stone.candidate_id,
        asked_by=stone.asked_by,
        asked_at=stone.asked_at,
    )
