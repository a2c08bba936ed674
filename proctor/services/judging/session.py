"""One session as a shard holds it: its judge, what is written down of it, what still has to be told."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.ids import AlertId, IncidentId
from proctor.domain.incidents import Incident
from proctor.domain.sessions import SessionSpec
from proctor.fusion.checkpoint import Written
from proctor.fusion.coverage import Cover
from proctor.fusion.judge import SessionJudge
from proctor.fusion.judgement import Judgement
from proctor.ports import Judged

RECONNECT_AFTER_MS = {CoverageReason.HOST_LOST: 0, CoverageReason.NO_MEDIA: 3_000}
RECONNECT_AGAIN_MS = 8_000


@dataclass(slots=True)
class JudgedSession:
    """A session of this shard.

    Attributes:
        judge: Who judges it.
        heard_at_ms: When the last report came, in the shard's time without its own steps.
        rows: What the database has not taken yet, in order.
        written: What is written down.
        is_written: Whether everything judged is written down.
        safe: The last (epoch, seq) that is written down.
        told: What the candidate's page was told last, video and audio.
        store_is_lost: Whether the last checkpoint failed.
        traces: Of the newest report with observations, where it was traced.
    """

    judge: SessionJudge
    heard_at_ms: int
    rows: list[Judged] = field(default_factory=list)
    written: Written = field(default_factory=Written)
    is_written: bool = False
    safe: tuple[int, int] = (0, 0)
    told: tuple[Cover, Cover] | None = None
    store_is_lost: bool = False
    traces: tuple[str, ...] = ()
    _was_seen_in: int = 0
    _reconnect_at_ms: int | None = None

    def is_of(self, spec: SessionSpec) -> bool:
        """Whether this is the same sitting; a refused first offer moves the beginning."""
        return self.judge.spec.started_at == spec.started_at

    def session_ms(self, at: datetime) -> int:
        """Session time of a wall time."""
        return (at - self.judge.spec.started_at) // timedelta(milliseconds=1)

    @property
    def has_work(self) -> bool:
        """Whether something is not written, not committed, not told, or only waits to be forgotten."""
        return (
            bool(self.rows)
            or not self.is_written
            or self.judge.has_ended
            or self.told != self.status()
        )

    @property
    def is_live(self) -> bool:
        """Whether it goes on."""
        return not self.judge.has_ended

    def keep(self, judgement: Judgement) -> None:
        """Hold what must reach the database."""
        if judgement.has_rows:
            self.rows.append(
                Judged(
                    tenant_id=self.judge.spec.tenant_id,
                    session_id=self.judge.spec.session_id,
                    alerts=judgement.alerts,
                    incidents=judgement.incidents,
                    coverage=judgement.coverage,
                    priority=judgement.priority,
                )
            )

    def newest(self, incident_id: IncidentId) -> Incident | None:
        """An incident as it waits for the database; None when the database has its newest state."""
        waiting = (each for row in self.rows for each in row.incidents)
        return next((x for x in reversed(list(waiting)) if x.incident_id == incident_id), None)

    def safe_seq(self, epoch: int, seq: int) -> int:
        """Up to which number of an epoch reports need not be kept.

        Those of an epoch or a session that is over are never judged, so all that came (`seq`) may go.
        """
        safe_epoch, safe_seq = self.safe
        if epoch < safe_epoch or self.judge.has_ended:
            return seq
        return safe_seq if epoch == safe_epoch else 0

    def changes(self) -> dict[str, bytes]:
        """What has to be written down."""
        return self.written.changes(self.judge, self.rows)

    def wrote(self, changes: dict[str, bytes]) -> None:
        """It was."""
        self.written.done(self.judge, changes)
        self.is_written = True
        self.safe = (self.judge.mark.epoch, self.judge.mark.seq)

    def mark_unsynced(self) -> None:
        """The database is away: alerts that wait will say so."""
        self.rows = [
            replace(row, alerts=tuple(replace(alert, unsynced=True) for alert in row.alerts))
            for row in self.rows
        ]

    def renumber(self, after_seq: int, told: Collection[AlertId] = ()) -> None:
        """Give the alerts that wait the numbers after this one, but for those that are committed."""
        rows, count = [], 0
        for row in self.rows:
            alerts = []
            for alert in (each for each in row.alerts if each.alert_id not in told):
                after_seq, count = after_seq + 1, count + 1
                alerts.append(replace(alert, seq=after_seq))
            rows.append(replace(row, alerts=tuple(alerts)))
        self.rows = rows
        self.judge.renumbered(count, after_seq)

    def status(self) -> tuple[Cover, Cover]:
        """How well the candidate is seen and heard."""
        return self.judge.current(Modality.VIDEO), self.judge.current(Modality.AUDIO)

    def wants_reconnect(self, now_ms: int) -> CoverageReason | None:
        """Why the page should connect anew, if it is time to say so.

        At once when the host is lost, after three seconds without media where there had been some,
        and again every eight seconds.

        Args:
            now_ms: Monotonic time.
        """
        judge = self.judge
        reason = judge.current(Modality.VIDEO)[1]
        if reason is None:
            self._was_seen_in = judge.mark.epoch
        after_ms = RECONNECT_AFTER_MS.get(reason) if reason is not None else None
        if (
            reason is None
            or after_ms is None
            or not judge.expects_reports
            or self._was_seen_in != judge.mark.epoch
        ):
            self._reconnect_at_ms = None
            return None
        if self._reconnect_at_ms is None:
            self._reconnect_at_ms = now_ms + after_ms
        if now_ms < self._reconnect_at_ms:
            return None
        self._reconnect_at_ms = now_ms + RECONNECT_AGAIN_MS
        return reason
