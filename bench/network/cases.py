"""The cases of the matrix, and what a candidate does before, during and after each."""

from dataclasses import dataclass

from bench.candidate.pictures import Pictures
from bench.candidate.scenes import Expected, Scene, Script
from bench.candidate.sounds import QuietRoom
from bench.cast import Cast
from bench.network.weather import CALM, Weather
from bench.story import LOADED_DELIVERY_S, STILL_LIPS, dwell_s
from proctor.domain.errors import InvalidInput
from proctor.fusion.policy import Policy

BEGINS_S = 20.0
"""When the weather turns bad: the session has settled, and its first behaviour was told."""

_LEAVES_S, _COVERS_S = 6.0, 5.0
_AFTER_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of the matrix.

    Attributes:
        name: As the command calls it.
        weather: What happens to the candidate's packets, both ways.
        lasts_s: For how long.
        moves: Whether the candidate's address changes instead; the line itself is good at once.
        misbehaves: Whether the candidate does things during the bad weather that must be told.
        behind_nat: Whether the candidate is behind a NAT that lets UDP through to the TURN server only.
            Such a session is a browser's: the scripted candidate speaks no TURN.
    """

    name: str
    weather: Weather = CALM
    lasts_s: float = 30.0
    moves: bool = False
    misbehaves: bool = True
    behind_nat: bool = False

    @property
    def breaks(self) -> bool:
        """Whether nothing can be seen: blind must be told, and the return is timed."""
        return self.moves or self.weather.is_cut


def _cut(seconds: float) -> Case:
    return Case(
        name=f"cut-{seconds:.0f}",
        weather=Weather(is_cut=True),
        lasts_s=seconds,
        misbehaves=False,
    )


CASES = {
    case.name: case
    for case in (
        Case(name="calm"),
        Case(name="loss-5", weather=Weather(loss=0.05)),
        Case(name="loss-20", weather=Weather(loss=0.20)),
        Case(name="loss-40", weather=Weather(loss=0.40)),
        Case(name="jitter-300", weather=Weather(jitter_ms=300)),
        Case(name="doubled", weather=Weather(jitter_ms=60, doubled=0.1)),
        Case(name="rate-1000", weather=Weather(kbps=1000)),
        _cut(3),
        _cut(10),
        _cut(60),
        Case(name="turn", behind_nat=True),
        Case(name="moved", lasts_s=10.0, moves=True, misbehaves=False),
    )
}
"""Jitter overtakes: a packet that is late by up to 300 ms comes after four of its successors."""


def cases_named(names: str) -> list[Case]:
    """The cases of a comma-separated list. Raises `InvalidInput` for a name that there is not."""
    asked = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if name not in CASES]
    if unknown or not asked:
        wrong = unknown[0] if unknown else names
        raise InvalidInput(f"there is no case {wrong!r}; there are {', '.join(CASES)}")
    return [CASES[name] for name in asked]


def write_case_script(cast: Cast, policy: Policy, case: Case) -> Script:
    """Leaves and comes back; the bad weather, with two behaviours if the case says so; two more after."""
    quiet = QuietRoom(1)
    scenes: list[Scene] = []
    now_s = 0.0

    def add(lasts_s: float, name: str, picture: Pictures, rule: str | None = None) -> None:
        nonlocal now_s
        expects: tuple[Expected, ...] = ()
        if rule is not None:
            dwell = dwell_s(policy, rule)
            expects = (Expected(rule_id=rule, within_s=dwell + LOADED_DELIVERY_S, dwell_s=dwell),)
        # told twice is not false; and a script comes again picture by picture, which is told as well
        may = STILL_LIPS | {"video_repeated"} | ({rule} if rule is not None else frozenset())
        scenes.append(
            Scene(
                name=f"{name} {len(scenes)}",
                start_s=now_s,
                picture=picture,
                sound=quiet,
                expects=expects,
                may=may,
            )
        )
        now_s += lasts_s

    add(8.0, "calm", cast.calm)
    add(_LEAVES_S, "leaves", cast.room, "no_face")
    add(BEGINS_S - now_s, "calm", cast.calm)
    if case.misbehaves:
        add(4.0, "calm", cast.calm)
        add(_COVERS_S, "covers", cast.covered, "camera_covered")
        add(7.0, "calm", cast.calm)
        add(_LEAVES_S, "leaves", cast.room, "no_face")
        add(case.lasts_s - (now_s - BEGINS_S) + _AFTER_S, "calm", cast.calm)
    else:
        add(case.lasts_s + _AFTER_S, "calm", cast.calm)
    add(_COVERS_S, "covers", cast.covered, "camera_covered")
    add(6.0, "calm", cast.calm)
    add(_LEAVES_S, "leaves", cast.room, "no_face")
    add(5.0, "calm", cast.calm)
    return Script(scenes, now_s)
