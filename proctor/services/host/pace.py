"""How a host keeps up: what to give up when it does not, and how often it really looked.

Pure: time comes in as an argument.
"""

from collections import Counter
from dataclasses import dataclass

from proctor.domain.reports import EffectiveRate
from proctor.services.host.rounds import Group
from proctor.services.host.sampling import Shed

WINDOW_MS = 10_000
CALM_TICKS = 25
PRESSED_TICKS = 5
SLOW_ROUND_MS = 1_000
LAG_WEIGHT = 0.2
MOST_LAG_MS = 500
MOST_SHED = Shed.HALF_OF_FACES
"""A host that gives up part of the base rate tells its sessions `degraded(overload)`: none is added."""

EXTRA_SHARE = 5


@dataclass(frozen=True, slots=True)
class HostLoad:
    """How full a host is.

    Attributes:
        sessions: Connections it holds, those being opened included.
        capacity: How many it may hold.
        lag_ms: How late its ticks begin, a moving mean.
        shed: What it gives up: its own lateness and slow answers of the model groups are in it.
        is_draining: Whether it is to be empty soon.
    """

    sessions: int
    capacity: int
    lag_ms: int
    shed: Shed = Shed.NOTHING
    is_draining: bool = False

    @property
    def room(self) -> int:
        """How many new sessions it would take now; 0 while it is pressed."""
        if refusal(self, is_running=False) is not None:
            return 0
        return self.capacity - self.sessions


def refused_for(load: HostLoad, *, is_running: bool) -> str | None:
    """Why a host takes no further session, in one word of a closed list; arguments as `refusal`."""
    if load.is_draining:
        return "draining"
    if load.sessions >= load.capacity + (load.capacity // EXTRA_SHARE if is_running else 0):
        return "full"
    if is_running:
        return None
    if load.lag_ms > MOST_LAG_MS:
        return "late"
    return "pressed" if load.shed >= MOST_SHED else None


def refusal(load: HostLoad, *, is_running: bool) -> str | None:
    """Why a host takes no further session, else None.

    Those that are running already come first: what they have lost by an outage they get back, also from a
    host that is pressed, and in a fifth more places than new sessions may fill.

    Args:
        load: The host, without the session that asks.
        is_running: Whether the session ran before, here or elsewhere.
    """
    match refused_for(load, is_running=is_running):
        case "draining":
            return "is being emptied"
        case "full":
            return "is full"
        case "late":
            return f"is {load.lag_ms} ms late"
        case "pressed":
            return "looks less often than its sessions' policies want"
        case _:
            return None


class Pressure:
    """Decides what a host gives up (`Shed`).

    A tick is pressed when it began more than a tick late, when the last round of the face group was
    answered but took longer than a second, or when the last rounds of two groups did: one group that
    hangs alone is not load, and the others go on. Five pressed ticks in a row give up one level more;
    25 calm ones (5 s) take one level back.
    """

    def __init__(self, tick_ms: int) -> None:
        self._tick_ms = tick_ms
        self._pressed = 0
        self._calm = 0
        self._lag_ms = 0.0
        self._slow_rounds: dict[Group, tuple[int, bool]] = {}
        self._ticks = 0
        self.level = Shed.NOTHING

    @property
    def lag_ms(self) -> int:
        """How late ticks begin, a moving mean."""
        return round(self._lag_ms)

    def round_took(self, group: Group, milliseconds: int, answered: bool) -> None:
        """A round was answered, or given up in part."""
        if milliseconds > SLOW_ROUND_MS:
            self._slow_rounds[group] = (self._ticks, answered)
        else:
            self._slow_rounds.pop(group, None)

    def tick(self, late_ms: int) -> Shed:
        """A tick begins `late_ms` after its time; return what is given up in it."""
        self._lag_ms += LAG_WEIGHT * (late_ms - self._lag_ms)
        self._ticks += 1
        recent = {
            group: answered
            for group, (tick, answered) in self._slow_rounds.items()
            if self._ticks - tick <= CALM_TICKS
        }
        is_slow = recent.get(Group.FACE, False) or len(recent) >= 2
        if late_ms > self._tick_ms or is_slow:
            self._pressed, self._calm = self._pressed + 1, 0
        else:
            self._pressed, self._calm = 0, self._calm + 1
        if self._pressed >= PRESSED_TICKS and self.level < Shed.HALF_OF_FACES:
            self.level, self._pressed = Shed(self.level + 1), 0
        elif self._calm >= CALM_TICKS and self.level > Shed.NOTHING:
            self.level, self._calm = Shed(self.level - 1), 0
        return self.level


class RateMeter:
    """How often the models looked at one session, against what its policy wanted, per 10 s.

    What is counted as wanted is what could have been looked at: a new picture was there. A picture
    that repeats one already judged counts as looked at.

    Attributes:
        counts: (group, `wanted` or `seen`) -> looks; whoever reads them clears them.
    """

    def __init__(self, started_ms: int) -> None:
        self._started_ms = started_ms
        self._wanted: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self.counts: Counter[tuple[str, str]] = Counter()

    def want(self, group: str) -> None:
        """Policy wants a look now."""
        self._wanted[group] = self._wanted.get(group, 0) + 1
        self.counts[(group, "wanted")] += 1

    def see(self, group: str) -> None:
        """A look was answered."""
        self._seen[group] = self._seen.get(group, 0) + 1
        self.counts[(group, "seen")] += 1

    def restart(self, now_ms: int) -> None:
        """Forget the window: what kept the models from looking is told otherwise."""
        self._started_ms, self._wanted, self._seen = now_ms, {}, {}

    def roll(self, now_ms: int) -> "Window | None":
        """The window that is over, else None."""
        lasted_ms = now_ms - self._started_ms
        if lasted_ms < WINDOW_MS:
            return None
        rates = tuple(
            EffectiveRate(
                group=group,
                wanted_hz=wanted * 1000 / lasted_ms,
                actual_hz=self._seen.get(group, 0) * 1000 / lasted_ms,
            )
            for group, wanted in sorted(self._wanted.items())
        )
        starved = any(
            wanted >= 2 and 2 * self._seen.get(group, 0) < wanted
            for group, wanted in self._wanted.items()
        )
        window = Window(started_ms=self._started_ms, rates=rates, starved=starved)
        self.restart(now_ms)
        return window


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The rates of one stretch; `starved` when a group saw less than half of what was wanted."""

    started_ms: int
    rates: tuple[EffectiveRate, ...]
    starved: bool
