"""What a shard traces: the judging of reports that came of a traced call, and every alert."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from proctor.domain.reports import TickReport, TracedReport
from proctor.ports import Span, Tracer
from proctor.services.judging.session import JudgedSession


class JudgeTraces:
    """The spans of one step of a shard; steps never overlap."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._spans: list[Span] = []
        self._raised: list[str] = []

    @contextmanager
    def judging(self, known: JudgedSession, report: TickReport) -> Iterator[None]:
        """While a report is judged."""
        traces = report.traces if isinstance(report, TracedReport) else ()
        if report.observations:
            known.traces = traces
        if not traces:
            yield
            return
        with ExitStack() as spans:
            self._spans = [
                spans.enter_context(self._tracer.child("shard.judge", each)) for each in traces
            ]
            try:
                yield
            finally:
                self._spans = []

    def raised(self, known: JudgedSession, alert_id: str) -> None:
        """An alert came of it, or of time that passed after it: the traces lead to each other."""
        if not self._tracer.is_on:
            return
        causes = [each.context for each in self._spans] or known.traces
        with self._tracer.alert(alert_id, causes) as span:
            for each in self._spans:
                each.leads_to(span.context)
            self._raised.append(span.context)

    @contextmanager
    def committing(self) -> Iterator[None]:
        """While the alerts of this step are written down."""
        raised, self._raised = self._raised, []
        with ExitStack() as spans:
            for context in raised:
                spans.enter_context(self._tracer.child("shard.commit", context))
            yield
