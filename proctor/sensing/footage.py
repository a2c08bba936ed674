"""How pictures follow one another becomes plain facts for a human: shown again, sent twice, drawn.

None of them says why, and none is a verdict: a virtual background, a screen recorder or a phone that is
turned makes one or the other too. They are told under the category `integrity`.
"""

from dataclasses import dataclass, field

from proctor.domain.ids import SessionId
from proctor.domain.observations import FootageSeen
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.footage_limits import FootageLimits
from proctor.sensing.hysteresis import Hysteresis, Reading, Spell
from proctor.sensing.limits import Dwell

STALE_MS = 15_000
"""Readings come every five seconds."""
SAME_SHAPE = 0.02
"""Widths over heights that differ by less are one shape: browsers send smaller pictures under load."""


@dataclass(slots=True, kw_only=True)
class FootageState:
    """What the footage showed last.

    Attributes:
        repeated: The same stretch of pictures again.
        doubled: Pictures sent twice.
        noiseless: No sensor noise.
        steady: A clock without jitter.
        changed: Another source, told in the reading in which it appears.
        source: Width, height and codec of the pictures of this connection; None before any.
    """

    repeated: Spell = field(default_factory=Spell)
    doubled: Spell = field(default_factory=Spell)
    noiseless: Spell = field(default_factory=Spell)
    steady: Spell = field(default_factory=Spell)
    changed: Spell = field(default_factory=Spell)
    source: tuple[int, int, str] | None = None


class FootageSensor:
    """Turns measures of the footage into its five signals."""

    def __init__(self, session_id: SessionId, limits: FootageLimits, state: FootageState) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

        def lasting(kind: SignalKind, dwell_ms: int, spell: Spell) -> Hysteresis:
            dwell = Dwell(dwell_ms=dwell_ms, release_ms=limits.release_ms, stale_ms=STALE_MS)
            return Hysteresis(kind, session_id, dwell, spell)

        self._repeated = lasting(SignalKind.VIDEO_REPEATED, 0, state.repeated)
        self._steady = lasting(SignalKind.STEADY_BEAT, 0, state.steady)
        self._doubled = lasting(SignalKind.PICTURES_DOUBLED, limits.doubled_dwell_ms, state.doubled)
        self._noiseless = lasting(
            SignalKind.NO_CAMERA_NOISE, limits.noiseless_dwell_ms, state.noiseless
        )

    def observe(self, seen: FootageSeen) -> list[Signal]:
        """Take one reading."""
        limits, reading = self._limits, Reading(seen.observed_ms)
        noiseless = seen.noiseless_share or 0.0
        changed = self._source(seen)
        changed += self._since(
            self._repeated,
            seen,
            seen.repeated_ms,
            limits.repeated_ms,
            {"repeated_s": seen.repeated_ms / 1000, "period_s": seen.period_ms / 1000},
        )
        changed += self._since(
            self._steady,
            seen,
            seen.steady_ms,
            limits.steady_ms,
            {"steady_s": seen.steady_ms / 1000, "interval_ms": seen.interval_ms},
        )
        changed += self._doubled.update(
            seen.double_share >= limits.doubled_share, reading, {"doubled_share": seen.double_share}
        )
        changed += self._noiseless.update(
            noiseless >= limits.noiseless_share, reading, {"noiseless_share": noiseless}
        )
        return changed

    def _since(
        self,
        lasting: Hysteresis,
        seen: FootageSeen,
        lasted_ms: int,
        least_ms: int,
        figures: dict[str, float],
    ) -> list[Signal]:
        """A reading that says itself since when: the signal begins there."""
        spell, holds = lasting.spell, lasted_ms >= least_ms
        if holds and spell.began_ms is None:
            spell.began_ms, spell.last_ms = max(0, seen.observed_ms - lasted_ms), seen.observed_ms
        return lasting.update(holds, Reading(seen.observed_ms), newest=figures)

    def _source(self, seen: FootageSeen) -> list[Signal]:
        """A codec or a shape of picture that changes within a connection; the next reading closes it."""
        state, kind = self.state, SignalKind.SOURCE_CHANGED
        before, state.source = state.source, (seen.width_px, seen.height_px, seen.codec)
        told = state.changed.close(kind, self._session_id, seen.observed_ms)
        if before is None or before == state.source:
            return told
        width, height, codec = before
        is_other_codec = codec != seen.codec
        shape = (seen.width_px / seen.height_px) / (width / height)
        if not is_other_codec and abs(shape - 1) <= SAME_SHAPE:
            return told
        state.changed.support(
            Reading(seen.observed_ms),
            newest={
                "width_before_px": width,
                "height_before_px": height,
                "width_px": seen.width_px,
                "height_px": seen.height_px,
                "codec_changed": float(is_other_codec),
            },
        )
        state.changed.is_open = True
        return [*told, state.changed.signal(kind, self._session_id)]

    def advance(self, now_ms: int) -> list[Signal]:
        """End what no reading has supported for too long, where it was last seen."""
        return [
            signal
            for each in (self._repeated, self._steady, self._doubled, self._noiseless)
            for signal in each.advance(now_ms)
        ]

    def lost(self) -> list[Signal]:
        """No pictures come, or they show nothing: end everything where it was last seen."""
        state, changed = self.state, []
        for each in (self._repeated, self._steady, self._doubled, self._noiseless):
            changed += each.lost()
        return changed + state.changed.close(
            SignalKind.SOURCE_CHANGED, self._session_id, state.changed.last_ms
        )

    def forget(self) -> None:
        """Another connection begins: its pictures may be of another size."""
        self.state.source = None
