"""What the camera shows at all: covered, frozen or too dark. This is coverage first, and then a signal.

A covered or frozen camera makes the session blind, so that nothing else is concluded from such
pictures. Flat pictures are set aside from the first one on, before they count as covered.
"""

from dataclasses import dataclass, field

from proctor.domain.coverage import CoverageReason
from proctor.domain.ids import SessionId
from proctor.domain.observations import PictureSeen
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.hysteresis import Hysteresis, Reading, Spell
from proctor.sensing.limits import Dwell, PictureLimits

STALE_MS = 5_000


@dataclass(frozen=True, slots=True)
class PictureClaim:
    """The picture says that the view is impaired for this reason since then, or no longer is."""

    reason: CoverageReason
    since_ms: int
    holds: bool


@dataclass(slots=True, kw_only=True)
class PictureState:
    """What the pictures showed last.

    Attributes:
        is_poor: The newest picture is flat or dark: no face in it means nothing.
        clear_from_ms: Pictures before this were poor.
        claims: Impairments of the view that hold, with their beginning.
        dark_ms: When it became dark.
        covered: The camera covered.
        frozen: The sender repeating one picture.
    """

    is_poor: bool = False
    clear_from_ms: int = 0
    claims: dict[CoverageReason, int] = field(default_factory=dict)
    dark_ms: int | None = None
    covered: Spell = field(default_factory=Spell)
    frozen: Spell = field(default_factory=Spell)


class PictureSensor:
    """Turns plain measures of pictures into CAMERA_COVERED, VIDEO_FROZEN and what they blind."""

    def __init__(self, session_id: SessionId, limits: PictureLimits, state: PictureState) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state
        self._covered = Hysteresis(
            SignalKind.CAMERA_COVERED,
            session_id,
            Dwell(
                dwell_ms=limits.covered_dwell_ms,
                release_ms=limits.covered_release_ms,
                stale_ms=STALE_MS,
            ),
            state.covered,
        )

    def is_clear(self, at_ms: int) -> bool:
        """Whether something can be concluded from what a picture of this moment does not show."""
        return not self.state.is_poor and at_ms >= self.state.clear_from_ms

    @property
    def is_blind(self) -> bool:
        """Whether the pictures show nothing of the room as it is now."""
        claims = self.state.claims
        return CoverageReason.COVERED in claims or CoverageReason.FROZEN_VIDEO in claims

    def observe(self, seen: PictureSeen) -> tuple[list[Signal], list[PictureClaim]]:
        """Take the measures of one picture."""
        limits, state = self._limits, self.state
        is_dark = seen.brightness < limits.dark_below
        is_covered = seen.contrast < limits.flat_contrast_below and (
            is_dark or seen.detail < limits.flat_detail_below
        )
        if state.is_poor and not (is_covered or is_dark):
            state.clear_from_ms = seen.observed_ms
        state.is_poor = is_covered or is_dark
        changed = self._covered.update(
            is_covered,
            Reading(seen.observed_ms),
            {"brightness": seen.brightness, "contrast": seen.contrast},
        )
        changed += self._frozen(seen)
        return changed, self._claims(seen, is_dark and not is_covered)

    def _frozen(self, seen: PictureSeen) -> list[Signal]:
        spell = self.state.frozen
        if seen.still_ms >= self._limits.frozen_after_ms:
            if spell.began_ms is None:
                spell.began_ms = spell.last_ms = max(0, seen.observed_ms - seen.still_ms)
            spell.support(Reading(seen.observed_ms))
            spell.is_open = True
            return [spell.signal(SignalKind.VIDEO_FROZEN, self._session_id)]
        return spell.close(SignalKind.VIDEO_FROZEN, self._session_id, seen.observed_ms)

    def _claims(self, seen: PictureSeen, is_dark: bool) -> list[PictureClaim]:
        state = self.state
        if not is_dark:
            state.dark_ms = None
        elif state.dark_ms is None:
            state.dark_ms = seen.observed_ms
        dark_long = (
            state.dark_ms is not None
            and seen.observed_ms - state.dark_ms >= self._limits.covered_dwell_ms
        )
        return [
            *self._claim(
                CoverageReason.COVERED, state.covered.is_open, state.covered.began_ms, seen
            ),
            *self._claim(
                CoverageReason.FROZEN_VIDEO, state.frozen.is_open, state.frozen.began_ms, seen
            ),
            *self._claim(CoverageReason.TOO_DARK, dark_long, state.dark_ms, seen),
        ]

    def _claim(
        self, reason: CoverageReason, holds: bool, since_ms: int | None, seen: PictureSeen
    ) -> list[PictureClaim]:
        claims = self.state.claims
        if holds and reason not in claims:
            claims[reason] = seen.observed_ms if since_ms is None else since_ms
            return [PictureClaim(reason, claims[reason], True)]
        if not holds and reason in claims:
            del claims[reason]
            return [PictureClaim(reason, seen.observed_ms, False)]
        return []

    def lost(self) -> list[Signal]:
        """No pictures come. What they said last stays said until one says otherwise."""
        frozen = self.state.frozen
        return self._covered.lost() + frozen.close(
            SignalKind.VIDEO_FROZEN, self._session_id, frozen.last_ms
        )

    def forget(self, at_ms: int) -> list[PictureClaim]:
        """Another camera may follow: nothing holds any longer."""
        state = self.state
        ended = [PictureClaim(reason, at_ms, False) for reason in state.claims]
        state.claims = {}
        state.is_poor, state.clear_from_ms, state.dark_ms = False, 0, None
        return ended
