"""The `Tracer` of whoever did not ask for traces: it does nothing, and costs a call."""

from collections.abc import Sequence
from types import TracebackType


class _NoSpan:
    """Nothing, entered and left."""

    context = ""

    def note(self, **facts: str | int | float) -> None:
        """Nothing."""

    def leads_to(self, context: str) -> None:
        """Nothing."""

    def __enter__(self) -> "_NoSpan":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


NO_SPAN = _NoSpan()


class NoTracing:
    """Implements `Tracer`."""

    is_on = False

    def root(self, name: str) -> _NoSpan:
        """Nothing."""
        return NO_SPAN

    def child(self, name: str, parent: str | None = None) -> _NoSpan:
        """Nothing."""
        return NO_SPAN

    def alert(self, alert_id: str, causes: Sequence[str] = ()) -> _NoSpan:
        """Nothing."""
        return NO_SPAN

    def of_alert(self, alert_id: str) -> str:
        """No context."""
        return ""

    def current(self) -> str:
        """No context."""
        return ""


OFF = NoTracing()
