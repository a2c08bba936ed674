"""How often an exam looks and listens, and whether that is often enough for what it wants to know."""

import math
from collections.abc import Collection
from typing import Annotated, Self

from pydantic import Field, model_validator

from proctor.domain.signals import SignalKind
from proctor.sensing.limits import SensingLimits
from proctor.sensing.strict import Strict

BURST_PICTURES = 3  # comparisons of one burst, at least (ACCURACY.md)

Rate = Annotated[float, Field(gt=0.0, le=30.0)]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]
SecondsOrNever = Annotated[float, Field(ge=0.0, le=3600.0)]

AT_A_RATE = {
    SignalKind.OBJECT_SEEN: "objects_every_s",
    SignalKind.OTHER_VOICE: "speakers_every_s",
    SignalKind.SEVERAL_VOICES: "speakers_every_s",
}
"""Signals that do not exist at a rate of 0."""


class Sampling(Strict):
    """How often each model group looks.

    Attributes:
        face_hz: Pictures a second for the face group when nothing is going on.
        face_attentive_hz: The same while something is pending (the shard asks to look closer).
        body_hz: Pictures a second for the body group; a third of it while the candidate sits still.
        identity_every_s: How often the face is compared with the enrolled one, besides every gap.
        small_faces_every_s: How often a picture is also searched for small faces behind; twice as often
            while attentive, at once when the room changes, a fourth as often while it stands still.
        objects_every_s: How often a picture is searched for things (a phone, a book), twice as often
            while attentive; 0 for never. It needs a detector that the operator brings.
        audio: Whether sound is listened to (all of it) or not at all.
        speakers_every_s: How often at most a window of speech (up to 10 s of it) is asked whose voices it
            holds; 0 for never. It needs a model of speakers.
        voice_enrol_s: How much speech of the candidate alone makes the template of their voice, which
            needs their consent and lives only as long as the session.
    """

    face_hz: Rate = 1.0
    face_attentive_hz: Rate = 4.0
    body_hz: Rate = 0.2
    identity_every_s: Seconds = 15.0
    small_faces_every_s: Seconds = 4.0
    objects_every_s: SecondsOrNever = 0.0
    audio: bool = True
    speakers_every_s: SecondsOrNever = 0.0
    voice_enrol_s: Annotated[float, Field(ge=10.0, le=600.0)] = 60.0

    @model_validator(mode="after")
    def _closer_is_more(self) -> Self:
        if self.face_attentive_hz < self.face_hz:
            raise ValueError("face_attentive_hz must not be less than face_hz")
        return self


def check_rates(rates: Sampling, limits: SensingLimits, named: Collection[SignalKind]) -> None:
    """Refuse rates at which no two looks are ever taken together: a detector off in silence.

    Args:
        rates: How often.
        limits: What counts.
        named: The signals that rules name; limits of pictures beside sound matter to those alone.

    Raises:
        ValueError: Naming the limit.
    """
    watches_lips = SignalKind.VOICE_WITHOUT_LIPS in named
    face_ms, several, identity = 1000 / rates.face_hz, limits.several_faces, limits.identity
    bursts = math.ceil(identity.readings / BURST_PICTURES)
    identity_ms = (bursts - 1) * rates.identity_every_s * 1000
    attentive_ms = rates.objects_every_s * 500  # twice as often
    span_ms = (limits.objects.out_of - 1) * attentive_ms
    if rates.objects_every_s and limits.objects.dwell_ms > span_ms:
        raise ValueError(
            f"sensing.objects.dwell_ms is over {span_ms:.0f}, the time that out_of pictures take"
        )
    for name, has_ms, needs_ms in (
        ("no_face.stale_ms", limits.no_face.stale_ms, face_ms),
        ("gaze.stale_ms", limits.gaze.stale_ms, face_ms),
        ("head.stale_ms", limits.head.stale_ms, face_ms),
        ("body.stale_ms", limits.body.stale_ms, 1000 / rates.body_hz),
        (
            "several_faces.within_ms",
            several.within_ms,
            (several.needed - 1) * rates.small_faces_every_s * 1000,
        ),
        (
            "objects.within_ms",
            limits.objects.within_ms,
            (limits.objects.needed - 1) * rates.objects_every_s * 1000,
        ),
        (
            "lips.within_ms",
            limits.lips.within_ms,
            limits.lips.pictures * 1000 / rates.face_attentive_hz if watches_lips else 0.0,
        ),
        (
            "other_voice.within_ms",
            limits.other_voice.within_ms,
            (limits.other_voice.windows - 1) * rates.speakers_every_s * 1000,
        ),
        (
            "several_voices.within_ms",
            limits.several_voices.within_ms,
            (limits.several_voices.needed - 1) * rates.speakers_every_s * 1000,
        ),
        (
            "identity.within_ms",
            identity.within_ms,
            identity_ms + (BURST_PICTURES - 1) * face_ms,
        ),
    ):
        if has_ms < needs_ms:
            raise ValueError(f"sensing.{name} is under {needs_ms:.0f}, as long as sampling needs")
