"""Who may ask: roles, and the caller that a verified token stands for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.ids import SessionId, TenantId


class Role(StrEnum):
    """What a caller is. A token carries exactly one."""

    CANDIDATE = "candidate"
    PROCTOR = "proctor"
    REVIEWER = "reviewer"
    ADMIN = "admin"
    ANALYST = "analyst"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller, as the token says and the verifier believes.

    Attributes:
        subject: Who: a person's or program's name; the candidate's id for a candidate.
        tenant_id: Whose data they may see.
        role: What they are.
        token_id: The token's `jti`, by which it can be revoked.
        expires_at: When the token ends.
        session_id: The one session a candidate's token is bound to; None for everybody else.
    """

    subject: str
    tenant_id: TenantId
    role: Role
    token_id: str
    expires_at: datetime
    session_id: SessionId | None = None
