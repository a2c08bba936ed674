"""What the API says, as far as a candidate, a listener and a report need it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ApiProblem(Exception):
    """The server refused (RFC 9457), or could not be reached (status 0)."""

    def __init__(self, status: int, code: str, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(status, code, detail, retry_after_s)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}"

    @property
    def retryable(self) -> bool:
        """Whether the same call may work later."""
        return self.status in (0, 408, 429) or self.status >= 500


class Media(_Answer):
    """What the server asks the camera for."""

    width: int
    height: int
    fps: int
    max_kbps: int


class Joined(_Answer):
    """A join ticket exchanged."""

    token: str
    session_id: str
    whip_url: str
    media: Media


class CoveragePart(_Answer):
    """One stretch of session time in one state."""

    modality: str
    state: str
    reason: str | None
    start_ms: int
    end_ms: int | None


class SessionView(_Answer):
    """A session as staff see it."""

    session_id: str
    state: str
    epoch: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    coverage: tuple[CoveragePart, ...] = ()


class NewSession(_Answer):
    """A session just made, with what its candidate needs."""

    session: SessionView
    join_ticket: str
    join_url: str


class Verification(_Answer):
    """What a verification answers: a decision at a stated false match rate, never a score."""

    decision: str
    fmr: float
    reasons: tuple[str, ...] = ()


class ProducerView(_Answer):
    """A model that looked or listened."""

    model: str
    version: str
    digest: str


class AlertView(_Answer):
    """An alert as a proctor hears it."""

    alert_id: str
    seq: int
    session_id: str
    incident_id: str
    transition: str
    rule_id: str
    category: str
    severity: str
    title: str
    reason: str
    occurred_ms: int
    raised_at: datetime
    producers: tuple[ProducerView, ...] = ()
    frame_digest: str | None = None


class FeedView(_Answer):
    """An alert with its place in the feed."""

    position: int
    alert: AlertView


class FeedPage(_Answer):
    """A page of the feed."""

    items: tuple[FeedView, ...]


class Sight(_Answer):
    """How well one modality is watched."""

    state: str
    reason: str | None = None


class Status(_Answer):
    """What the control channel says to the candidate's page."""

    video: Sight
    audio: Sight
