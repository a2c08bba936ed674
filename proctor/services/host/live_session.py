"""One connection of one session, as its host knows it: media in, observations and reports out."""

from collections import Counter, deque
from collections.abc import Collection, Mapping

from proctor.domain.candidates import ConsentScope, ModelRef
from proctor.domain.coverage import CoverageReason
from proctor.domain.media import Image, PictureOrigin, Samples
from proctor.domain.observations import ClientEvent, ClientEventName, Observation
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
)
from proctor.domain.preflights import Rehearsed
from proctor.domain.reports import Acknowledgement, CommandName, EffectiveRate, OrderNews
from proctor.domain.sessions import SessionSpec
from proctor.fusion.policy import parse_policy
from proctor.identity.matching import MatchCalibration
from proctor.identity.voices import FIRST_CALIBRATION, VoiceCalibration
from proctor.ports import ClipWriter, FaceIndex, MediaTap
from proctor.services.host.audio import AudioTrack
from proctor.services.host.evidence_box import EvidenceBox, KeepingLimits
from proctor.services.host.identity import IdentityCheck
from proctor.services.host.rehearsal import LASTS_MS, Rehearsal
from proctor.services.host.reporting import ReportLog
from proctor.services.host.rounds import Group, Look
from proctor.services.host.sampling import Need, Shed, face_hz
from proctor.services.host.video import VideoTrack
from proctor.services.host.voices import Ears

GONE_AFTER_MS = 60_000
MOST_EVENTS = 100
ENROLMENT = "enrolment"


class LiveSession:
    """The `MediaSink` of one connection.

    It counts in session time: `base_ms` at the host's monotonic `joined_at_ms`, then on with it.

    Args:
        spec: The session's particulars; its policy says how often to look.
        base_ms: Session time of joining.
        joined_at_ms: The host's monotonic time of joining.
        faces: Where the enrolled template is.
        calibrations: How the distances of each embedding model are read.
        overdue_ms: How long a model group may leave questions unanswered.
        groups: The model groups that are served; nothing is asked of the others.
        clips: Makes clips of received media.
        keeping: How much of them is kept for evidence.
        likeness: How the likeness of two voices becomes a probability.

    Attributes:
        box: What is kept for evidence; None when the policy keeps nothing.

    Raises:
        InvalidInput: The policy cannot be read.
    """

    def __init__(
        self,
        spec: SessionSpec,
        *,
        base_ms: int,
        joined_at_ms: int,
        faces: FaceIndex,
        calibrations: Mapping[ModelRef, MatchCalibration],
        overdue_ms: int,
        clips: ClipWriter,
        keeping: KeepingLimits,
        groups: Collection[str] = (),
        likeness: VoiceCalibration | None = FIRST_CALIBRATION,
    ) -> None:
        policy = parse_policy(spec.policy_text)
        self.spec = spec
        self.identity = IdentityCheck(
            spec, faces, calibrations, round(policy.sampling.identity_every_s * 1000)
        )
        self.reports = ReportLog(spec)
        self._sampling = policy.sampling
        self._offset_ms = base_ms - joined_at_ms
        self.box = None
        if policy.evidence.pictures and not spec.is_rehearsal:
            self.box = EvidenceBox(policy.evidence, keeping, clips, self._offset_ms)
        self._video = VideoTrack(
            policy=policy,
            identity=self.identity,
            overdue_ms=overdue_ms,
            joined_ms=base_ms,
            groups=groups,
            album=None if self.box is None else self.box.album,
        )
        self._audio = None
        if policy.sampling.audio:
            ears = Ears(
                has_model=Group.SPEAKERS in groups and spec.biometrics and not spec.is_rehearsal,
                likeness=likeness,
                has_consent=ConsentScope.VOICE in spec.scopes,
            )
            self._audio = AudioTrack(
                policy=policy, ears=ears, overdue_ms=overdue_ms, joined_ms=base_ms
            )
        self._events: deque[Observation] = deque(maxlen=MOST_EVENTS)
        self._rates: tuple[EffectiveRate, ...] = ()
        self._rehearsal = Rehearsal(policy) if spec.is_rehearsal else None
        self._attentive_until_ms = LASTS_MS if spec.is_rehearsal else 0
        self._gone_since_ms: int | None = base_ms
        self._last_tick_ms = base_ms
        self._closed = False

    # what the connection delivers (ports.MediaSink)

    @property
    def tap(self) -> MediaTap | None:
        """Takes media as they came, where clips are kept."""
        return None if self._closed or self.box is None else self.box.ring

    def on_picture(
        self, image: Image, received_ms: int, origin: PictureOrigin | None = None
    ) -> None:
        """Take a decoded picture; the newest wins."""
        if not self._closed:
            self._gone_since_ms = None
            self._video.on_picture(image, self.session_ms(received_ms), origin)

    def on_sound(self, samples: Samples, received_ms: int, gap_ms: int) -> None:
        """Take decoded sound; every sample is kept until it is judged."""
        if not self._closed and self._audio is not None:
            self._audio.on_sound(samples, self.session_ms(received_ms), gap_ms)

    def on_connection(self, state: str) -> None:
        """Note what ICE and DTLS say. It only decides when a connection that is gone is let go."""
        if state == "connected":
            self._gone_since_ms = None
        elif self._gone_since_ms is None:
            self._gone_since_ms = self._last_tick_ms

    # what the host does with it

    def session_ms(self, monotonic_ms: int) -> int:
        """The host's monotonic time as session time."""
        return max(0, monotonic_ms + self._offset_ms)

    def tick(self, now_ms: int) -> None:
        """Look at the time: watch the media and the models."""
        self._last_tick_ms = now_ms
        self._rates = self._video.tick(now_ms) or self._rates
        if self._audio is not None:
            self._audio.tick(now_ms)
        for track in self._tracks():
            if self.reports.is_full:
                track.voice.wrong(CoverageReason.STATE_STORE, now_ms, now_ms)
                track.rest(now_ms)
            else:
                track.voice.right(CoverageReason.STATE_STORE, now_ms, now_ms)
        self._tell_enrolment(now_ms)

    def _tell_enrolment(self, now_ms: int) -> None:
        """An enrolment that cannot be looked up is told: nobody stays unverified for it."""
        away_ms = self.identity.away_since(now_ms)
        if away_ms is None:
            self._video.voice.right(CoverageReason.STATE_STORE, now_ms, now_ms, ENROLMENT)
        else:
            self._video.voice.wrong(CoverageReason.STATE_STORE, away_ms, now_ms, ENROLMENT)

    def looks_hz(self, now_ms: int, shed: Shed) -> float:
        """How many pictures a second the face group looks at, an identity check included."""
        attentive = now_ms < self._attentive_until_ms
        return face_hz(self._sampling, Need(attentive=attentive, burst=True), shed)

    def face_look(self, now_ms: int, shed: Shed) -> Look[FaceAsk, FaceAnswer] | None:
        """What is owed to the face group."""
        if self._is_resting:
            return None
        return self._video.face_look(now_ms, self._need(now_ms), shed)

    def body_look(self, now_ms: int, shed: Shed) -> Look[BodyAsk, BodyAnswer] | None:
        """What is owed to the body group."""
        if self._is_resting:
            return None
        return self._video.body_look(now_ms, self._need(now_ms), shed)

    def objects_look(self, now_ms: int, shed: Shed) -> Look[ObjectsAsk, ObjectsAnswer] | None:
        """What is owed to the objects group."""
        if self._is_resting:
            return None
        return self._video.objects_look(now_ms, self._need(now_ms), shed)

    def speech_look(self, now_ms: int) -> Look[SpeechAsk, SpeechAnswer] | None:
        """What is owed to the speech group."""
        if self._is_resting or self._audio is None:
            return None
        return self._audio.look(now_ms)

    def speakers_look(self, now_ms: int, shed: Shed) -> Look[SpeakersAsk, SpeakersAnswer] | None:
        """What is owed to the speakers group."""
        if self._is_resting or self._audio is None:
            return None
        return self._audio.speakers_look(now_ms, shed)

    def inherit(self, before: "LiveSession") -> None:
        """Take over the voice template of the connection of this session that it replaces."""
        ours, theirs = self._audio, before._audio
        if ours is not None and theirs is not None and ours.voices and theirs.voices:
            ours.voices.inherit(theirs.voices)

    def client_event(self, name: ClientEventName, now_ms: int) -> None:
        """Note what the candidate's page said."""
        self._events.append(ClientEvent(observed_ms=now_ms, name=name))

    def make_report(self, now_ms: int) -> None:
        """Make this tick's report if there is something to say, or silence has lasted long enough."""
        if self.reports.is_full or self._closed:
            return
        if self._rehearsal is not None:
            self._rehearsal.take(self._take_seen())
            return
        seen, orders = self._take_seen(), self._take_orders()
        if seen or self._rates or orders or self.reports.owes_heartbeat(now_ms):
            self.reports.make(now_ms, seen, self._rates, orders=orders)
            self._rates = ()

    def make_last_words(self, now_ms: int) -> None:
        """Once it is closed, still say what becomes of evidence that was ordered."""
        if not self.reports.is_full and (orders := self._take_orders()):
            self.reports.make(now_ms, closing=True, orders=orders)

    @property
    def is_done(self) -> bool:
        """Whether a closed connection has nothing more to say."""
        return self.reports.is_empty and (self.box is None or self.box.is_settled)

    def rehearsed(self, now_ms: int) -> Rehearsed | None:
        """What a connection that is tried out has shown, when it is time to tell it."""
        if self._rehearsal is None:
            return None
        return self._rehearsal.due(now_ms, self._video.received, self._video.size)

    def obey(self, acknowledgement: Acknowledgement) -> bool:
        """Take the shard's answer; True when the session is to stop here."""
        if acknowledgement.epoch != self.spec.epoch:
            return False
        self.reports.acknowledge(acknowledgement.seq)
        for command in acknowledgement.commands:
            if command.name is CommandName.LOOK_CLOSER and command.until_ms is not None:
                self._attentive_until_ms = max(self._attentive_until_ms, command.until_ms)
            elif command.name is CommandName.RESEND_SPEC:
                self.reports.resend_with_spec()
            elif command.name is CommandName.KEEP and command.order is not None:
                if self.box is not None:
                    self.box.order(command.order)
            elif command.name is CommandName.STOP:
                return True
        return False

    def is_gone(self, now_ms: int) -> bool:
        """Whether its peer has been away for a minute, or it was only tried out, and for long enough."""
        if self._rehearsal is not None and now_ms > LASTS_MS:
            return True
        return self._gone_since_ms is not None and now_ms - self._gone_since_ms > GONE_AFTER_MS

    def close(self, now_ms: int) -> None:
        """Take no more media and make the closing report; what waits to be acknowledged stays."""
        if not self._closed:
            self._closed = True
            if self._rehearsal is None:
                orders = self._take_orders()
                self.reports.make(
                    now_ms, self._take_seen(), self._rates, closing=True, orders=orders
                )
            self._video.close()
            if self._audio is not None:
                self._audio.close()
            self.identity.forget()

    def add_counts(self, counts: Counter[str]) -> None:
        """Add what was counted since the last call, by name."""
        for track in self._tracks():
            counts.update(track.counts)
            track.counts.clear()

    def add_looks(self, looks: Counter[tuple[str, str]]) -> None:
        """Add the looks that were wanted and had since the last call, by (group, which)."""
        looks.update(self._video.rates.counts)
        self._video.rates.counts.clear()

    @property
    def _is_resting(self) -> bool:
        """No looking: the connection is over, or nothing more could be told."""
        return self._closed or self.reports.is_full

    def _need(self, now_ms: int) -> Need:
        return Need(
            attentive=now_ms < self._attentive_until_ms, burst=self.identity.hurries(now_ms)
        )

    def _take_orders(self) -> tuple[OrderNews, ...]:
        return () if self.box is None else self.box.take_news()

    def _tracks(self) -> list[VideoTrack | AudioTrack]:
        return [self._video] if self._audio is None else [self._video, self._audio]

    def _take_seen(self) -> list[Observation]:
        """What is to be reported; at one moment the state of the stream comes before what it showed."""
        seen: list[Observation] = [state for t in self._tracks() for state in t.voice.take()]
        seen += self._events
        self._events.clear()
        pictures, self._video.seen = self._video.seen, []
        if self._audio is not None:
            self._audio.mouth.note(pictures)
            return seen + pictures + self._audio.take_seen()
        return seen + pictures
