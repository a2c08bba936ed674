"""Every threshold of what is heard, with its unit, its range and where it comes from."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from proctor.sensing.strict import Degrees, PositiveMilliseconds, Probability, Strict


class VoiceLimits(Strict):
    """Speech, by how much of a window is voiced: a cough or a chair is not speech.

    Attributes:
        voiced_ms: So much speech ...
        within_ms: ... within this long opens the signal.
        release_ms: So much without any closes it.
    """

    voiced_ms: PositiveMilliseconds = 1_500
    within_ms: PositiveMilliseconds = 4_000
    release_ms: PositiveMilliseconds = 2_000

    @model_validator(mode="after")
    def _voiced_fits(self) -> Self:
        if self.voiced_ms > self.within_ms:
            raise ValueError(f"voiced_ms ({self.voiced_ms}) does not fit into within_ms")
        return self


class WhisperLimits(Strict):
    """Speech without a pitch. Measured on synthetic whispers only (services/host/pitch.py).

    Attributes:
        spoken_ms: So much speech ...
        within_ms: ... within this long opens the signal ...
        pitched_below: ... when less than this share of it has a pitch. Real speech has 0.31 at least
            in 4 s (380 stretches), synthetic whispers 0.09 at most (86 stretches).
        release_ms: So long without any closes it.
    """

    spoken_ms: PositiveMilliseconds = 1_500
    within_ms: PositiveMilliseconds = 4_000
    pitched_below: Annotated[float, Field(gt=0.0, le=0.3)] = 0.2
    release_ms: PositiveMilliseconds = 3_000

    @model_validator(mode="after")
    def _spoken_fits(self) -> Self:
        if self.spoken_ms > self.within_ms:
            raise ValueError(f"spoken_ms ({self.spoken_ms}) does not fit into within_ms")
        return self


class LipsLimits(Strict):
    """A voice while the lips that are seen stay still.

    Attributes:
        voiced_ms: So much speech ...
        within_ms: ... within this long, ...
        pictures: ... during which the mouth was measured in at least so many pictures ...
        still_below: ... and its opening (height over width) varied by less than this (standard
            deviation). Measured on clips of one silent person at 5 pictures a second, 240 and 120 px
            wide: at most 0.0061 in any 10 s. The same clip with the jaw moved by the loudness of real
            speech, the lips opening at most 35 / 20 / 10 / 5 % of their width: at least 0.036 / 0.015 /
            0.008 / 0.006. So who hardly opens the mouth is taken for silent. Real talking faces were
            not at hand.
        head_within_deg: Pictures in which the head is turned farther do not count.
        release_ms: So long without speech closes it.
    """

    voiced_ms: PositiveMilliseconds = 3_000
    within_ms: PositiveMilliseconds = 10_000
    pictures: Annotated[int, Field(ge=8, le=100)] = 16
    still_below: Annotated[float, Field(gt=0.0, le=0.015)] = 0.008
    head_within_deg: Degrees = 25.0
    release_ms: PositiveMilliseconds = 3_000

    @model_validator(mode="after")
    def _voiced_fits(self) -> Self:
        if self.voiced_ms > self.within_ms:
            raise ValueError(f"voiced_ms ({self.voiced_ms}) does not fit into within_ms")
        return self


class OtherVoiceLimits(Strict):
    """A voice that is not the candidate's, by the mean log-odds of several windows of speech.

    Attributes:
        alone_ms: A voice that was alone for less is not judged: one word says little (MODELS.md 5).
        windows: How many of the newest windows decide together; in each the least likely voice counts.
        other_below: Mean probability of the candidate's voice at which another one is reported.
        same_above: Probability at which a window ends it: only the candidate was heard.
        within_ms: Windows older than this no longer decide; without another one the signal ends.
    """

    alone_ms: PositiveMilliseconds = 2_500
    windows: Annotated[int, Field(ge=2, le=20)] = 2
    other_below: Probability = 0.1
    same_above: Probability = 0.6
    within_ms: PositiveMilliseconds = 60_000

    @model_validator(mode="after")
    def _cannot_be_both(self) -> Self:
        if self.other_below >= self.same_above:
            raise ValueError("other_below must be less than same_above")
        return self


class SeveralVoicesLimits(Strict):
    """Two or more voices, by N of M windows of speech.

    Attributes:
        alone_ms: A voice that was alone for less is not counted.
        needed: Two or more voices in so many windows ...
        out_of: ... among the last so many.
        within_ms: Windows older than this are forgotten; without another one the signal ends.
    """

    alone_ms: PositiveMilliseconds = 1_500
    needed: Annotated[int, Field(ge=1, le=20)] = 2
    out_of: Annotated[int, Field(ge=1, le=20)] = 3
    within_ms: PositiveMilliseconds = 60_000

    @model_validator(mode="after")
    def _needed_is_reachable(self) -> Self:
        if self.needed > self.out_of:
            raise ValueError(f"needed ({self.needed}) is more than out_of ({self.out_of})")
        return self


class MicrophoneLimits(Strict):
    """A microphone of which nobody can say that it hears anything. It is coverage, never a signal.

    Attributes:
        still_after_ms: No sound has stood out for this long: degraded(audio_silent) since then.
        stands_out_db: Something stands out when the loudest and the quietest tenth of a second differ
            by more: stationary noise (a muted input's own) stays within 2 dB, a room does not.
        below_dbfs: Sound above this level is not silence, however steady.
    """

    still_after_ms: Annotated[int, Field(ge=30_000, le=3_600_000)] = 300_000
    stands_out_db: Annotated[float, Field(ge=3.0, le=20.0)] = 6.0
    below_dbfs: Annotated[float, Field(ge=-90.0, le=-30.0)] = -50.0
