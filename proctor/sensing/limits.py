"""Every threshold of the sensors, with its unit, its range and where it comes from.

A policy carries one `SensingLimits`. Values are strict (no text for numbers, no NaN, no unknown
field): a threshold that compares with nothing would switch a detector off in silence (TRUST D12).
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from proctor.sensing.footage_limits import FootageLimits, LivenessLimits
from proctor.sensing.sound_limits import (
    LipsLimits,
    MicrophoneLimits,
    OtherVoiceLimits,
    SeveralVoicesLimits,
    VoiceLimits,
    WhisperLimits,
)
from proctor.sensing.strict import Degrees, Milliseconds, PositiveMilliseconds, Probability, Strict


class Dwell(Strict):
    """When a reading becomes a signal and when the signal ends.

    Attributes:
        dwell_ms: How long readings must agree before the signal opens; it began with the first.
        release_ms: How long readings must disagree before it closes; it ended with the first.
        stale_ms: Readings farther apart than this are not one behaviour. An open signal that is not
            confirmed for as long ends where it was last seen.
    """

    dwell_ms: Milliseconds
    release_ms: Milliseconds
    stale_ms: PositiveMilliseconds


class NoFaceLimits(Dwell):
    """Nobody in the picture: no box at all. A box without a mesh is turned away, not absent."""

    dwell_ms: Milliseconds = 1_500
    release_ms: Milliseconds = 500
    stale_ms: PositiveMilliseconds = 4_000


class SeveralFacesLimits(Strict):
    """A second person, by N of M pictures: small faces are only searched for at a lower rate.

    Attributes:
        needed: So many pictures with two or more confirmed faces ...
        out_of: ... among the last so many that count (a picture with one face counts only when it
            was searched for small faces too).
        within_ms: Votes older than this are forgotten.
        release_ms: The signal closes once a search found nobody else and this has passed.
    """

    needed: Annotated[int, Field(ge=1, le=20)] = 2
    out_of: Annotated[int, Field(ge=1, le=20)] = 3
    within_ms: PositiveMilliseconds = 10_000
    release_ms: Milliseconds = 2_500

    @model_validator(mode="after")
    def _needed_is_reachable(self) -> Self:
        if self.needed > self.out_of:
            raise ValueError(f"needed ({self.needed}) is more than out_of ({self.out_of})")
        return self


class IdentityLimits(Strict):
    """Who is there, by the mean log-odds of several calibrated readings (ACCURACY: three at least).

    Attributes:
        readings: How many of the newest readings decide together.
        different_below: Mean probability of the enrolled person at which another one is reported. At
            0.1 none of 1,745 right and 98.8 % of 11,683 wrong LFW comparisons are (three pictures).
        verified_above: Mean probability at which the person counts as verified.
        within_ms: Readings older than this no longer decide.
        verify_within_ms: How long a face may be seen after a gap before `identity_unverified`.
    """

    readings: Annotated[int, Field(ge=3, le=20)] = 3
    different_below: Probability = 0.1
    verified_above: Probability = 0.9
    within_ms: PositiveMilliseconds = 60_000
    verify_within_ms: PositiveMilliseconds = 30_000

    @model_validator(mode="after")
    def _cannot_be_both(self) -> Self:
        if self.different_below >= self.verified_above:
            raise ValueError("different_below must be less than verified_above")
        return self


class BaselineLimits(Strict):
    """What straight ahead means for this candidate and this camera.

    Attributes:
        over_ms: The median of the readings of this long from the first one ...
        readings: ... and of at least so many.
        within_deg: Readings farther than this from the camera cannot be straight ahead (on real
            clips straight ahead lies between -1 and 10 degrees, a look aside between -16 and -20).
        give_up_ms: After this long without a baseline the camera itself is straight ahead.
    """

    over_ms: PositiveMilliseconds = 3_000
    readings: Annotated[int, Field(ge=1, le=100)] = 3
    within_deg: Degrees = 12.0
    give_up_ms: PositiveMilliseconds = 12_000


class GazeLimits(Dwell):
    """Eyes and head together away from the baseline.

    Attributes:
        yaw_deg: Left or right of the baseline. ACCURACY: 12.4 separates on real clips; the centre
            drifts by 5 degrees after a look away, so nothing under 10 is accepted.
        baseline: How straight ahead is found.
    """

    yaw_deg: Annotated[float, Field(ge=10.0, le=60.0)] = 12.4
    dwell_ms: Milliseconds = 2_000
    release_ms: Milliseconds = 800
    stale_ms: PositiveMilliseconds = 3_000
    baseline: BaselineLimits = BaselineLimits()


class HeadLimits(Dwell):
    """The head turned from its baseline, or a face box whose mesh does not confirm it.

    Attributes:
        yaw_deg: Left or right of the baseline (ACCURACY: the mesh saturates near 55 degrees).
        baseline: How straight ahead is found.
    """

    yaw_deg: Annotated[float, Field(ge=15.0, le=80.0)] = 35.0
    dwell_ms: Milliseconds = 2_500
    release_ms: Milliseconds = 1_000
    stale_ms: PositiveMilliseconds = 4_000
    baseline: BaselineLimits = BaselineLimits(within_deg=25.0)


class BodyLimits(Dwell):
    """The upper body out of the picture or leaning out of it.

    Attributes:
        visible_from: A joint with less visibility is not seen.
        margin: The nose, or the middle of the shoulders, nearer to the left or right edge than this
            (in widths of the picture) is leaning out.
        face_holds_ms: A face confirmed this shortly before says that the body is there: the pose
            detector loses near faces that fill the picture.
    """

    visible_from: Probability = 0.5
    margin: Annotated[float, Field(ge=0.0, le=0.4)] = 0.06
    face_holds_ms: PositiveMilliseconds = 3_000
    dwell_ms: Milliseconds = 5_000
    release_ms: Milliseconds = 0
    stale_ms: PositiveMilliseconds = 16_000


Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9 _-]{0,31}$")]


class ObjectLimits(Strict):
    """A thing such as a phone, by N of M searched pictures: one picture is no proof of anything.

    A detector's score is not calibrated and its false boxes differ from camera to camera, so the same
    label must come back, and the alert alone never reaches high severity.

    Attributes:
        needed: The same label in so many pictures ...
        out_of: ... among the last so many that were searched.
        within_ms: Pictures older than this are forgotten.
        dwell_ms: How long from the first to the last of them, at least.
        release_ms: The signal closes once no picture has shown it for this long.
        least_score: Boxes under this count as nothing seen; the detector's settings have a limit, too.
        allowed: Labels that this exam permits (an open book); they are never told.
    """

    needed: Annotated[int, Field(ge=2, le=20)] = 2
    out_of: Annotated[int, Field(ge=2, le=20)] = 3
    within_ms: PositiveMilliseconds = 30_000
    dwell_ms: Milliseconds = 1_000
    release_ms: Milliseconds = 5_000
    least_score: Probability = 0.4
    allowed: Annotated[tuple[Label, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.needed > self.out_of:
            raise ValueError(f"needed ({self.needed}) is more than out_of ({self.out_of})")
        if self.dwell_ms > self.within_ms:
            raise ValueError(f"dwell_ms ({self.dwell_ms}) is more than within_ms")
        return self


class PictureLimits(Strict):
    """What the camera shows at all, from plain measures of the picture at 80 px width.

    Where the limits come from: of 338 photographs and two webcam clips none has less contrast than
    0.12 or less detail than 0.0049; black, a finger, tape and paper before the lens, with noise and
    JPEG, have at most 0.052 and 0.0007.

    Attributes:
        dark_below: Mean brightness under which the picture is too dark to judge.
        flat_contrast_below: A picture with less contrast (standard deviation of brightness) that is
            dark or has no detail shows nothing but a covered lens.
        flat_detail_below: Variance of the Laplacian under which there is no detail.
        covered_dwell_ms: How long before it counts as covered.
        covered_release_ms: How long a clear picture must last before it no longer does.
        frozen_after_ms: A sender repeating one picture for this long is frozen (TRUST F16: 3 s).
    """

    dark_below: Probability = 0.1
    flat_contrast_below: Probability = 0.06
    flat_detail_below: Probability = 0.0005
    covered_dwell_ms: PositiveMilliseconds = 1_000
    covered_release_ms: Milliseconds = 400
    frozen_after_ms: PositiveMilliseconds = 2_000


class SensingLimits(Strict):
    """All of them, one group per behaviour."""

    no_face: NoFaceLimits = NoFaceLimits()
    several_faces: SeveralFacesLimits = SeveralFacesLimits()
    identity: IdentityLimits = IdentityLimits()
    gaze: GazeLimits = GazeLimits()
    head: HeadLimits = HeadLimits()
    body: BodyLimits = BodyLimits()
    objects: ObjectLimits = ObjectLimits()
    voice: VoiceLimits = VoiceLimits()
    whisper: WhisperLimits = WhisperLimits()
    lips: LipsLimits = LipsLimits()
    other_voice: OtherVoiceLimits = OtherVoiceLimits()
    several_voices: SeveralVoicesLimits = SeveralVoicesLimits()
    microphone: MicrophoneLimits = MicrophoneLimits()
    picture: PictureLimits = PictureLimits()
    liveness: LivenessLimits = LivenessLimits()
    footage: FootageLimits = FootageLimits()
