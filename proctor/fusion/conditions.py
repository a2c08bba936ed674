"""What a rule asks of the open signals: `signal`, `all`, `any`, `not`, and nothing more yet.

A condition holds since a moment and rests on signals. `not` is only ever a restriction: a rule that
could hold on absence alone is refused, for missing data is no evidence (TRUST I8).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.strict import Strict

MAX_WAYS = 64


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
        confirmed_ms: Until when readings support it; None when it rests on absence alone.
        kinds: The signals it rests on.
    """

    since_ms: int
    confirmed_ms: int | None
    kinds: tuple[SignalKind, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The signals of a session at a moment.

    Attributes:
        standing: Open signals.
        closed_ms: When each kind last closed; kinds that never did are absent.
    """

    standing: Mapping[SignalKind, Standing]
    closed_ms: Mapping[SignalKind, int]


class SignalIs(Strict):
    """A signal is open."""

    signal: SignalKind

    def holds(self, view: View) -> Held | None:
        """Since the behaviour began."""
        found = view.standing.get(self.signal)
        if found is None:
            return None
        return Held(found.signal.started_ms, found.confirmed_ms, (self.signal,))

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
            tuple(dict.fromkeys(kind for part in held for kind in part.kinds)),
        )

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
            tuple(dict.fromkeys(kind for part in held for kind in part.kinds)),
        )

    def ways(self) -> frozenset[frozenset[SignalKind]]:
        """The ways of every part."""
        return frozenset[frozenset[SignalKind]]().union(*(part.ways() for part in self.any_of))

    def kinds(self) -> frozenset[SignalKind]:
        """Every signal that is named."""
        return frozenset[SignalKind]().union(*(part.kinds() for part in self.any_of))


class Not(Strict):
    """The part does not hold: since the last of its signals closed."""

    not_: Annotated["Condition", Field(alias="not")]

    def holds(self, view: View) -> Held | None:
        """Whether the part does not hold."""
        if self.not_.holds(view) is not None:
            return None
        closed = (view.closed_ms.get(kind, 0) for kind in self.not_.kinds())
        return Held(max(closed, default=0), None, ())

    def ways(self) -> frozenset[frozenset[SignalKind]]:
        """Nothing has to be open for it."""
        return frozenset({frozenset[SignalKind]()})

    def kinds(self) -> frozenset[SignalKind]:
        """Every signal that is named."""
        return self.not_.kinds()


_WORDS = ("signal", "all", "any", "not")


def _word(value: object) -> str | None:
    if isinstance(value, dict):
        return next((word for word in _WORDS if word in value), None)
    kinds = (SignalIs, AllOf, AnyOf, Not)
    return next(
        (word for word, kind in zip(_WORDS, kinds, strict=True) if type(value) is kind), None
    )


Condition = Annotated[
    Annotated[SignalIs, Tag("signal")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Not, Tag("not")],
    Discriminator(
        _word,
        custom_error_type="condition",
        custom_error_message="a condition has exactly one of: signal, all, any, not",
    ),
]

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()
