"""The signals of a session at a moment, as conditions see them, and what holding means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proctor.domain.signals import Signal, SignalKind


@dataclass(slots=True, kw_only=True)
class Standing:
    """An open signal as the engine knows it.

    Attributes:
        signal: Its newest state.
        confirmed_ms: When a reading last supported it.
    """

    signal: Signal
    confirmed_ms: int


@dataclass(frozen=True, slots=True)
class Held:
    """A condition that holds.

    Attributes:
        since_ms: Since when.
        confirmed_ms: Until when readings support it; None when it rests on the past or on absence
            alone: a rule never opens on that.
        signals: What it rests on.
    """

    since_ms: int
    confirmed_ms: int | None
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The signals of a session at a moment.

    Attributes:
        standing: Open signals.
        closed_ms: When each kind last closed; kinds that never did are absent.
        recent: Closed signals since the view was last whole, oldest first, of kinds that a rule
            remembers.
        whole_from_ms: Since when the view of a kind has had no gap; absent: it never had one.
        now_ms: The moment.
    """

    standing: Mapping[SignalKind, Standing]
    closed_ms: Mapping[SignalKind, int]
    recent: Mapping[SignalKind, Sequence[Signal]]
    whole_from_ms: Mapping[SignalKind, int]
    now_ms: int
