"""Reports of one connection: numbered, kept until the shard has them, sent again when it has not."""

from collections import deque
from collections.abc import Sequence
from dataclasses import fields, replace

from proctor.domain.observations import Observation
from proctor.domain.reports import EffectiveRate, OrderNews, TickReport, TracedReport
from proctor.domain.sessions import SessionSpec

HEARTBEAT_MS = 1_000
RESEND_MS = 1_000
MOST_UNACKNOWLEDGED = 300
MOST_TRACES = 8
MOST_AT_ONCE = 50


class ReportLog:
    """The reports of one epoch that the shard has not acknowledged, oldest first.

    They are always sent from the first unacknowledged one on, so a shard that takes them in order
    never meets a hole.
    """

    def __init__(self, spec: SessionSpec) -> None:
        self._spec = spec
        self._unacknowledged: deque[TickReport] = deque()
        self._last_seq = 0
        self._last_made_ms: int | None = None
        self._send_from_ms = 0
        self._spec_wanted = True
        self._traces: tuple[str, ...] = ()

    @property
    def is_full(self) -> bool:
        """The shard has taken nothing for so long that no more can be kept."""
        return len(self._unacknowledged) >= MOST_UNACKNOWLEDGED

    @property
    def is_empty(self) -> bool:
        """Everything made so far has been acknowledged."""
        return not self._unacknowledged

    def __len__(self) -> int:
        """How many wait to be acknowledged."""
        return len(self._unacknowledged)

    def owes_heartbeat(self, now_ms: int) -> bool:
        """Whether silence has lasted a second; reports that wait to be taken are sign of life enough."""
        if self._last_made_ms is None or (self._spec_wanted and self.is_empty):
            return True
        return self.is_empty and now_ms - self._last_made_ms >= HEARTBEAT_MS

    def traced(self, context: str) -> None:
        """What was just seen came of a traced call: the next report with observations says so."""
        if len(self._traces) < MOST_TRACES:
            self._traces += (context,)

    def make(
        self,
        now_ms: int,
        observations: Sequence[Observation] = (),
        rates: tuple[EffectiveRate, ...] = (),
        closing: bool = False,
        orders: tuple[OrderNews, ...] = (),
    ) -> None:
        """Number the next report. The first of an epoch says what the session is.

        Args:
            now_ms: Session time of sending.
            observations: Facts, in any order.
            rates: Effective rates, when they were measured.
            closing: Whether it is one of the last of the epoch.
            orders: How far orders of evidence are.
        """
        self._last_seq += 1
        self._last_made_ms = now_ms
        report = TickReport(
            session_id=self._spec.session_id,
            epoch=self._spec.epoch,
            seq=self._last_seq,
            sent_ms=now_ms,
            observations=tuple(sorted(observations, key=lambda seen: seen.observed_ms)),
            rates=rates,
            spec=self._spec if self._last_seq == 1 else None,
            closing=closing,
            orders=orders,
        )
        if self._traces and observations:
            said = {field.name: getattr(report, field.name) for field in fields(report)}
            report, self._traces = TracedReport(**said, traces=self._traces), ()
        self._unacknowledged.append(report)

    def to_send(self, now_ms: int) -> list[TickReport]:
        """What to send now: everything unacknowledged, unless it was sent under a second ago."""
        if now_ms < self._send_from_ms or self.is_empty:
            return []
        self._send_from_ms = now_ms + RESEND_MS
        reports = [
            self._unacknowledged[i] for i in range(min(MOST_AT_ONCE, len(self._unacknowledged)))
        ]
        if self._spec_wanted:
            reports[0] = replace(reports[0], spec=self._spec)
        return reports

    def rest(self) -> list[TickReport]:
        """Everything unacknowledged, for a last call."""
        return list(self._unacknowledged)

    def acknowledge(self, seq: int) -> None:
        """The shard has durably taken everything up to `seq`."""
        took_any = False
        while self._unacknowledged and self._unacknowledged[0].seq <= seq:
            self._unacknowledged.popleft()
            took_any = True
        if took_any:
            self._spec_wanted = False
            self._send_from_ms = 0

    def resend_with_spec(self) -> None:
        """The shard does not know the session: say what it is with the next report, at once."""
        self._spec_wanted = True
        self._send_from_ms = 0
