"""A behaviour opens a signal once it has lasted and closes it once it has been over for a while.

State is a plain dataclass that its owner changes in place, so a shard can write it down at any moment
and go on from it. At rest it holds nothing, so quiet readings change nothing worth writing down.
Time comes only from readings: nothing opens, and nothing grows longer, because time passed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proctor.domain.ids import SessionId, SignalId, derive_id
from proctor.domain.observations import Producer
from proctor.domain.signals import Signal, SignalKind, Support
from proctor.sensing.figures import LASTED
from proctor.sensing.limits import Dwell

NO_FIGURES: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a piece of evidence comes from.

    Attributes:
        at_ms: When it was observed.
        producers: The models that were used.
        frame_digest: The judged picture; None for sound and stream.
    """

    at_ms: int
    producers: tuple[Producer, ...] = ()
    frame_digest: str | None = None


@dataclass(slots=True, kw_only=True)
class Spell:
    """One behaviour since its first supporting reading; at rest when `began_ms` is None.

    Attributes:
        began_ms: Its first supporting reading.
        last_ms: Its newest supporting reading.
        contrary_ms: The first reading against it since then.
        is_open: Whether it has lasted long enough to be a signal.
        supporting: Readings for it.
        readings: Readings for and against it.
        figures: What will be said of it.
        producers: Models whose readings support it.
        frame_digest: The newest picture that supports it.
    """

    began_ms: int | None = None
    last_ms: int = 0
    contrary_ms: int | None = None
    is_open: bool = False
    supporting: int = 0
    readings: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    producers: tuple[Producer, ...] = ()
    frame_digest: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it has begun and is not yet believed."""
        return self.began_ms is not None and not self.is_open

    def support(
        self,
        reading: Reading,
        mean: Mapping[str, float] = NO_FIGURES,
        newest: Mapping[str, float] = NO_FIGURES,
    ) -> None:
        """Take a reading for it. `mean` figures are averaged over readings, `newest` replace."""
        if self.began_ms is None:
            self.began_ms = self.last_ms = reading.at_ms
        self.last_ms = max(self.last_ms, reading.at_ms)
        self.contrary_ms = None
        self.supporting += 1
        self.readings += 1
        for name, value in mean.items():
            before = self.figures.get(name, value)
            self.figures[name] = before + (value - before) / self.supporting
        self.figures.update(newest)
        if reading.producers != self.producers:
            self.producers = tuple(dict.fromkeys((*self.producers, *reading.producers)))
        self.frame_digest = reading.frame_digest or self.frame_digest

    def oppose(self, at_ms: int) -> int:
        """Take a reading against it; return when the readings against it began."""
        self.readings += 1
        if self.contrary_ms is None:
            self.contrary_ms = max(at_ms, self.last_ms)
        return self.contrary_ms

    def reset(self) -> None:
        """Back to rest."""
        self.began_ms = self.contrary_ms = self.frame_digest = None
        self.last_ms = self.supporting = self.readings = 0
        self.is_open = False
        self.figures = {}
        self.producers = ()

    def signal(
        self,
        kind: SignalKind,
        session_id: SessionId,
        ended_ms: int | None = None,
        probability: float | None = None,
    ) -> Signal:
        """What it amounts to now.

        The probability is Laplace's rule of succession over the readings, (for + 1) / (all + 2),
        unless the sensor has a calibrated one.
        """
        began_ms = self.last_ms if self.began_ms is None else self.began_ms
        if ended_ms is not None:
            ended_ms = max(ended_ms, began_ms)
        until_ms = self.last_ms if ended_ms is None else ended_ms
        figures = {**self.figures, LASTED: (until_ms - began_ms) / 1000}
        if probability is None:
            probability = (self.supporting + 1) / (self.readings + 2)
        return Signal(
            signal_id=SignalId(derive_id("sig", session_id, kind, began_ms)),
            kind=kind,
            started_ms=began_ms,
            ended_ms=ended_ms,
            probability=probability,
            support=Support(
                observations=self.supporting,
                numbers=tuple(sorted(figures.items())),
                producers=self.producers,
                frame_digest=self.frame_digest,
            ),
        )

    def close(
        self,
        kind: SignalKind,
        session_id: SessionId,
        ended_ms: int,
        probability: float | None = None,
    ) -> list[Signal]:
        """End it and go to rest; the closed signal, or nothing when it never opened."""
        closed = [self.signal(kind, session_id, ended_ms, probability)] if self.is_open else []
        self.reset()
        return closed


class Hysteresis:
    """Readings that are for or against one behaviour become its signal."""

    def __init__(
        self, kind: SignalKind, session_id: SessionId, limits: Dwell, spell: Spell
    ) -> None:
        self._kind = kind
        self._session_id = session_id
        self._limits = limits
        self.spell = spell

    def update(
        self,
        active: bool,
        reading: Reading,
        mean: Mapping[str, float] = NO_FIGURES,
        newest: Mapping[str, float] = NO_FIGURES,
    ) -> list[Signal]:
        """Take a reading for (`active`) or against the behaviour; return the signal's new states.

        One reading against it ends a behaviour that is not believed yet; an open signal needs
        `release_ms` of them.
        """
        spell = self.spell
        changed = self.advance(reading.at_ms)
        if active:
            spell.support(reading, mean, newest)
            if spell.last_ms - (spell.began_ms or 0) >= self._limits.dwell_ms:
                spell.is_open = True
            if spell.is_open:
                changed.append(spell.signal(self._kind, self._session_id))
        elif spell.is_open:
            against_ms = spell.oppose(reading.at_ms)
            if reading.at_ms - against_ms >= self._limits.release_ms:
                changed += spell.close(self._kind, self._session_id, against_ms)
        elif spell.began_ms is not None:
            spell.reset()
        return changed

    def advance(self, now_ms: int) -> list[Signal]:
        """End what no reading has supported for too long, where it was last seen."""
        spell = self.spell
        if spell.began_ms is None or now_ms - spell.last_ms <= self._limits.stale_ms:
            return []
        return self.lost()

    def lost(self) -> list[Signal]:
        """Nothing more can be known: end it where it was last seen."""
        return self.spell.close(self._kind, self._session_id, self.spell.last_ms)
