"""What a candidate is told before the exam, and what they answer."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.candidates import ConsentScope
from proctor.domain.ids import CandidateId, SessionId, TenantId


class NoticeChoice(StrEnum):
    """What a candidate may answer. Each is recorded, and none counts against anybody."""

    AGREED = "agreed"
    WITHOUT_BIOMETRICS = "without_biometrics"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSection:
    """One heading of a notice and what stands under it."""

    name: str
    heading: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The very text that a candidate is shown.

    Attributes:
        version: Of the text, by whoever wrote it.
        locale: Its language (BCP 47).
        title: Its heading.
        lead: What stands under it.
        sections: All that is told, in order.
        scopes: What the candidate is asked to agree to: nothing that this exam does not use.
        sha256: Digest of the canonical text (`notices.canonical`).
    """

    version: str
    locale: str
    title: str
    lead: str
    sections: tuple[NoticeSection, ...]
    scopes: tuple[ConsentScope, ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAnswer:
    """What a candidate answered to a notice in one session; the newest of a session holds.

    Attributes:
        answer_id: Its name.
        tenant_id: Whose data.
        session_id: For which session.
        candidate_id: Who.
        choice: What.
        scopes: What they agreed to; empty unless `choice` is `AGREED`.
        text_version: Version of the text that was shown.
        text_sha256: Digest of the very text that was shown.
        locale: Language it was shown in.
        answered_at: When.
    """

    answer_id: str
    tenant_id: TenantId
    session_id: SessionId
    candidate_id: CandidateId
    choice: NoticeChoice
    scopes: tuple[ConsentScope, ...]
    text_version: str
    text_sha256: str
    locale: str
    answered_at: datetime
