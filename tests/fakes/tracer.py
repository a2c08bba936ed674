"""A tracer that remembers what it was told."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from proctor.adapters.tracing import FACTS
from proctor.ports import Span
from proctor.services.no_tracing import NO_SPAN

_current: ContextVar[str] = ContextVar("fake_trace", default="")


@dataclass
class FakeSpan:
    """A span that has begun; the contexts of parent and links are kept as they were given."""

    name: str
    context: str
    parent: str = ""
    links: list[str] = field(default_factory=list)
    facts: dict[str, str | int | float] = field(default_factory=dict)
    error: str = ""
    has_ended: bool = False

    def note(self, **facts: str | int | float) -> None:
        if unknown := facts.keys() - FACTS:
            raise ValueError(f"not on the list: {sorted(unknown)}")
        self.facts |= facts

    def leads_to(self, context: str) -> None:
        if context:
            self.links.append(context)


class FakeTracer:
    """`Tracer` in memory. It traces every root, or none."""

    is_on = True

    def __init__(self, takes_roots: bool = True) -> None:
        self.takes_roots = takes_roots
        self.spans: list[FakeSpan] = []
        self._numbers = itertools.count(1)

    def root(self, name: str) -> AbstractContextManager[Span]:
        if not self.takes_roots:
            return self._hidden()
        number = next(self._numbers)
        return self._open(FakeSpan(name, f"00-{number:032x}-{number:016x}-01"))

    def child(self, name: str, parent: str | None = None) -> AbstractContextManager[Span]:
        parent = _current.get() if parent is None else parent
        if not parent:
            return NO_SPAN
        trace = parent.split("-")[1]
        context = f"00-{trace}-{next(self._numbers):016x}-01"
        return self._open(FakeSpan(name, context, parent))

    def alert(self, alert_id: str, causes: Sequence[str] = ()) -> AbstractContextManager[Span]:
        links = [each for each in causes if each]
        return self._open(FakeSpan("alert.raised", self.of_alert(alert_id), links=links))

    def of_alert(self, alert_id: str) -> str:
        number = 2**64 + sum(byte << (8 * at % 56) for at, byte in enumerate(alert_id.encode()))
        return f"00-{number:032x}-{number % 2**64 or 1:016x}-01"

    def current(self) -> str:
        return _current.get()

    @contextmanager
    def _hidden(self) -> Iterator[Span]:
        before = _current.set("")
        try:
            yield NO_SPAN
        finally:
            _current.reset(before)

    @contextmanager
    def _open(self, span: FakeSpan) -> Iterator[Span]:
        self.spans.append(span)
        before = _current.set(span.context)
        try:
            yield span
        except BaseException as error:
            span.error = type(error).__name__
            raise
        finally:
            _current.reset(before)
            span.has_ended = True
