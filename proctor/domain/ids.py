"""Names of things: typed strings, so that a session id is never passed where a candidate id is meant."""

import hashlib
import re
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
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}")


def new_id(prefix: str) -> str:
    """A fresh, unguessable id such as `ses_5f0c...` (80 random bits)."""
    return f"{prefix}_{secrets.token_hex(10)}"


def derive_id(prefix: str, *parts: str | int) -> str:
    """The same id for the same parts, always: what makes a retried commit harmless."""
    joined = "\x1f".join(str(part) for part in parts)
    return f"{prefix}_{hashlib.sha256(joined.encode()).hexdigest()[:20]}"


def path_part(name: str) -> str:
    """A name as a part of a path; names that other systems chose may hold anything."""
    if _PLAIN.fullmatch(name):
        return name
    return "-" + hashlib.sha256(name.encode()).hexdigest()[:40]
