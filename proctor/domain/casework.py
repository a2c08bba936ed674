"""What people add to a session's record: decisions, statements, incidents that no rule found.

All of it is added and never changed: a later decision stands beside the earlier ones. None of it is a
verdict by itself, and nothing follows but that it is kept and shown.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.ids import CandidateId, IncidentId, SessionId, TenantId

MANUAL_RULE = "manual"
"""The rule of an incident that a person added; `policy_version` 0 tells it from a policy's own rule."""
NO_POLICY_VERSION = 0


class DecisionWord(StrEnum):
    """How a reviewer left a session. None of these words is a finding against anybody."""

    REVIEWED = "reviewed"
    """Everything worth a look was looked at; nothing more is asked for here."""
    FOLLOW_UP = "follow_up_needed"
    """People should look further or ask: outside of this product."""
    CANNOT_TELL = "cannot_tell"
    """Too little was seen or heard to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDecision:
    """What a reviewer decided about a session as a whole.

    Attributes:
        tenant_id: Whose.
        session_id: Of which session.
        version: 1, 2, 3 ...; the highest stands, the others are its history.
        word: How the session was left.
        reviewer: The subject of the reviewer's token.
        notes: Their own words; for those who review.
        given_at: When.
    """

    tenant_id: TenantId
    session_id: SessionId
    version: int
    word: DecisionWord
    reviewer: str
    notes: str
    given_at: datetime


class StatementBy(StrEnum):
    """Who wrote a statement down."""

    CANDIDATE = "candidate"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A candidate's own words about their session, or about one incident of it (TRUST P7).

    Attributes:
        statement_id: Its name.
        tenant_id: Whose.
        session_id: About which session.
        candidate_id: Whose words they are.
        incident_id: About which incident; None for the session as a whole.
        by: Sent by the candidate, or by staff on their behalf.
        author: The subject of the token that sent it.
        text: The words.
        made_at: When.
    """

    statement_id: str
    tenant_id: TenantId
    session_id: SessionId
    candidate_id: CandidateId
    incident_id: IncidentId | None
    by: StatementBy
    author: str
    text: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Who added an incident that no rule found, and what they say of it.

    Attributes:
        tenant_id: Whose.
        session_id: In which session.
        incident_id: The incident; its rule is `manual`.
        words: What was seen, in the reviewer's words.
        reviewer: The subject of the reviewer's token.
        added_at: When.
    """

    tenant_id: TenantId
    session_id: SessionId
    incident_id: IncidentId
    words: str
    reviewer: str
    added_at: datetime
