"""All sensors of one session: an observation goes in, changed signals and claims on coverage come out.

While the view is lost (no media, covered, frozen, the host away) the sensors of that modality end
what they had where it was last seen and take nothing; afterwards identity is an open question again.
"""

from dataclasses import dataclass, field

from proctor.domain.coverage import CoverageState, Modality
from proctor.domain.ids import SessionId
from proctor.domain.observations import (
    BodySeen,
    FaceMatched,
    FacesSeen,
    FootageSeen,
    GazeSeen,
    LivenessSeen,
    ObjectsSeen,
    Observation,
    PictureSeen,
    SpeakersHeard,
    SpeechHeard,
    StreamState,
)
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.footage import FootageSensor, FootageState
from proctor.sensing.gaze import GazeSensor, GazeState
from proctor.sensing.hearing import HEARD, HEARD_AND_SEEN, Hearing, HearingState
from proctor.sensing.hysteresis import Spell
from proctor.sensing.identity import IdentitySensor, IdentityState
from proctor.sensing.limits import SensingLimits
from proctor.sensing.liveness import LivenessSensor, LivenessState
from proctor.sensing.objects import ObjectsSensor, ObjectsState
from proctor.sensing.posture import BodySensor, HeadSensor, HeadState
from proctor.sensing.presence import (
    NoFaceSensor,
    SeveralFacesSensor,
    SeveralFacesState,
    confirmed,
)
from proctor.sensing.stream import PictureClaim, PictureSensor, PictureState
from proctor.sensing.voice import VoiceState


@dataclass(slots=True, kw_only=True)
class SuiteState:
    """Everything the sensors of a session remember: plain data, to be written down as JSON.

    Attributes:
        no_face: See the sensor of this name, as for the following.
        several_faces: Votes and behaviour.
        identity: Comparisons since the last gap.
        gaze: Baseline and behaviour.
        head: Baseline and behaviour.
        body: Behaviour.
        objects: Votes and behaviour.
        voice: Voiced stretches and behaviour.
        hearing: What the other sensors of sound remember.
        picture: What the camera shows.
        liveness: Readings and behaviour.
        footage: How the pictures follow one another.
        streams: What the media path said last, per modality.
        is_cut_off: Whether the session's host is away.
    """

    no_face: Spell = field(default_factory=Spell)
    several_faces: SeveralFacesState = field(default_factory=SeveralFacesState)
    identity: IdentityState = field(default_factory=IdentityState)
    gaze: GazeState = field(default_factory=GazeState)
    head: HeadState = field(default_factory=HeadState)
    body: Spell = field(default_factory=Spell)
    objects: ObjectsState = field(default_factory=ObjectsState)
    voice: VoiceState = field(default_factory=VoiceState)
    hearing: HearingState = field(default_factory=HearingState)
    picture: PictureState = field(default_factory=PictureState)
    liveness: LivenessState = field(default_factory=LivenessState)
    footage: FootageState = field(default_factory=FootageState)
    streams: dict[Modality, CoverageState] = field(
        default_factory=lambda: dict.fromkeys(Modality, CoverageState.BLIND)
    )
    is_cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Sensed:
    """What changed: signals (opened, updated or closed) and impairments of the view."""

    signals: tuple[Signal, ...] = ()
    claims: tuple[PictureClaim, ...] = ()


NOTHING = Sensed()

SEEN = frozenset(SignalKind) - HEARD | HEARD_AND_SEEN


class SensingSuite:
    """The sensors of one session over one state.

    Attributes:
        state: What is remembered; it changes only when something happens.
        face_ms: When a face was last confirmed. It changes with every picture and is kept apart, so
            that a quiet session's state stays the same.
    """

    def __init__(
        self,
        session_id: SessionId,
        limits: SensingLimits,
        state: SuiteState,
        face_ms: int | None = None,
    ) -> None:
        self.state = state
        self.face_ms = face_ms
        self._no_face = NoFaceSensor(session_id, limits.no_face, state.no_face)
        self._several = SeveralFacesSensor(session_id, limits.several_faces, state.several_faces)
        self._identity = IdentitySensor(session_id, limits.identity, state.identity)
        self._gaze = GazeSensor(session_id, limits.gaze, state.gaze)
        self._head = HeadSensor(session_id, limits.head, state.head)
        self._body = BodySensor(session_id, limits.body, state.body)
        self._objects = ObjectsSensor(session_id, limits.objects, state.objects)
        self._hearing = Hearing(session_id, limits, state.voice, state.hearing)
        self._picture = PictureSensor(session_id, limits.picture, state.picture)
        self._liveness = LivenessSensor(session_id, limits.liveness, state.liveness)
        self._footage = FootageSensor(session_id, limits.footage, state.footage)

    @property
    def sees(self) -> bool:
        """Whether the room is seen."""
        streams = self.state.streams
        return (
            streams[Modality.VIDEO] is not CoverageState.BLIND
            and not self.state.is_cut_off
            and not self._picture.is_blind
        )

    @property
    def hears(self) -> bool:
        """Whether the room is heard."""
        return (
            self.state.streams[Modality.AUDIO] is not CoverageState.BLIND
            and not self.state.is_cut_off
        )

    @property
    def lost(self) -> frozenset[SignalKind]:
        """The kinds of signals of which nothing can be known now."""
        if self.sees:
            return frozenset() if self.hears else HEARD
        return SEEN if self.hears else SEEN | HEARD

    @property
    def is_pending(self) -> bool:
        """Whether something has begun that a closer look would settle."""
        state = self.state
        spells = (state.no_face, state.several_faces.spell, state.gaze.spell, state.head.spell)
        return self.sees and (
            any(spell.is_pending for spell in (*spells, state.objects.spell))
            or self._gaze.baseline.is_pending
            or self._head.baseline.is_pending
            or self._identity.is_pending
            or (self.hears and self._hearing.lips.is_pending)
        )

    def observe(self, seen: Observation) -> Sensed:
        """Take one fact. Facts about what cannot be seen or heard now are set aside."""
        match seen:
            case PictureSeen():
                return self._picture_seen(seen)
            case StreamState():
                return self._stream_changed(seen)
            case SpeechHeard() | SpeakersHeard():
                return _signals(self._hearing.observe(seen, self.sees)) if self.hears else NOTHING
            case FacesSeen() | GazeSeen() | FaceMatched() | BodySeen() | ObjectsSeen():
                return _signals(self._look(seen)) if self.sees else NOTHING
            case LivenessSeen():
                return _signals(self._liveness.observe(seen)) if self.sees else NOTHING
            case FootageSeen():
                return _signals(self._footage.observe(seen)) if self.sees else NOTHING
            case _:
                return NOTHING

    def _look(
        self, seen: FacesSeen | GazeSeen | FaceMatched | BodySeen | ObjectsSeen
    ) -> list[Signal]:
        is_clear = self._picture.is_clear(seen.observed_ms)
        match seen:
            case FacesSeen():
                return self._faces_seen(seen, is_clear)
            case GazeSeen():
                self._hearing.observe_mouth(seen)
                return self._gaze.observe(seen) + self._head.observe_gaze(seen)
            case FaceMatched():
                return self._identity.observe_match(seen)
            case BodySeen():
                return self._body.observe(seen, self.face_ms, is_clear)
            case ObjectsSeen():
                return self._objects.observe(seen)

    def _faces_seen(self, seen: FacesSeen, is_clear: bool) -> list[Signal]:
        people = len(confirmed(seen))
        changed = self._no_face.observe(seen, people, is_clear)
        changed += self._several.observe(seen, people)
        changed += self._head.observe_faces(seen, people, is_clear)
        if people:
            self.face_ms = seen.observed_ms
            if self.state.streams[Modality.VIDEO] is CoverageState.MONITORED:
                changed += self._identity.observe_face(seen)
        return changed

    def _picture_seen(self, seen: PictureSeen) -> Sensed:
        streams = self.state.streams
        if streams[Modality.VIDEO] is CoverageState.BLIND or self.state.is_cut_off:
            return NOTHING
        saw = self.sees
        signals, claims = self._picture.observe(seen)
        if saw and not self.sees:
            signals += self._view_lost()
        return Sensed(tuple(signals), tuple(claims)) if signals or claims else NOTHING

    def _stream_changed(self, seen: StreamState) -> Sensed:
        self.state.streams[seen.modality] = seen.state
        if seen.modality is Modality.AUDIO:
            lost = self._hearing.lost() if seen.state is CoverageState.BLIND else []
            return _signals(lost)
        if seen.state is CoverageState.BLIND:
            return _signals(self._picture.lost() + self._view_lost())
        if seen.state is CoverageState.DEGRADED:
            self._identity.pause()
        return NOTHING

    def _view_lost(self) -> list[Signal]:
        self.face_ms = None
        return [
            *self._no_face.absent.lost(),
            *self._several.lost(),
            *self._gaze.away.lost(),
            *self._head.turned.lost(),
            *self._body.missing.lost(),
            *self._objects.lost(),
            *self._liveness.lost(),
            *self._footage.lost(),
            *self._hearing.lips.lost(),
            *self._identity.gap(),
        ]

    def advance(self, now_ms: int) -> Sensed:
        """Time has moved on: what no reading has supported for too long ends where it was last seen."""
        signals = [
            *self._no_face.absent.advance(now_ms),
            *self._several.advance(now_ms),
            *self._gaze.away.advance(now_ms),
            *self._head.turned.advance(now_ms),
            *self._body.missing.advance(now_ms),
            *self._objects.advance(now_ms),
            *self._liveness.advance(now_ms),
            *self._footage.advance(now_ms),
            *self._hearing.advance(now_ms),
        ]
        return _signals(signals)

    def cut_off(self) -> Sensed:
        """The host is away: nothing is seen or heard until `resume`."""
        self.state.is_cut_off = True
        return self._all_lost()

    def resume(self) -> None:
        """The host reports again."""
        self.state.is_cut_off = False

    def disconnect(self) -> Sensed:
        """The connection is gone: blind until the media path says that media come."""
        self.state.streams = dict.fromkeys(Modality, CoverageState.BLIND)
        return self._all_lost()

    def reconnect(self, at_ms: int) -> Sensed:
        """A new connection begins, maybe with another camera in another place."""
        signals = self.disconnect().signals
        self.resume()
        self._gaze.baseline.forget()
        self._head.baseline.forget()
        self._footage.forget()
        return Sensed(signals, tuple(self._picture.forget(at_ms)))

    def _all_lost(self) -> Sensed:
        return _signals(self._picture.lost() + self._view_lost() + self._hearing.lost())


def _signals(signals: list[Signal]) -> Sensed:
    return Sensed(tuple(signals)) if signals else NOTHING
