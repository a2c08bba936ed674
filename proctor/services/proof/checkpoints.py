"""Checkpoints as bytes that are signed."""

import json
from datetime import UTC, datetime

from proctor.domain.errors import InvalidInput
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.proof import Checkpoint
from proctor.ports import Seal
from proctor.services.proof.entries import canonical

CHECKPOINT = "rayproctor-checkpoint"
"""What the signature says that it signs."""


def write_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Canonical JSON."""
    return canonical(
        {
            "v": 1,
            "tenant": checkpoint.tenant_id,
            "session": checkpoint.session_id,
            "size": checkpoint.size,
            "head": checkpoint.head,
            "at": checkpoint.at.astimezone(UTC).isoformat(timespec="microseconds"),
        }
    )


def read_checkpoint(signed: str, seal: Seal) -> Checkpoint:
    """Raises `InvalidInput` when it was not signed by the key, or is no checkpoint."""
    payload = seal.read(CHECKPOINT, signed)
    try:
        fields = json.loads(payload)
        return Checkpoint(
            session_id=SessionId(fields["session"]),
            tenant_id=TenantId(fields["tenant"]),
            size=int(fields["size"]),
            head=str(fields["head"]),
            at=datetime.fromisoformat(fields["at"]),
        )
    except (ValueError, KeyError, TypeError):
        raise InvalidInput("what was signed is no checkpoint", "proof/no-checkpoint") from None
