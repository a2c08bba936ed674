"""What an incident rests on: until when it was seen, by which models, in which picture."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from proctor.domain.observations import Producer
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.view import Held
from proctor.sensing.figures import LASTED


def at_once(signals: Iterable[Signal]) -> Iterator[list[Signal]]:
    """Signals that one moment changed, in steps that hold each kind once.

    Whatever order the kinds came in, the steps hold the same signals: only the order of the states of
    one kind means something.
    """
    states: dict[SignalKind, list[Signal]] = {}
    for signal in signals:
        states.setdefault(signal.kind, []).append(signal)
    for step in range(max(map(len, states.values()), default=0)):
        yield [states[kind][step] for kind in sorted(states) if len(states[kind]) > step]


def newest(
    signals: Sequence[Signal], causes: Sequence[Signal], held: Held | None
) -> tuple[Signal, ...]:
    """What an incident rests on, each signal in its newest state.

    Args:
        signals: What it rested on before.
        causes: What has changed; what it never rested on is left out.
        held: How its condition holds now, if it does.
    """
    known = {each.signal_id: each for each in signals}
    known.update({each.signal_id: each for each in causes if each.signal_id in known})
    known.update({each.signal_id: each for each in (held.signals if held else ())})
    return tuple(known.values())


def ended(signal: Signal, end_ms: int) -> Signal:
    """The signal, over at this moment at the latest."""
    if signal.ended_ms is not None:
        return signal
    return replace(signal, ended_ms=max(end_ms, signal.started_ms))


def seen_until(signal: Signal) -> int:
    """When it was last seen, as far as it tells itself."""
    lasted_s = dict(signal.support.numbers).get(LASTED, 0.0)
    return signal.started_ms + round(lasted_s * 1000)


def over_by(signals: Sequence[Signal], now_ms: int) -> int:
    """When the last of them ended; now while one of them lasts."""
    if not signals or any(each.ended_ms is None for each in signals):
        return now_ms
    return max(each.ended_ms or 0 for each in signals)


def producers(signals: Sequence[Signal]) -> tuple[Producer, ...]:
    """Every model once, in the order of the signals."""
    return tuple(dict.fromkeys(one for signal in signals for one in signal.support.producers))


def judged_picture(signals: Sequence[Signal]) -> str | None:
    """The digest of the judged picture: that of the signal which began last, if it has one."""
    for signal in sorted(signals, key=lambda each: each.started_ms, reverse=True):
        if signal.support.frame_digest is not None:
            return signal.support.frame_digest
    return None
