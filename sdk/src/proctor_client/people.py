"""What the API answers about exams, candidates and the ways in. `models` has these, too."""

from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item", bound=BaseModel)


class Model(BaseModel):
    """Root of all answers: frozen, and lenient about what is new."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class Page(Model, Generic[Item]):
    """Some items, and the cursor that goes on; None at the end."""

    items: list[Item]
    next: str | None = None


class Exam(Model):
    """An exam.

    Attributes:
        policy_overrides: What the exam changes of its policy, as YAML.
        signals_off: Signals of its rules that this installation cannot give.
    """

    exam_id: str
    title: str
    policy_id: str
    policy_version: int
    retention_days: int
    created_at: datetime
    policy_overrides: str | None = None
    signals_off: list[str] | None = None


class Candidate(Model):
    """A candidate, by your own name for them."""

    candidate_id: str
    external_ref: str
    created_at: datetime


class Consent(Model):
    """What a candidate agreed to, and when."""

    consent_id: str
    candidate_id: str
    text_version: str
    text_sha256: str
    locale: str
    method: str
    given_at: datetime
    withdrawn_at: datetime | None = None
    scopes: list[str] = Field(default_factory=list)


class EmbeddingModel(Model):
    """A model by name."""

    model: str
    version: str


class Enrolment(Model):
    """That a face was enrolled; never the face."""

    version: int
    pictures: int
    model: EmbeddingModel
    created_at: datetime


class Verification(Model):
    """`match`, `no_match` or `cannot_tell`; never a score."""

    decision: str
    fmr: float
    reasons: list[str]


class JoinTicket(Model):
    """A one-time way into a session."""

    join_ticket: str = Field(repr=False)
    join_url: str = Field(repr=False)
    expires_in_s: int


class IceServer(Model):
    """One entry of RTCConfiguration.iceServers."""

    urls: list[str]
    username: str | None = None
    credential: str | None = Field(default=None, repr=False)


class Media(Model):
    """What a candidate's page is asked to send."""

    width: int
    height: int
    fps: int
    max_kbps: int


class Joined(Model):
    """What a join ticket was exchanged for."""

    token: str = Field(repr=False)
    session_id: str
    candidate_id: str
    whip_url: str
    ice_servers: list[IceServer] = Field(default_factory=list)
    media: Media


class StaffToken(Model):
    """What a sign-in ticket was exchanged for."""

    token: str = Field(repr=False)
    role: str
