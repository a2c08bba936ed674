"""`Tracer` over OpenTelemetry: spans leave by OTLP over HTTP, in the background, in batches.

A trace of frames cannot go on into the delivery of an alert by a parent: the alert waits in the database,
which keeps no trace. So every alert has a trace of its own, whose ids follow from the alert's id in
every process, and the two are linked both ways (docs/watching.md).
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from proctor.ports import Span, Tracer
from proctor.services.no_tracing import NO_SPAN, OFF

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span as OtelSpan

SERVICE = "rayproctor"
FACTS = frozenset({"group", "batch", "outcome", "reports", "kind", "code", "waited_ms"})
EXPORT_EVERY_MS = 1_000
EXPORT_WITHIN_S = 5
_current: ContextVar[str] = ContextVar("trace", default="")
_given: ContextVar[tuple[int, int] | None] = ContextVar("ids", default=None)


class OtelTracer:
    """Implements `Tracer`.

    Args:
        process: Which of our processes this is.
        ratio: Share of offers and of calls to the models that are traced, 0 to 1; alerts always are.
        processor: Where ended spans go.
    """

    is_on = True

    def __init__(self, process: str, ratio: float, processor: "SpanProcessor") -> None:
        self._provider = TracerProvider(
            sampler=_Sampler(ParentBased(TraceIdRatioBased(ratio))),
            resource=Resource({"service.name": SERVICE, "service.instance.id": process}),
            id_generator=_Ids(),
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(SERVICE)

    def root(self, name: str) -> AbstractContextManager[Span]:
        """A new trace, or none."""
        return self._open(name, Context())

    def child(self, name: str, parent: str | None = None) -> AbstractContextManager[Span]:
        """A part of `parent`, or of the span that this task is in."""
        parent = _current.get() if parent is None else parent
        return self._open(name, _context_of(parent)) if parent else NO_SPAN

    def alert(self, alert_id: str, causes: Sequence[str] = ()) -> AbstractContextManager[Span]:
        """The first span of an alert's trace."""
        links = [found for each in causes if (found := _read(each)) is not None]
        return self._open("alert.raised", Context(), links, _ids_of(alert_id))

    def of_alert(self, alert_id: str) -> str:
        """The context of that span."""
        trace_id, span_id = _ids_of(alert_id)
        return f"00-{trace_id:032x}-{span_id:016x}-01"

    def current(self) -> str:
        """The context of the span that this task is in."""
        return _current.get()

    def close(self) -> None:
        """Send what has ended, within the exporter's time."""
        self._provider.shutdown()

    @contextmanager
    def _open(
        self,
        name: str,
        context: Context,
        links: Sequence[SpanContext] = (),
        ids: tuple[int, int] | None = None,
    ) -> Iterator[Span]:
        given = _given.set(ids)
        try:
            span = self._tracer.start_span(name, context, links=[Link(each) for each in links])
        finally:
            _given.reset(given)
        shown = _OtelSpan(span)
        before = _current.set(shown.context)
        try:
            yield shown
        except BaseException as error:
            span.set_status(
                StatusCode.ERROR, type(error).__name__
            )  # its text may hold what was sent
            raise
        finally:
            _current.reset(before)
            span.end()


class _OtelSpan:
    """Implements `Span`."""

    def __init__(self, span: "OtelSpan") -> None:
        self._span = span
        self.context = _written(span.get_span_context())

    def note(self, **facts: str | int | float) -> None:
        """Say more."""
        if unknown := facts.keys() - FACTS:
            raise ValueError(f"not on the list of proctor/adapters/tracing.py: {sorted(unknown)}")
        for name, fact in facts.items():
            self._span.set_attribute(f"proctor.{name}", fact)

    def leads_to(self, context: str) -> None:
        """Link to another trace."""
        found = _read(context)
        if found is not None:
            self._span.add_link(found)


class _Ids(RandomIdGenerator):
    """Random ids, but for the first span of an alert."""

    def generate_trace_id(self) -> int:
        """An id of 128 bits."""
        given = _given.get()
        return super().generate_trace_id() if given is None else given[0]

    def generate_span_id(self) -> int:
        """An id of 64 bits."""
        given = _given.get()
        return super().generate_span_id() if given is None else given[1]


class _Sampler(Sampler):
    """As the other one says, but for alerts: they are few, and each is worth its trace."""

    def __init__(self, usual: Sampler) -> None:
        self._usual = usual

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Whether a span is recorded."""
        chosen = self._usual if _given.get() is None else ALWAYS_ON
        return chosen.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """For the library's own log."""
        return f"alerts, and {self._usual.get_description()}"


def _ids_of(alert_id: str) -> tuple[int, int]:
    digest = hashlib.sha256(f"alert {alert_id}".encode()).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


def _context_of(parent: str) -> Context:
    return TraceContextTextMapPropagator().extract({"traceparent": parent}, Context())


def _read(context: str) -> SpanContext | None:
    """What a traceparent says; None for an empty one or nonsense."""
    found = get_current_span(_context_of(context)).get_span_context() if context else None
    return found if found is not None and found.is_valid else None


def _written(context: SpanContext) -> str:
    if not context.trace_flags & TraceFlags.SAMPLED:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


@cache
def open_tracer(endpoint: str | None, ratio: float, process: str) -> Tracer:
    """The tracer of this process; one that does nothing without an endpoint.

    Args:
        endpoint: Base address of an OTLP receiver over HTTP, such as `http://127.0.0.1:4318`.
        ratio: Share of offers and of calls to the models that are traced.
        process: Which of our processes this is.
    """
    if endpoint is None:
        return OFF
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_WITHIN_S)
    return OtelTracer(
        process, ratio, BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_EVERY_MS)
    )
