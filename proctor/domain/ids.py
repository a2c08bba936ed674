"""Names of things: typed strings, so that a session id is never passed where a candidate id is meant."""

import hashlib
import secrets
from typing import NewType

TenantId = NewType("TenantId", str)
ExamId = NewType("ExamId", str)
CandidateId = NewType("CandidateId", str)
SessionId = NewType("SessionId", str)
IncidentId = NewType("IncidentId", str)
AlertId = NewType("AlertId", str)
SignalId = NewType("SignalId", str)
SinkId = NewType("SinkId", str)


def new_id(prefix: str) -> str:
    """A fresh, unguessable id such as `ses_5f0c...` (80 random bits)."""
    return f"{prefix}_{secrets.token_hex(10)}"


def derive_id(prefix: str, *parts: str | int) -> str:
    """The same id for the same parts, always: what makes a retried commit harmless."""
    joined = "\x1f".join(str(part) for part in parts)
    return f"{prefix}_{hashlib.sha256(joined.encode()).hexdigest()[:20]}"
