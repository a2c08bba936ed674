"""What accommodations and breaks cover: the one table, and the time that lies outside every break."""

from collections.abc import Iterable, Mapping

from proctor.domain.allowances import Accommodation, Break
from proctor.domain.signals import SignalKind

COVERS: Mapping[Accommodation, frozenset[SignalKind]] = {
    Accommodation.MAY_LOOK_AWAY: frozenset({SignalKind.GAZE_AWAY, SignalKind.HEAD_TURNED}),
    Accommodation.MAY_SPEAK: frozenset({SignalKind.SPEECH, SignalKind.WHISPER}),
    Accommodation.READER_PRESENT: frozenset(
        {
            SignalKind.SEVERAL_FACES,
            SignalKind.SPEECH,
            SignalKind.WHISPER,
            SignalKind.VOICE_WITHOUT_LIPS,
            SignalKind.OTHER_VOICE,
            SignalKind.SEVERAL_VOICES,
        }
    ),
    Accommodation.SCREEN_READER: frozenset(
        {
            SignalKind.SPEECH,
            SignalKind.VOICE_WITHOUT_LIPS,
            SignalKind.OTHER_VOICE,
            SignalKind.SEVERAL_VOICES,
        }
    ),
    Accommodation.MAY_LEAVE_SEAT: frozenset(
        {SignalKind.NO_FACE, SignalKind.BODY_MISSING, SignalKind.HEAD_TURNED}
    ),
    Accommodation.MAY_USE_THINGS: frozenset({SignalKind.OBJECT_SEEN}),
}
"""The signals that each accommodation covers. None covers who sits there, nor the pictures' own facts."""

ON_A_BREAK: frozenset[SignalKind] = frozenset().union(*COVERS.values())
"""Signals that count for nothing during a break: the same, whoever has it."""


def covered(accommodations: Iterable[Accommodation]) -> frozenset[SignalKind]:
    """Every signal that one of them covers."""
    return frozenset[SignalKind]().union(*(COVERS[each] for each in accommodations))


def free_since_ms(since_ms: int, until_ms: int, breaks: Iterable[Break]) -> int | None:
    """Since when a stretch has been outside every break, up to its end; None when it ends in one."""
    for given in breaks:
        if given.holds(until_ms):
            return None
        if given.end_ms is not None and given.start_ms < given.end_ms <= until_ms:
            since_ms = max(since_ms, given.end_ms)
    return since_ms


def last_free_ms(since_ms: int, until_ms: int, breaks: Iterable[Break]) -> int | None:
    """The last moment of a stretch that is outside every break; None when there is none."""
    for given in sorted(breaks, key=lambda each: each.start_ms, reverse=True):
        if given.holds(until_ms):
            until_ms = given.start_ms - 1
    return until_ms if until_ms >= since_ms else None
