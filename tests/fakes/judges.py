"""Shards that only remember: what a host reported, in the order in which a shard would take it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from proctor.domain.ids import SessionId, TenantId
from proctor.domain.notes import IncidentNote
from proctor.domain.reports import Acknowledgement, Command, CommandName, TickReport
from proctor.domain.sessions import SessionSpec
from tests.fakes.outage import Outage


class FakeJudges(Outage):
    """`SessionJudges` by the contract: at-least-once input, by (epoch, seq), in order.

    `down` raises, `hangs` never answers, nor does the shard of the sessions in `hanging`;
    `withholds` takes reports without acknowledging them,
    sessions in `judging` are told news of (`notes`),
    `forget()` loses every session as a shard without a checkpoint would.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False
        self.hanging: set[SessionId] = set()
        self.withholds = False
        self.calls: list[tuple[TickReport, ...]] = []
        self.taken: list[TickReport] = []
        self.ended: list[tuple[SessionSpec, datetime]] = []
        self.commands: dict[SessionId, list[Command]] = {}
        self.refreshed: list[SessionId] = []
        self.notes: list[IncidentNote] = []
        self.judging: set[SessionId] = set()
        self._known: dict[SessionId, tuple[int, int]] = {}

    def forget(self) -> None:
        """Lose every session."""
        self._known.clear()

    def lane(self, session_id: SessionId) -> str:
        return "hanging" if session_id in self.hanging else "shard"

    async def submit(self, reports: Sequence[TickReport]) -> Sequence[Acknowledgement]:
        if self.hangs or any(report.session_id in self.hanging for report in reports):
            await asyncio.Event().wait()
        self._reach()
        self.calls.append(tuple(reports))
        if self.withholds:
            return []
        answers: dict[SessionId, Acknowledgement] = {}
        for report in reports:
            answers[report.session_id] = self._take(report)
        return list(answers.values())

    async def end(self, spec: SessionSpec, ended_at: datetime) -> None:
        self._reach()
        self.ended.append((spec, ended_at))

    async def allowances_changed(self, tenant_id: TenantId, session_id: SessionId) -> None:
        self._reach()
        self.refreshed.append(session_id)

    async def annotate(self, note: IncidentNote) -> bool:
        self._reach()
        self.notes.append(note)
        return note.incident.session_id in self.judging

    def _take(self, report: TickReport) -> Acknowledgement:
        session_id = report.session_id
        if session_id not in self._known and report.spec is None:
            command = Command(name=CommandName.RESEND_SPEC)
            return Acknowledgement(
                session_id=session_id, epoch=report.epoch, seq=0, commands=(command,)
            )
        if (report.epoch, report.seq) > self._known.get(session_id, (0, 0)):
            self._known[session_id] = (report.epoch, report.seq)
            self.taken.append(report)
        epoch, seq = self._known[session_id]
        return Acknowledgement(
            session_id=session_id,
            epoch=epoch,
            seq=seq,
            commands=tuple(self.commands.pop(session_id, [])),
        )
