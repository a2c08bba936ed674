"""What the product needs of the world, one Protocol per subject. Adapters and fakes implement these.

Every port has a contract suite in tests/contract that its fake and its real adapter both pass.
Stores raise `StateStoreUnavailable` when they cannot be reached, `NotFound` for a wrong name.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from proctor.domain.alerts import Alert, FeedItem
from proctor.domain.candidates import Candidate, Consent, Enrolment, FaceTemplate, ModelRef
from proctor.domain.coverage import CoverageInterval
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.media import Image, Samples
from proctor.domain.observations import ClientEventName
from proctor.domain.perception import (
    BodyAnswer,
    BodyAsk,
    FaceAnswer,
    FaceAsk,
    ObjectsAnswer,
    ObjectsAsk,
    SpeakersAnswer,
    SpeakersAsk,
    SpeechAnswer,
    SpeechAsk,
    WordsAnswer,
    WordsAsk,
)
from proctor.domain.reports import Acknowledgement, TickReport
from proctor.domain.roles import Principal, Role
from proctor.domain.sessions import Exam, Session, SessionSpec, SessionState


class Clock(Protocol):
    """Wall time, monotonic time and waiting."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds that only move forward."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Perception(Protocol):
    """The models. One call is one batch for one model group; answers come in the order of the asks.

    Raises `PerceptionUnavailable` when no replica answers in time.
    """

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        """Detect, landmark, pose, gaze and (when asked) embed."""
        ...

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        """Joints of the upper body."""
        ...

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """Speech probability per 32 ms."""
        ...

    async def speakers(self, asks: Sequence[SpeakersAsk]) -> Sequence[SpeakersAnswer]:
        """Who spoke when in a window of sound, and the voices' embeddings."""
        ...

    async def words(self, asks: Sequence[WordsAsk]) -> Sequence[WordsAnswer]:
        """What was said."""
        ...

    async def objects(self, asks: Sequence[ObjectsAsk]) -> Sequence[ObjectsAnswer]:
        """Things in a picture."""
        ...


class KeyRing(Protocol):
    """Seals small secrets. AES-256-GCM with associated data; keys can be rotated."""

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Encrypt; the answer names the key version."""
        ...

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt; raises `InvalidInput` when altered or bound to other associated data."""
        ...


class FaceIndex(Protocol):
    """Enrolled templates, sealed at rest."""

    async def put(self, template: FaceTemplate) -> None:
        """Store as the candidate's newest; older versions are erased, physically.

        Raises `Conflict` when the candidate has this version, or a newer one, already.
        """
        ...

    async def find(
        self, tenant_id: TenantId, candidate_id: CandidateId, model: ModelRef
    ) -> FaceTemplate | None:
        """The newest template made by exactly this model and version, else None."""
        ...

    async def newest_version(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        """Version of the newest template of any model; 0 when there is none."""
        ...

    async def erase(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Delete and physically clean up; afterwards no file holds the sealed bytes."""
        ...


class ExamStore(Protocol):
    """Tenants and exams."""

    async def ensure_tenant(self, tenant_id: TenantId, name: str) -> None:
        """Create the tenant unless it exists."""
        ...

    async def add_exam(self, exam: Exam) -> None:
        """Store a new exam."""
        ...

    async def get_exam(self, tenant_id: TenantId, exam_id: ExamId) -> Exam:
        """Raises `NotFound`, for another tenant's exam too."""
        ...

    async def list_exams(
        self, tenant_id: TenantId, after: ExamId | None, limit: int
    ) -> Sequence[Exam]:
        """By id, after a cursor."""
        ...


class CandidateStore(Protocol):
    """Candidates and their consents."""

    async def add_candidate(self, candidate: Candidate) -> None:
        """Store; raises `Conflict` when the tenant already has this `external_ref`."""
        ...

    async def get_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> Candidate:
        """Raises `NotFound`."""
        ...

    async def list_candidates(
        self, tenant_id: TenantId, after: CandidateId | None, limit: int
    ) -> Sequence[Candidate]:
        """By id, after a cursor."""
        ...

    async def add_consent(self, consent: Consent) -> None:
        """Store a new consent record."""
        ...

    async def withdraw_consent(
        self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime
    ) -> None:
        """Mark every live consent of the candidate as withdrawn."""
        ...

    async def live_consent(self, tenant_id: TenantId, candidate_id: CandidateId) -> Consent | None:
        """The newest consent that has not been withdrawn."""
        ...

    async def add_enrolment(self, enrolment: Enrolment) -> None:
        """Record an enrolment; earlier ones are marked erased at its `created_at`.

        Raises `Conflict` when the candidate already has this version.
        """
        ...

    async def newest_enrolment(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Enrolment | None:
        """The record of the highest version, erased or not; None when there never was one."""
        ...

    async def erase_enrolments(
        self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime
    ) -> None:
        """Mark every enrolment of the candidate as erased; those marked already keep their time."""
        ...


class SessionStore(Protocol):
    """Sessions."""

    async def add(self, session: Session) -> None:
        """Store a new session."""
        ...

    async def get(self, tenant_id: TenantId, session_id: SessionId) -> Session:
        """With its coverage. Raises `NotFound`."""
        ...

    async def list(
        self,
        tenant_id: TenantId,
        exam_id: ExamId | None,
        state: SessionState | None,
        after: SessionId | None,
        limit: int,
    ) -> Sequence[Session]:
        """By id, after a cursor, without coverage."""
        ...

    async def next_epoch(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> Session:
        """Count a new connection, atomically; the first makes the session live with started_at = at.

        Raises `Conflict` when the session has ended.
        """
        ...

    async def forget_start(self, tenant_id: TenantId, session_id: SessionId, epoch: int) -> None:
        """The offer of this epoch, which began the session, was refused: it has not begun after all.

        When the session is live and this is still its epoch, it is `created` again without
        `started_at` (the count of epochs stays). Otherwise nothing happens.
        """
        ...

    async def end(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> Session:
        """Mark as ended; a second end changes nothing and returns the same."""
        ...

    async def settle(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> None:
        """Nothing of this ended session is owed any more; twice is once. Raises `NotFound`."""
        ...

    async def unsettled(
        self, ended_before: datetime, after: SessionId | None, limit: int
    ) -> Sequence[Session]:
        """Of every tenant: begun, ended before then and not settled; by id, without coverage."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one step of judging leaves behind, committed in one transaction.

    Attributes:
        tenant_id: Whose.
        session_id: Whose.
        alerts: New alerts, in seq order; each gets an outbox row unless `suppressed_by`.
        incidents: New or changed incidents.
        coverage: The session's whole coverage when it changed, else None.
    """

    tenant_id: TenantId
    session_id: SessionId
    alerts: tuple[Alert, ...]
    incidents: tuple[Incident, ...]
    coverage: tuple[CoverageInterval, ...] | None


class IncidentStore(Protocol):
    """Incidents, alerts, outbox and coverage: the shard's one writer."""

    async def commit(self, judged: Sequence[Judged]) -> None:
        """All in one transaction; repeating the same commit changes nothing (alert_id, (session, seq))."""
        ...

    async def last_seq(self, session_id: SessionId) -> int:
        """Highest committed alert seq of the session, 0 when none."""
        ...

    async def list_incidents(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> Sequence[Incident]:
        """Oldest first."""
        ...


class AlertFeed(Protocol):
    """Alerts in delivery order. Positions are given after the commit, so they never run backwards."""

    async def publish_pending(self, limit: int) -> int:
        """Give the next outbox rows a feed position; returns how many. The dispatcher's step."""
        ...

    async def read(
        self,
        tenant_id: TenantId,
        after: int,
        limit: int,
        session_id: SessionId | None = None,
        exam_id: ExamId | None = None,
    ) -> Sequence[FeedItem]:
        """Items with a position above `after`, in order."""
        ...

    async def head(self, tenant_id: TenantId) -> int:
        """The highest position given so far, 0 when none."""
        ...

    async def heads(self) -> Mapping[TenantId, int]:
        """The head of every tenant that has one: whom the dispatcher has to tell."""
        ...


class Checkpoints(Protocol):
    """A fusion shard's memory outside itself (Redis). Values are JSON, never pickle."""

    async def claim(self, shard: str) -> int:
        """Take the shard over: returns a new, higher fencing epoch."""
        ...

    async def save(self, shard: str, fence: int, states: dict[SessionId, bytes]) -> None:
        """Write sessions' states in one step; raises `Conflict` when the fence was passed."""
        ...

    async def load(self, shard: str) -> dict[SessionId, bytes]:
        """Every state saved for this shard."""
        ...

    async def drop(self, shard: str, fence: int, session_id: SessionId) -> None:
        """Forget an ended session."""
        ...


class Subscription(Protocol):
    """Messages of one channel. A cancelled `__anext__` loses nothing; close it when done.

    Messages sent while the store was away are gone, so a listener also looks by itself now and then.
    """

    async def start(self) -> None:
        """Subscribe now: what is published after this is heard. The first `__anext__` does it too."""
        ...

    def __aiter__(self) -> AsyncIterator[str]:
        """Itself."""
        ...

    async def __anext__(self) -> str:
        """The next message; ends once closed."""
        ...

    async def aclose(self) -> None:
        """Unsubscribe. Idempotent."""
        ...


class LiveState(Protocol):
    """Small, short-lived facts shared between processes (Redis)."""

    async def put_once(self, key: str, value: str, ttl_s: int) -> bool:
        """Store unless the key exists; True when stored."""
        ...

    async def take(self, key: str) -> str | None:
        """Read and delete in one step: what makes a ticket one-time."""
        ...

    async def put(self, key: str, value: str, ttl_s: int | None) -> None:
        """Store."""
        ...

    async def get(self, key: str) -> str | None:
        """Read."""
        ...

    async def count(self, key: str, window_s: int) -> int:
        """Add one to a counter that expires `window_s` after its first count; the new value."""
        ...

    async def delete(self, key: str) -> None:
        """Forget."""
        ...

    async def publish(self, channel: str, message: str) -> None:
        """Tell whoever listens now."""
        ...

    def listen(self, channel: str) -> Subscription:
        """Messages from `start()` on; the subscription stands before the first `__anext__` waits."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A WebRTC answer and which connection of the session it belongs to."""

    sdp: str
    epoch: int


class SessionPlacement(Protocol):
    """Where sessions are hosted. Raises `NoCapacity` when every host is at its load."""

    async def join(self, spec: SessionSpec, offer_sdp: str) -> Answer:
        """Host the session (an older connection of it is closed) and answer the offer."""
        ...

    async def trickle(self, session_id: SessionId, epoch: int, fragment: str) -> None:
        """Add ICE candidates (RFC 8840 fragment). Raises `NotFound` for another epoch."""
        ...

    async def leave(self, session_id: SessionId, epoch: int) -> None:
        """Close that connection, or an older one; the session stays live.

        Nothing happens when it is gone already, or a newer one is there.
        Raises `Unavailable` when its host does not answer: it may still be open.
        """
        ...

    async def client_event(self, session_id: SessionId, name: ClientEventName) -> None:
        """Pass on what the candidate's page said. Raises `NotFound` when no host has the session."""
        ...


class SessionJudges(Protocol):
    """The fusion shards as the rest of the system sees them."""

    def lane(self, session_id: SessionId) -> str:
        """Which of them judges the session: one that hangs must hold up no other's sessions."""
        ...

    async def submit(self, reports: Sequence[TickReport]) -> Sequence[Acknowledgement]:
        """Judge, commit, checkpoint, acknowledge. May be repeated."""
        ...

    async def end(self, spec: SessionSpec, ended_at: datetime) -> None:
        """Close what is open, fix the coverage to the session's length, forget the session."""
        ...


class MediaSink(Protocol):
    """What a connection delivers to. Called on the host's event loop; must not block.

    A sink may have an attribute `wants_sound`; while it is False, sound is neither decoded nor told.
    """

    def on_picture(self, image: Image, received_ms: int) -> None:
        """A decoded picture, (h, w, 3) RGB, read-only. `received_ms` is the host's monotonic time."""
        ...

    def on_sound(self, samples: Samples, received_ms: int, gap_ms: int) -> None:
        """Decoded sound, mono 16 kHz float32. `gap_ms`: sound lost just before, 0 when none."""
        ...

    def on_connection(self, state: str) -> None:
        """`connected`, `failed` or `closed`: ICE and DTLS as they see it, no proof of media."""
        ...


class MediaPeer(Protocol):
    """One WebRTC connection of a candidate."""

    async def answer(self, offer_sdp: str) -> str:
        """Apply the offer, return the answer. Raises `InvalidInput` (webrtc/bad-sdp, webrtc/no-video)."""
        ...

    async def trickle(self, fragment: str) -> None:
        """Add remote ICE candidates; unusable ones are dropped by policy."""
        ...

    async def close(self) -> None:
        """Leave nothing open. Idempotent."""
        ...


class MediaPeers(Protocol):
    """Makes connections."""

    def open(self, sink: MediaSink) -> MediaPeer:
        """A new peer that delivers to `sink`."""
        ...


class TokenMint(Protocol):
    """Makes bearer tokens."""

    def mint(
        self,
        subject: str,
        tenant_id: TenantId,
        role: Role,
        lifetime: timedelta,
        session_id: SessionId | None = None,
    ) -> str:
        """A signed access token. Raises `InvalidInput` when the lifetime is over the cap."""
        ...


class TokenCheck(Protocol):
    """Believes or refuses bearer tokens."""

    def check(self, token: str) -> Principal:
        """Who this is. Raises `Unauthorized` with a code that says why not. Asks no one outside."""
        ...


class Metrics(Protocol):
    """Numbers for operators. Labels come from closed lists; never a session or candidate id."""

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add to a histogram (seconds unless the name says otherwise)."""
        ...
