"""Traces: what happened for one offer, one call to the models, one alert, over all processes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Span(Protocol):
    """A stretch of work."""

    @property
    def context(self) -> str:
        """What another process needs to go on with it: a W3C traceparent; empty when nobody records."""
        ...

    def note(self, **facts: str | int | float) -> None:
        """Say more, by names of a closed list: never who, and nothing of a face, a voice or a token.

        Raises:
            ValueError: A name that is not on the list.
        """
        ...

    def leads_to(self, context: str) -> None:
        """Link to another trace; nothing for an empty context."""
        ...


class Tracer(Protocol):
    """Begins spans. One that is left by an error says so, by the error's type and nothing else."""

    @property
    def is_on(self) -> bool:
        """Whether anything is recorded at all."""
        ...

    def root(self, name: str) -> AbstractContextManager[Span]:
        """A new trace, for as many of a hundred as the operator wants."""
        ...

    def child(self, name: str, parent: str | None = None) -> AbstractContextManager[Span]:
        """A part of `parent`, by default of the span that this task is in; nothing where that is empty."""
        ...

    def alert(self, alert_id: str, causes: Sequence[str] = ()) -> AbstractContextManager[Span]:
        """The first span of an alert's trace, linked to what it came of. Every alert has a trace."""
        ...

    def of_alert(self, alert_id: str) -> str:
        """The context of that span, in whatever process: it follows from the id. Empty when off."""
        ...

    def current(self) -> str:
        """The context of the span that this task is in; empty when it is in none."""
        ...
