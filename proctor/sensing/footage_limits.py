"""Thresholds of what the pictures themselves say: liveness of the face, and how pictures follow on.

Where the footage limits come from stands with the measures (services/host/footage.py): the gap
between what was measured on live cameras and on repeated, doubled and drawn pictures is wide.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from proctor.sensing.strict import Milliseconds, PositiveMilliseconds, Probability, Strict


class LivenessLimits(Strict):
    """A face that several pictures call not live. Weak: no attack was measured, glasses and light matter.

    Attributes:
        readings: How many of the newest readings decide together.
        within_ms: Readings older than this no longer decide.
        dwell_ms: How long from the first to the last of them, at least.
        not_live_below: Mean probability at which the signal opens.
        live_above: Mean probability at which it closes.
    """

    readings: Annotated[int, Field(ge=3, le=20)] = 5
    within_ms: PositiveMilliseconds = 120_000
    dwell_ms: Milliseconds = 10_000
    not_live_below: Annotated[float, Field(gt=0.0, le=0.3)] = 0.2
    live_above: Probability = 0.5

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.dwell_ms >= self.within_ms:
            raise ValueError("dwell_ms must be less than within_ms")
        if self.live_above <= self.not_live_below:
            raise ValueError("live_above must be more than not_live_below")
        return self


class FootageLimits(Strict):
    """When the succession of the pictures is told.

    Attributes:
        repeated_ms: So much of the same pictures again is a repeated stretch. The host compares 12 s.
        doubled_share: So many of the newest fifty pictures were sent twice.
        doubled_dwell_ms: How long before that is told: a busy computer sends some twice.
        noiseless_share: So much of what does not move shows no sensor noise.
        noiseless_dwell_ms: How long before that is told.
        steady_ms: A clock that has not jittered for so long is no camera's (oscillators drift apart
            by a millisecond a minute). Not measured on real cameras: it is told as `info`.
        release_ms: How long readings must disagree before any of these ends.
    """

    repeated_ms: Annotated[int, Field(ge=12_000, le=600_000)] = 12_000
    doubled_share: Annotated[float, Field(ge=0.05, lt=1.0)] = 0.12
    doubled_dwell_ms: Milliseconds = 10_000
    noiseless_share: Annotated[float, Field(ge=0.3, lt=1.0)] = 0.5
    noiseless_dwell_ms: Milliseconds = 20_000
    steady_ms: Annotated[int, Field(ge=30_000, le=600_000)] = 60_000
    release_ms: Milliseconds = 5_000
