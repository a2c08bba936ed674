"""A session in short form: spans of time in which something is seen or heard, made into observations.

Every name says a fact that a model or the media path would have told; nothing here judges.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.geometry import BodyPoint, Box, Gaze, HeadPose
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
    Producer,
    SeenFace,
    SeenObject,
    SpeakersHeard,
    SpeechHeard,
    StreamState,
    VoiceHeard,
)
from proctor.sensing.strict import Strict

PRODUCERS = (Producer("policy-case", "1", "0" * 64),)

Seconds = Annotated[float, Field(ge=0.0, le=14_400.0)]
Every = Annotated[float, Field(ge=0.05, le=600.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Label = Annotated[str, Field(max_length=64)]
Angle = Annotated[float, Field(ge=-90.0, le=90.0)]


class Voice(Strict):
    """One voice of a window of speech.

    Attributes:
        alone_s: How long it was heard alone.
        candidate: P(the candidate's voice); left out when there is no template of it.
    """

    alone_s: Seconds
    candidate: Share | None = None


class Footage(Strict):
    """How the pictures follow one another (`FootageSeen`)."""

    repeated_s: Seconds = 0.0
    period_s: Seconds = 0.0
    doubled_share: Share = 0.0
    noiseless_share: Share | None = None
    steady_s: Seconds = 0.0
    interval_ms: Annotated[float, Field(ge=0.0, le=10_000.0)] = 200.0
    size: Annotated[str, Field(pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$")] = "640x480"
    codec: Literal["VP8", "H264"] = "VP8"


class Span(Strict):
    """From one second to another, every so often, these facts.

    Attributes:
        from_s: When it begins.
        to_s: When it is over (that moment is not part of it).
        every_s: How often.
        faces: How many faces are in the picture; those besides the first are small ones behind.
        turned_away: The one face is a box that its mesh does not confirm.
        gaze_deg: Where the eyes point, left negative.
        head_deg: Where the head points.
        mouth_open: Height over width of the lips' opening.
        match: P(the enrolled person) of a comparison.
        body: Where the upper body is.
        objects: Things in the picture; an empty list for a search that found none.
        object_score: The detector's score.
        speech: How much of the sound is speech.
        pitched: How much of the speech has a pitch; left out when that is not measured.
        voices: The voices of the window of speech that ends now.
        picture: What the camera shows; `frozen` is the same picture since the span began.
        live: P(live) of a liveness reading.
        footage: How the pictures follow one another.
        video: Why no video comes; `back` when it comes again.
        audio: The same of sound.
    """

    from_s: Seconds
    to_s: Seconds
    every_s: Every = 0.5
    faces: Annotated[int, Field(ge=0, le=5)] | None = None
    turned_away: bool = False
    gaze_deg: Angle | None = None
    head_deg: Angle | None = None
    mouth_open: Share | None = None
    match: Share | None = None
    body: Literal["there", "edge", "missing"] | None = None
    objects: Annotated[tuple[Label, ...], Field(max_length=20)] | None = None
    object_score: Share = 0.8
    speech: Share | None = None
    pitched: Share | None = None
    voices: Annotated[tuple[Voice, ...], Field(max_length=20)] = ()
    picture: Literal["clear", "black", "dusk", "frozen"] | None = None
    live: Share | None = None
    footage: Footage | None = None
    video: CoverageReason | Literal["back"] | None = None
    audio: CoverageReason | Literal["back"] | None = None

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.to_s <= self.from_s:
            raise ValueError("to_s must be after from_s")
        if len(self.model_fields_set - {"from_s", "to_s", "every_s"}) == 0:
            raise ValueError("nothing is seen or heard in it")
        return self

    @property
    def looks(self) -> float:
        """How much is seen and heard in it: every fact of a moment, things and voices once more."""
        moments = (self.to_s - self.from_s) / self.every_s
        facts = len(self.model_fields_set - {"from_s", "to_s", "every_s"})
        return moments * (facts + len(self.objects or ()) + len(self.voices))

    def observations(self) -> Iterator[Observation]:
        """What models and media path would have said, in order."""
        yield from self._streams()
        at_ms = from_ms = round(self.from_s * 1000)
        while at_ms < round(self.to_s * 1000):
            yield from self._pictures(at_ms, from_ms)
            yield from self._faces(at_ms)
            yield from self._sounds(at_ms)
            at_ms += round(self.every_s * 1000)

    def _streams(self) -> Iterator[Observation]:
        at_ms = round(self.from_s * 1000)
        for modality, said in ((Modality.VIDEO, self.video), (Modality.AUDIO, self.audio)):
            if said is not None:
                reason = None if said == "back" else CoverageReason(said)
                state = CoverageState.MONITORED if reason is None else CoverageState.BLIND
                yield StreamState(
                    observed_ms=at_ms, since_ms=at_ms, modality=modality, state=state, reason=reason
                )

    def _pictures(self, at_ms: int, from_ms: int) -> Iterator[Observation]:
        if self.picture is not None:
            brightness, contrast, detail = _LOOKS[self.picture]
            yield PictureSeen(
                observed_ms=at_ms,
                brightness=brightness,
                contrast=contrast,
                detail=detail,
                change=0.0 if self.picture == "frozen" else 0.01,
                still_ms=at_ms - from_ms if self.picture == "frozen" else 0,
            )
        if (shown := self.footage) is not None:
            width, height = shown.size.split("x")
            yield FootageSeen(
                observed_ms=at_ms,
                repeated_ms=round(shown.repeated_s * 1000),
                period_ms=round(shown.period_s * 1000),
                double_share=shown.doubled_share,
                noiseless_share=shown.noiseless_share,
                steady_ms=round(shown.steady_s * 1000),
                interval_ms=shown.interval_ms,
                width_px=int(width),
                height_px=int(height),
                codec=shown.codec,
            )

    def _faces(self, at_ms: int) -> Iterator[Observation]:
        digest = f"{at_ms:064x}"
        if self.faces is not None or self.turned_away:
            found = [_face(place) for place in range(self.faces or 0)]
            yield FacesSeen(
                observed_ms=at_ms,
                faces=(_face(0, 0.1),) if self.turned_away else tuple(found),
                searched_small=True,
                producers=PRODUCERS,
                frame_digest=digest,
            )
        if (self.gaze_deg, self.head_deg, self.mouth_open) != (None, None, None):
            yield GazeSeen(
                observed_ms=at_ms,
                head=HeadPose(self.head_deg or 0.0, 5.0, 0.0),
                gaze=None if self.gaze_deg is None else Gaze(self.gaze_deg, 5.0),
                eyes_open=0.3,
                mouth_open=self.mouth_open or 0.0,
                producers=PRODUCERS,
                frame_digest=digest,
            )
        if self.match is not None:
            yield FaceMatched(
                observed_ms=at_ms,
                probability=self.match,
                template_version=1,
                producers=PRODUCERS,
                frame_digest=digest,
            )
        if self.live is not None:
            yield LivenessSeen(
                observed_ms=at_ms, probability=self.live, producers=PRODUCERS, frame_digest=digest
            )
        if self.body is not None:
            yield BodySeen(
                observed_ms=at_ms,
                points=_BODIES[self.body],
                producers=PRODUCERS,
                frame_digest=digest,
            )
        if self.objects is not None:
            yield ObjectsSeen(
                observed_ms=at_ms,
                objects=tuple(
                    SeenObject(label=label, box=Box(0.6, 0.6, 0.1, 0.2), score=self.object_score)
                    for label in self.objects
                ),
                producers=PRODUCERS,
                frame_digest=digest,
            )

    def _sounds(self, at_ms: int) -> Iterator[Observation]:
        if self.speech is not None:
            lasts_ms = round(self.every_s * 1000)
            voiced_ms = round(lasts_ms * self.speech)
            pitched = None if self.pitched is None else round(voiced_ms * self.pitched)
            yield SpeechHeard(
                observed_ms=at_ms,
                duration_ms=lasts_ms,
                voiced_ms=voiced_ms,
                probability=self.speech,
                level_dbfs=-30.0 if voiced_ms else -60.0,
                producers=PRODUCERS,
                pitched_ms=pitched,
                unpitched_ms=None if pitched is None else voiced_ms - pitched,
            )
        if self.voices:
            alone_ms = [round(voice.alone_s * 1000) for voice in self.voices]
            known = any(voice.candidate is not None for voice in self.voices)
            yield SpeakersHeard(
                observed_ms=max(0, at_ms - sum(alone_ms)),
                duration_ms=min(at_ms, sum(alone_ms)),
                voiced_ms=sum(alone_ms),
                voices=tuple(
                    VoiceHeard(alone_ms=alone, candidate=voice.candidate)
                    for alone, voice in zip(alone_ms, self.voices, strict=True)
                ),
                overlap_ms=0,
                template_ms=60_000 if known else None,
                producers=PRODUCERS,
            )


_LOOKS = {
    "clear": (0.5, 0.2, 0.01),
    "frozen": (0.5, 0.2, 0.01),
    "black": (0.02, 0.01, 1e-6),
    "dusk": (0.06, 0.08, 5e-3),
}
"""Brightness, contrast and detail of a picture."""

_BODIES = {
    "there": tuple(BodyPoint(0.5, 0.5, 0.9) for _ in range(33)),
    "edge": tuple(BodyPoint(0.01, 0.5, 0.9) for _ in range(33)),
    "missing": None,
}


def _face(place: int, presence: float = 0.97) -> SeenFace:
    """The first is the candidate's; others are small and beside it."""
    if place == 0:
        return SeenFace(box=Box(0.35, 0.2, 0.3, 0.4), score=0.9, presence=presence)
    return SeenFace(box=Box(0.02 + 0.11 * place, 0.1, 0.08, 0.1), score=0.8, presence=presence)
