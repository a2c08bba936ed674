"""Is it still the enrolled person? Several calibrated comparisons decide together, never one.

A comparison gives P(same person) at equal priors; the mean of the log-odds of the newest few decides
(ACCURACY: three frames at least). After every gap the question is open again. Nothing is said about
a session in which no comparison was ever made: nobody may be enrolled.
"""

import math
from dataclasses import dataclass, field

from proctor.domain.ids import SessionId
from proctor.domain.observations import FaceMatched, FacesSeen
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.hysteresis import Reading, Spell
from proctor.sensing.limits import IdentityLimits
from proctor.sensing.presence import reading_of

LARGEST_LOG_ODDS = 6.0
"""One comparison counts for no more than this (P = 0.998): a single odd picture decides nothing."""

LARGEST_STEP_MS = 4_000
"""Pictures farther apart than this do not show that the face was there all the time."""


def log_odds(probability: float) -> float:
    """ln(p / (1 - p)), bounded; a value outside 0..1 counts as the nearer bound."""
    if probability <= 0.0:
        return -LARGEST_LOG_ODDS
    if probability >= 1.0:
        return LARGEST_LOG_ODDS
    odds = math.log(probability) - math.log1p(-probability)
    return max(-LARGEST_LOG_ODDS, min(LARGEST_LOG_ODDS, odds))


@dataclass(slots=True, kw_only=True)
class IdentityState:
    """What is known since the last gap.

    Attributes:
        is_enrolled: Whether a comparison was ever made in this session.
        is_verified: Whether the comparisons since the last gap said "the enrolled person".
        readings: The newest comparisons, (when, log-odds).
        seen_since_ms: First confirmed face since the gap.
        seen_last_ms: Newest confirmed face.
        seen_ms: How long a face has been there without being verified.
        different: Another person.
        unverified: A face that is not verified.
    """

    is_enrolled: bool = False
    is_verified: bool = False
    readings: list[tuple[int, float]] = field(default_factory=list)
    seen_since_ms: int | None = None
    seen_last_ms: int | None = None
    seen_ms: int = 0
    different: Spell = field(default_factory=Spell)
    unverified: Spell = field(default_factory=Spell)


class IdentitySensor:
    """Turns comparisons into DIFFERENT_PERSON, and their absence after a gap into IDENTITY_UNVERIFIED."""

    def __init__(self, session_id: SessionId, limits: IdentityLimits, state: IdentityState) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

    @property
    def is_pending(self) -> bool:
        """Whether comparisons have begun and are too few to decide."""
        return 0 < len(self.state.readings) < self._limits.readings

    def observe_match(self, seen: FaceMatched) -> list[Signal]:
        """Take one comparison."""
        state, limits = self.state, self._limits
        state.is_enrolled = True
        oldest_ms = seen.observed_ms - limits.within_ms
        kept = [each for each in state.readings if each[0] >= oldest_ms]
        state.readings = [*kept, (seen.observed_ms, log_odds(seen.probability))][-limits.readings :]
        if len(state.readings) < limits.readings:
            return []
        mean = sum(odds for _, odds in state.readings) / len(state.readings)
        probability = 1 / (1 + math.exp(-mean))
        if probability >= limits.verified_above:
            return self._verified(seen.observed_ms)
        if probability <= limits.different_below:
            return self._differs(seen, probability)
        return []

    def _verified(self, at_ms: int) -> list[Signal]:
        state = self.state
        state.is_verified = True
        self._forget_seen()
        return self._close_different(at_ms) + self._close_unverified(at_ms)

    def _differs(self, seen: FaceMatched, probability: float) -> list[Signal]:
        state, spell = self.state, self.state.different
        state.is_verified = False
        self._forget_seen()
        reading = Reading(seen.observed_ms, seen.producers, seen.frame_digest)
        if spell.began_ms is None:
            spell.began_ms = state.readings[0][0]
            spell.last_ms = spell.began_ms
            spell.supporting = spell.readings = len(state.readings) - 1
        spell.support(reading, newest={"mean_probability": probability})
        spell.figures["readings"] = float(spell.supporting)
        spell.is_open = True
        return [
            *self._close_unverified(seen.observed_ms),
            spell.signal(
                SignalKind.DIFFERENT_PERSON, self._session_id, probability=1 - probability
            ),
        ]

    def observe_face(self, seen: FacesSeen) -> list[Signal]:
        """Take a picture with a confirmed face, seen without anything wrong with the video."""
        state = self.state
        if not state.is_enrolled or state.is_verified or state.different.is_open:
            return []
        if state.seen_since_ms is None:
            state.seen_since_ms = seen.observed_ms
        if state.seen_last_ms is not None:
            step_ms = seen.observed_ms - state.seen_last_ms
            state.seen_ms += step_ms if 0 < step_ms <= LARGEST_STEP_MS else 0
        state.seen_last_ms = seen.observed_ms
        if state.seen_ms < self._limits.verify_within_ms:
            return []
        spell = state.unverified
        if spell.began_ms is None:
            spell.began_ms = spell.last_ms = state.seen_since_ms
        spell.support(reading_of(seen), newest={"seen_s": state.seen_ms / 1000})
        spell.is_open = True
        return [spell.signal(SignalKind.IDENTITY_UNVERIFIED, self._session_id)]

    def pause(self) -> None:
        """The video has something wrong with it: what follows counts from there."""
        self.state.seen_last_ms = None

    def gap(self) -> list[Signal]:
        """Somebody else may be there: nothing that was known counts any longer."""
        state = self.state
        state.is_verified = False
        state.readings = []
        self._forget_seen()
        return [
            *self._close_different(state.different.last_ms),
            *self._close_unverified(state.unverified.last_ms),
        ]

    def _close_different(self, at_ms: int) -> list[Signal]:
        spell = self.state.different
        probability = 1 - spell.figures.get("mean_probability", 0.0)
        return spell.close(SignalKind.DIFFERENT_PERSON, self._session_id, at_ms, probability)

    def _close_unverified(self, at_ms: int) -> list[Signal]:
        spell = self.state.unverified
        return spell.close(SignalKind.IDENTITY_UNVERIFIED, self._session_id, at_ms)

    def _forget_seen(self) -> None:
        self.state.seen_since_ms = self.state.seen_last_ms = None
        self.state.seen_ms = 0
