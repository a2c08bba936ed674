"""What a rule asks of a session's signals: `signal`, `within`, `count`, `all`, `any`, `not`.

A condition holds since a moment and rests on signals that were really seen. `not` is only ever a
restriction: a rule that could hold on absence alone is refused, for missing data is no evidence
(TRUST I8). `within` and `count` remember what ended, as far as the view reaches back without a gap.
"""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.lately import Count, Within
from proctor.fusion.view import Held, View
from proctor.sensing.strict import Strict

MAX_WAYS = 64


class SignalIs(Strict):
    """A signal is open."""

    signal: SignalKind

    def holds(self, view: View) -> Held | None:
        """Since the behaviour began."""
        found = view.standing.get(self.signal)
        if found is None:
            return None
        return Held(found.signal.started_ms, found.confirmed_ms, (found.signal,))

    def over_ms(self, view: View) -> int:
        """Since when it does not hold."""
        return view.closed_ms.get(self.signal, 0)

    def ways(self) -> frozenset[frozenset[SignalKind]]:
        """The sets of open signals that make it hold."""
        return frozenset({frozenset({self.signal})})

    def kinds(self) -> frozenset[SignalKind]:
        """Every signal that is named."""
        return frozenset({self.signal})


class AllOf(Strict):
    """Every part holds: since the last of them began, confirmed as far as the least of them."""

    all_of: Annotated[tuple["Condition", ...], Field(alias="all", min_length=1, max_length=8)]

    def holds(self, view: View) -> Held | None:
        """Whether all parts hold."""
        parts = [part.holds(view) for part in self.all_of]
        held = [part for part in parts if part is not None]
        if len(held) < len(parts):
            return None
        confirmed = [part.confirmed_ms for part in held if part.confirmed_ms is not None]
        return Held(
            max(part.since_ms for part in held),
            min(confirmed, default=None),
            _once(held),
        )

    def over_ms(self, view: View) -> int:
        """Since the first of its parts stopped."""
        return min(part.over_ms(view) for part in self.all_of if part.holds(view) is None)

    def ways(self) -> frozenset[frozenset[SignalKind]]:
        """Every way of one part with every way of the others."""
        ways = frozenset({frozenset[SignalKind]()})
        for part in self.all_of:
            ways = frozenset(left | right for left in ways for right in part.ways())
            if len(ways) > MAX_WAYS:
                raise ValueError(f"more than {MAX_WAYS} ways to hold: split the rule")
        return ways

    def kinds(self) -> frozenset[SignalKind]:
        """Every signal that is named."""
        return frozenset[SignalKind]().union(*(part.kinds() for part in self.all_of))


class AnyOf(Strict):
    """At least one part holds: since the first of them began."""

    any_of: Annotated[tuple["Condition", ...], Field(alias="any", min_length=1, max_length=8)]

    def holds(self, view: View) -> Held | None:
        """Whether any part holds."""
        held = [part for part in (part.holds(view) for part in self.any_of) if part is not None]
        if not held:
            return None
        confirmed = [part.confirmed_ms for part in held if part.confirmed_ms is not None]
        return Held(
            min(part.since_ms for part in held),
            max(confirmed, default=None),
            _once(held),
        )

    def over_ms(self, view: View) -> int:
        """Since the last of its parts stopped."""
        return max(part.over_ms(view) for part in self.any_of)

    def ways(self) -> frozenset[frozenset[SignalKind]]:
        """The ways of every part."""
        return frozenset[frozenset[SignalKind]]().union(*(part.ways() for part in self.any_of))

    def kinds(self) -> frozenset[SignalKind]:
        """Every signal that is named."""
        return frozenset[SignalKind]().union(*(part.kinds() for part in self.any_of))


class Not(Strict):
    """The part does not hold: since it stopped. There is no other `not` in it."""

    not_: Annotated["Condition", Field(alias="not")]

    @model_validator(mode="after")
    def _denies_once(self) -> Self:
        # What is denied twice would be evidence that `ways` does not name; and to find since when it
        # holds would cost twice as much with every two of them.
        if _denies(self.not_):
            raise ValueError("a `not` within a `not`: say it without them")
        return self

    def holds(self, view: View) -> Held | None:
        """Whether the part does not hold."""
        if self.not_.holds(view) is not None:
            return None
        return Held(self.not_.over_ms(view), None, ())

    def over_ms(self, view: View) -> int:
        """Since the part began to hold."""
        held = self.not_.holds(view)
        return 0 if held is None else held.since_ms

    def ways(self) -> frozenset[frozenset[SignalKind]]:
        """Nothing has to be open for it."""
        return frozenset({frozenset[SignalKind]()})

    def kinds(self) -> frozenset[SignalKind]:
        """Every signal that is named."""
        return self.not_.kinds()


def _denies(condition: "Condition") -> bool:
    match condition:
        case Not():
            return True
        case AllOf():
            return any(map(_denies, condition.all_of))
        case AnyOf():
            return any(map(_denies, condition.any_of))
        case _:
            return False


def _once(held: Sequence[Held]) -> tuple[Signal, ...]:
    """Every signal of the parts once, in order."""
    return tuple({each.signal_id: each for part in held for each in part.signals}.values())


def reaches_back(condition: "Condition") -> dict[SignalKind, int]:
    """How many closed signals of each kind a condition needs to know."""
    match condition:
        case Within():
            return {condition.within.signal: 1}
        case Count():
            return {condition.count.signal: condition.count.at_least}
        case SignalIs():
            return {}
        case AllOf():
            parts = condition.all_of
        case AnyOf():
            parts = condition.any_of
        case Not():
            parts = (condition.not_,)
    needed: dict[SignalKind, int] = {}
    for part in parts:
        for kind, times in reaches_back(part).items():
            needed[kind] = max(times, needed.get(kind, 0))
    return needed


_WORDS = {
    "signal": SignalIs,
    "within": Within,
    "count": Count,
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
}


def _word(value: object) -> str | None:
    if isinstance(value, dict):
        return next((word for word in _WORDS if word in value), None)
    return next((word for word, kind in _WORDS.items() if type(value) is kind), None)


Condition = Annotated[
    Annotated[SignalIs, Tag("signal")]
    | Annotated[Within, Tag("within")]
    | Annotated[Count, Tag("count")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Not, Tag("not")],
    Discriminator(
        _word,
        custom_error_type="condition",
        custom_error_message="a condition has exactly one of: signal, within, count, all, any, not",
    ),
]

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()
