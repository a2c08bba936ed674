"""What a shard traces: the judging of reports that came of a traced call, and every alert."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from proctor.domain.reports import TickReport, TracedReport
from proctor.ports import Span, Tracer
from proctor.services.judging.session import JudgedSession
from proctor.services.no_tracing import NO_SPAN


class JudgeTraces:
    """The spans of one step of a shard; steps never overlap."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._span: Span = NO_SPAN
        self._raised: list[str] = []

    @contextmanager
    def judging(self, known: JudgedSession, report: TickReport) -> Iterator[None]:
        """While a report is judged."""
        trace = report.trace if isinstance(report, TracedReport) else ""
        if report.observations:
            known.trace = trace
        if not trace:
            yield
            return
        with self._tracer.child("shard.judge", trace) as span:
            self._span = span
            try:
                yield
            finally:
                self._span = NO_SPAN

    def raised(self, known: JudgedSession, alert_id: str) -> None:
        """An alert came of it, or of time that passed after it: the two traces lead to each other."""
        if not self._tracer.is_on:
            return
        with self._tracer.alert(alert_id, [self._span.context or known.trace]) as span:
            self._span.leads_to(span.context)
            self._raised.append(span.context)

    @contextmanager
    def committing(self) -> Iterator[None]:
        """While the alerts of this step are written down."""
        raised, self._raised = self._raised, []
        with ExitStack() as spans:
            for context in raised:
                spans.enter_context(self._tracer.child("shard.commit", context))
            yield
