"""The seeing half of a live session: the newest picture, and what is owed to face and body models.

Only the newest picture is kept; one that a newer picture replaces before anybody looked is counted
as superseded. A picture that repeats the one before while the sender is still (a stopped camera) is
not judged again: no new facts come of it, it counts as looked at in the effective rate, and
`PictureSeen.still_ms` says why nothing new is known.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.geometry import Box
from proctor.domain.media import Image, PictureOrigin
from proctor.domain.observations import Observation
from proctor.domain.perception import (
    BodyAnswer,
    BodyAsk,
    FaceAnswer,
    FaceAsk,
    Fault,
    ObjectsAnswer,
    ObjectsAsk,
)
from proctor.domain.reports import EffectiveRate
from proctor.fusion.policy import Policy
from proctor.services.host import facts
from proctor.services.host.album import Album
from proctor.services.host.camera import Camera
from proctor.services.host.following import Following
from proctor.services.host.identity import FaceTrack, IdentityCheck
from proctor.services.host.pace import RateMeter
from proctor.services.host.picture import JudgedPicture, Luma, judged
from proctor.services.host.rounds import Group, Look
from proctor.services.host.sampling import Around, Need, Owed, Shed, Slots, after, owed
from proctor.services.host.stream_voice import StreamVoice
from proctor.services.host.watchdog import AnswerWatch, FallbackWatch, TrackWatch

SMALL_FACES = "small_faces"
SMALLEST_PX = 16
CALM = Need()


@dataclass(slots=True)
class _Picture:
    """The newest picture of a session, encoded once when somebody looks."""

    image: Image
    captured_ms: int
    repeats: bool
    luma: Luma | None
    bytes: JudgedPicture | None = None
    looked_at: bool = False

    def judged(self) -> JudgedPicture:
        if self.bytes is None:
            self.bytes = judged(self.image, self.captured_ms)
        self.looked_at = True
        return self.bytes


class VideoTrack:
    """Pictures of one connection in, questions to the models and facts out. Times are session time."""

    def __init__(
        self,
        *,
        policy: Policy,
        identity: IdentityCheck,
        overdue_ms: int,
        joined_ms: int,
        groups: Collection[str] = (),
        album: Album | None = None,
    ) -> None:
        """`groups` are the model groups that are served besides face, body and speech.

        What is judged is put into `album`, where evidence is kept.
        """
        self._album = album
        self._sampling = policy.sampling
        if Group.OBJECTS not in groups:  # no detector: nothing is asked, nothing is missed
            self._sampling = policy.sampling.model_copy(update={"objects_every_s": 0.0})
        self._body = policy.sensing.body
        self._identity = identity
        self.voice = StreamVoice(Modality.VIDEO, joined_ms)
        self.seen: list[Observation] = []
        self.counts: Counter[str] = Counter()
        self.received = 0
        self.size = (0, 0)
        self._camera = Camera(policy.sensing.picture, round(1000 / policy.sampling.face_hz))
        self._media = TrackWatch(joined_ms)
        watched = (Group.FACE, Group.BODY, Group.OBJECTS)
        self._answers = {group: AnswerWatch(overdue_ms) for group in watched}
        self._fallbacks = {group: FallbackWatch() for group in self._answers}
        self._track = FaceTrack()
        self._following = Following()
        self.rates = RateMeter(joined_ms)
        self._newest: _Picture | None = None
        self._wanted_ms: int | None = None
        self._slots = Slots()
        self._ideal = Slots()
        self._looked_ms: dict[Group, int] = {}
        self._now_ms = joined_ms

    def on_picture(self, image: Image, at_ms: int, origin: PictureOrigin | None = None) -> None:
        """Take a decoded picture, (h, w, 3) RGB, and how it was sent."""
        if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < SMALLEST_PX:
            self.counts["unreadable"] += 1
            return
        self.counts["received"] += 1
        self.received += 1
        self.size = (image.shape[1], image.shape[0])
        if self._media.arrived(at_ms):
            self.voice.right(CoverageReason.NO_MEDIA, at_ms, at_ms)
            self._identity.schedule.restart(at_ms)
            self._following.forget()
        self.seen += self._camera.look(image, at_ms, origin)
        if self._camera.thawed():
            self._identity.schedule.restart(at_ms)
            self._following.forget()
        if self._newest is not None and not self._newest.looked_at:
            self.counts["superseded"] += 1
        self._newest = _Picture(image, at_ms, self._camera.repeats, self._camera.luma)

    def tick(self, now_ms: int) -> tuple[EffectiveRate, ...]:
        """Look at the time; return the effective rates when a window is over."""
        self._now_ms = now_ms
        missing_ms = self._media.missing_since(now_ms)
        if missing_ms is not None:
            self.voice.wrong(CoverageReason.NO_MEDIA, missing_ms, now_ms)
        overdue = False
        for group, watch in self._answers.items():
            overdue_ms = watch.overdue_since(now_ms)
            if overdue_ms is not None:
                overdue = True
                self.voice.wrong(CoverageReason.MODEL_TIMEOUT, overdue_ms, now_ms, group)
        self._count_wanted(now_ms)
        window = self.rates.roll(now_ms)
        if window is None:
            return ()
        if not window.starved:
            self.voice.right(CoverageReason.OVERLOAD, now_ms, now_ms)
        elif not overdue:
            self.voice.wrong(CoverageReason.OVERLOAD, window.started_ms, now_ms)
        return window.rates

    def face_look(self, now_ms: int, need: Need, shed: Shed) -> Look[FaceAsk, FaceAnswer] | None:
        """What is owed to the face group now, if there is a picture that it has not seen."""
        newest = self._unseen(Group.FACE)
        soonest = replace(need, around=Around.CHANGED)
        if newest is None or not owed(self._sampling, self._slots, soonest, shed, now_ms).face:
            return None  # nothing is owed even if the room had changed, so that is not looked at
        around = self._following.around(newest.luma, newest.captured_ms)
        need = replace(need, around=around)
        due = owed(self._sampling, self._slots, need, shed, now_ms)
        if not due.face:
            return None
        done, before = replace(due, body=False, objects=False), self._slots
        self._slots = after(self._sampling, before, need, shed, done, now_ms)
        self._looked_ms[Group.FACE] = newest.captured_ms
        if newest.repeats:
            self._count_face(due.small_faces)
            return None
        picture = self._judged(newest)
        track = None if due.small_faces else self._following.track(around, picture.captured_ms)
        ask = FaceAsk(
            picture=picture.jpeg,
            search_small=due.small_faces,
            embed=self._identity.wants(now_ms),
            track=track,
            eyes=self._following.eyes() if track else None,
        )
        self._answers[Group.FACE].asked(picture.captured_ms, now_ms)

        def answered(answer: FaceAnswer) -> None:
            self._face_answered(ask, answer, picture, newest.luma)

        def unanswered() -> None:
            self._slots = replace(
                self._slots, face_ms=before.face_ms, small_faces_ms=before.small_faces_ms
            )
            self._looked_ms.pop(Group.FACE, None)

        return Look(ask=ask, size_bytes=len(picture.jpeg), answered=answered, unanswered=unanswered)

    def body_look(self, now_ms: int, need: Need, shed: Shed) -> Look[BodyAsk, BodyAnswer] | None:
        """What is owed to the body group now, if there is a picture that it has not seen."""
        newest = self._unseen(Group.BODY)
        if newest is None:
            return None
        need = replace(need, body_still=self._following.body_is_still(newest.captured_ms))
        due = owed(self._sampling, self._slots, need, shed, now_ms)
        if not due.body:
            return None
        done = replace(due, face=False, small_faces=False, objects=False)
        before = self._slots
        self._slots = after(self._sampling, before, need, shed, done, now_ms)
        self._looked_ms[Group.BODY] = newest.captured_ms
        if newest.repeats:
            self.rates.see(Group.BODY)
            return None
        picture, seat = self._judged(newest), self._following.seat()
        self._answers[Group.BODY].asked(picture.captured_ms, now_ms)

        def answered(answer: BodyAnswer) -> None:
            self._body_answered(answer, picture, seat)

        def unanswered() -> None:
            self._slots = replace(self._slots, body_ms=before.body_ms)
            self._looked_ms.pop(Group.BODY, None)

        return Look(
            ask=BodyAsk(picture=picture.jpeg),
            size_bytes=len(picture.jpeg),
            answered=answered,
            unanswered=unanswered,
        )

    def objects_look(
        self, now_ms: int, need: Need, shed: Shed
    ) -> Look[ObjectsAsk, ObjectsAnswer] | None:
        """What is owed to the objects group now, if there is a picture that it has not seen."""
        due = owed(self._sampling, self._slots, need, shed, now_ms)
        newest = self._unseen(Group.OBJECTS)
        if not due.objects or newest is None:
            return None
        done = replace(due, face=False, small_faces=False, body=False)
        before = self._slots
        self._slots = after(self._sampling, before, need, shed, done, now_ms)
        self._looked_ms[Group.OBJECTS] = newest.captured_ms
        if newest.repeats:
            self.rates.see(Group.OBJECTS)
            return None
        picture = self._judged(newest)
        self._answers[Group.OBJECTS].asked(picture.captured_ms, now_ms)

        def answered(answer: ObjectsAnswer) -> None:
            self._objects_answered(answer, picture)

        def unanswered() -> None:
            self._slots = replace(self._slots, objects_ms=before.objects_ms)
            self._looked_ms.pop(Group.OBJECTS, None)

        return Look(
            ask=ObjectsAsk(picture=picture.jpeg),
            size_bytes=len(picture.jpeg),
            answered=answered,
            unanswered=unanswered,
        )

    def rest(self, now_ms: int) -> None:
        """Nothing can be told: forget what was seen, and do not count it as owed."""
        self.seen.clear()
        self.rates.restart(now_ms)

    def close(self) -> None:
        """Let go of the last picture, and of what was remembered of earlier ones."""
        self._newest = None
        self._following.forget()

    def _unseen(self, group: Group) -> _Picture | None:
        newest = self._newest
        if newest is None or self._looked_ms.get(group) == newest.captured_ms:
            return None
        return newest

    def _judged(self, picture: _Picture) -> JudgedPicture:
        """The bytes that are judged, and kept as they are where evidence is."""
        judged = picture.judged()
        if self._album is not None:
            self._album.add(judged)
        return judged

    def _count_wanted(self, now_ms: int) -> None:
        """Note what policy wants of a picture that has come since, as if nothing were ever shed.

        What is wanted are the base rates: those are what `monitored` promises. Attention comes on top,
        and is the first of the faces' rates to be shed.
        """
        newest = self._newest
        if newest is None or newest.captured_ms == self._wanted_ms:
            return
        want = owed(self._sampling, self._ideal, CALM, Shed.NOTHING, now_ms)
        self._ideal = after(self._sampling, self._ideal, CALM, Shed.NOTHING, want, now_ms)
        self._wanted_ms = newest.captured_ms
        named = (
            (Group.FACE, want.face),
            (SMALL_FACES, want.small_faces),
            (Group.BODY, want.body),
            (Group.OBJECTS, want.objects),
        )
        for group, is_wanted in named:
            if is_wanted:
                self.rates.want(group)
        if want.small_faces or want.body:
            self._count_unchanged(want, newest, now_ms)

    def _count_unchanged(self, want: Owed, newest: _Picture, now_ms: int) -> None:
        """What has not changed since it was looked at counts as seen, until it is owed all the same."""
        around = self._following.around(newest.luma, newest.captured_ms)
        still = self._following.body_is_still(newest.captured_ms)
        need = Need(around=around, body_still=still)
        due = owed(self._sampling, self._slots, need, Shed.NOTHING, now_ms)
        if want.small_faces and around is Around.STILL and not due.small_faces:
            self.rates.see(SMALL_FACES)
        if want.body and still and not due.body:
            self.rates.see(Group.BODY)

    def _count_face(self, small_faces: bool) -> None:
        self.rates.see(Group.FACE)
        if small_faces:
            self.rates.see(SMALL_FACES)

    def _face_answered(
        self, ask: FaceAsk, answer: FaceAnswer, picture: JudgedPicture, luma: Luma | None
    ) -> None:
        at_ms = picture.captured_ms
        self._tell_fallback(Group.FACE, answer.fallback, at_ms)
        if not self._accept(Group.FACE, answer.fault, facts.is_usable_face(answer), at_ms):
            self._following.forget()  # what was to be found there was not looked for
            return
        self._count_face(ask.search_small)
        self._following.answered(ask, answer, luma, at_ms)
        self.seen.append(facts.faces_seen(ask, answer, picture))
        self.seen.append(facts.gaze_seen(answer, picture))
        main = facts.main_face(answer)
        if self._track.follow(main.box if main else None):
            self._identity.schedule.restart(at_ms)
        if main is None or main.embedding is None:
            return
        if main.live is not None:
            self.seen.append(facts.liveness_seen(answer, picture, main.live))
        compared = self._identity.compare(main.embedding, answer.producers[-1])
        if compared is not None:
            self.seen.append(facts.face_matched(answer, picture, *compared))

    def _body_answered(self, answer: BodyAnswer, picture: JudgedPicture, seat: Box | None) -> None:
        at_ms = picture.captured_ms
        self._tell_fallback(Group.BODY, answer.fallback, at_ms)
        if self._accept(Group.BODY, answer.fault, facts.is_usable_body(answer), at_ms):
            self.rates.see(Group.BODY)
            self._following.body_answered(seat if facts.is_upright(answer, self._body) else None)
            self.seen.append(facts.body_seen(answer, picture))

    def _objects_answered(self, answer: ObjectsAnswer, picture: JudgedPicture) -> None:
        at_ms = picture.captured_ms
        self._tell_fallback(Group.OBJECTS, answer.fallback, at_ms)
        if self._accept(Group.OBJECTS, answer.fault, facts.is_usable_objects(answer), at_ms):
            self.rates.see(Group.OBJECTS)
            self.seen.append(facts.objects_seen(answer, picture))

    def _tell_fallback(self, group: Group, fallback: bool, at_ms: int) -> None:
        """A group that makes do with a CPU is slower than was promised, and that is told."""
        now_ms = max(self._now_ms, at_ms)
        if self._fallbacks[group].answered(fallback, at_ms):
            self.voice.wrong(CoverageReason.GPU, at_ms, now_ms, group)
        else:
            self.voice.right(CoverageReason.GPU, at_ms, now_ms, group)

    def _accept(self, group: Group, fault: Fault | None, is_usable: bool, at_ms: int) -> bool:
        """Whether an answer says something; what is wrong with the group is told."""
        now_ms = max(self._now_ms, at_ms)
        self._answers[group].answered()
        was_overdue = self.voice.is_wrong(CoverageReason.MODEL_TIMEOUT, group)
        self.voice.right(CoverageReason.MODEL_TIMEOUT, at_ms, now_ms, group)
        if was_overdue:
            self.rates.restart(now_ms)
        if fault is Fault.PICTURE_UNREADABLE:
            self.counts["unreadable"] += 1
            return False
        if fault is not None or not is_usable:
            self.counts["invalid_answers"] += 1
            self.voice.wrong(CoverageReason.MODEL_OUTPUT_INVALID, at_ms, now_ms, group)
            return False
        self.voice.right(CoverageReason.MODEL_OUTPUT_INVALID, at_ms, now_ms, group)
        self.counts[group] += 1
        return True
