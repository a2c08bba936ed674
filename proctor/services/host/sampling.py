"""What a session owes the models at a moment: a pure function of policy, time and what was asked.

Each kind of look has a slot, the moment at which it was last owed. A look is owed again one period
after its slot, and the next slot is counted from the slot and not from the moment of asking, so that
coarse ticks do not slow the rate down. After a pause nothing is made up for.

What has not changed is not searched again for a while, and counts as seen (`Around`, `body_still`); what
has changed is searched at once.

Under load looks are given up in one stated order (`Shed`): bodies and things, then tiles for small
faces, then the attentive rate of faces, then half of the base rate.
"""

from dataclasses import dataclass, replace
from enum import Enum, IntEnum, auto

from proctor.fusion.rates import Sampling

BURST_HZ = 2.0
SEARCH_AGAIN_MS = 1_000
"""Least distance of two searches for small faces when there is a reason to search."""
STILL_PERIODS = 4
"""A room that stands still is searched once in so many of the policy's periods."""
BODY_STILL_PERIODS = 3
"""A body that sits still is looked at once in so many periods: at the standard policy within 15 s, before
its last reading is stale (`BodyLimits.stale_ms`, 16 s)."""


class Around(Enum):
    """What is known of the room around the candidate."""

    UNKNOWN = auto()
    STILL = auto()
    CHANGED = auto()
    CROWDED = auto()


class Shed(IntEnum):
    """What is given up under load; each level includes those before it."""

    NOTHING = 0
    BODY = 1
    SMALL_FACES = 2
    ATTENTION = 3
    HALF_OF_FACES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """When each kind of look was last owed, in session ms; None before the first."""

    face_ms: int | None = None
    small_faces_ms: int | None = None
    body_ms: int | None = None
    objects_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What makes a session worth a closer look.

    Attributes:
        attentive: The shard asked to look closer, and that has not run out.
        burst: An identity check has just begun and wants several pictures soon.
        around: What is known of the room since it was last searched.
        body_still: The candidate sits as they did when the body was last looked at.
    """

    attentive: bool = False
    burst: bool = False
    around: Around = Around.UNKNOWN
    body_still: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """Which looks are due now. `small_faces` only ever comes with `face`."""

    face: bool
    small_faces: bool
    body: bool
    objects: bool = False


def face_hz(sampling: Sampling, need: Need, shed: Shed) -> float:
    """How many pictures a second the face group should see."""
    wanted = sampling.face_hz
    is_changed = need.around is Around.CHANGED and shed < Shed.SMALL_FACES  # else nothing ends it
    if need.burst or is_changed:
        wanted = max(wanted, BURST_HZ)
    if need.attentive:
        wanted = max(wanted, sampling.face_attentive_hz)
    if shed >= Shed.HALF_OF_FACES:
        return sampling.face_hz / 2
    return sampling.face_hz if shed >= Shed.ATTENTION else wanted


def owed(sampling: Sampling, slots: Slots, need: Need, shed: Shed, now_ms: int) -> Owed:
    """Which looks are due at `now_ms`."""
    face = _due(slots.face_ms, _period_ms(face_hz(sampling, need, shed)), now_ms)
    small = shed < Shed.SMALL_FACES and _due(
        slots.small_faces_ms, _small_faces_period_ms(sampling, need), now_ms
    )
    body = shed < Shed.BODY and _due(slots.body_ms, _body_period_ms(sampling, need), now_ms)
    objects = shed < Shed.BODY and _due(
        slots.objects_ms, _objects_period_ms(sampling, need), now_ms
    )
    return Owed(face=face, small_faces=face and small, body=body, objects=objects)


def after(
    sampling: Sampling, slots: Slots, need: Need, shed: Shed, done: Owed, now_ms: int
) -> Slots:
    """The slots once `done` has been asked at `now_ms`."""
    if done.face:
        period_ms = _period_ms(face_hz(sampling, need, shed))
        slots = replace(slots, face_ms=_next(slots.face_ms, period_ms, now_ms))
    if done.small_faces:
        period_ms = _small_faces_period_ms(sampling, need)
        slots = replace(slots, small_faces_ms=_next(slots.small_faces_ms, period_ms, now_ms))
    if done.body:
        period_ms = _body_period_ms(sampling, need)
        slots = replace(slots, body_ms=_next(slots.body_ms, period_ms, now_ms))
    if done.objects:
        period_ms = _objects_period_ms(sampling, need)
        slots = replace(slots, objects_ms=_next(slots.objects_ms, period_ms, now_ms))
    return slots


def _small_faces_period_ms(sampling: Sampling, need: Need) -> int:
    """Tiles cost eight looks: seldom when all is quiet, at once when something has changed."""
    base_ms = round(1000 * sampling.small_faces_every_s)
    match need.around:
        case Around.STILL if not need.attentive:
            return STILL_PERIODS * base_ms
        case Around.STILL:
            return base_ms
        case Around.CHANGED:
            return min(SEARCH_AGAIN_MS, base_ms)
        case Around.CROWDED if need.attentive:
            return min(SEARCH_AGAIN_MS, base_ms)
        case _:
            return base_ms // 2 if need.attentive else base_ms


def _body_period_ms(sampling: Sampling, need: Need) -> int | None:
    """Milliseconds between looks at the body; None for never."""
    period_ms = _period_ms(sampling.body_hz)
    return period_ms * BODY_STILL_PERIODS if period_ms and need.body_still else period_ms


def _objects_period_ms(sampling: Sampling, need: Need) -> int | None:
    """Twice as often while attentive; None for never."""
    return round(sampling.objects_every_s * (500 if need.attentive else 1000)) or None


def _period_ms(rate_hz: float) -> int | None:
    """Milliseconds between looks; None for a rate of 0 (never)."""
    return round(1000 / rate_hz) if rate_hz > 0 else None


def _due(slot_ms: int | None, period_ms: int | None, now_ms: int) -> bool:
    if period_ms is None:
        return False
    return slot_ms is None or now_ms >= slot_ms + period_ms


def _next(slot_ms: int | None, period_ms: int | None, now_ms: int) -> int:
    if slot_ms is None or period_ms is None or now_ms >= slot_ms + 2 * period_ms:
        return now_ms
    return slot_ms + period_ms
