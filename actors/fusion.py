"""The mailbox of a fusion shard: judges the sessions that hash to it and never sees a pixel.

What judging is stands in proctor.services.judge_sessions; here are only its doors.
"""

import os
from collections.abc import Sequence
from datetime import datetime

from actors.mailbox import Factory, MailboxSpec, Owned, Pulse
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.notes import IncidentNote
from proctor.domain.reports import Acknowledgement, TickReport
from proctor.domain.sessions import SessionSpec
from proctor.services.judge_sessions import JudgeShard


class FusionActor:
    """Carries calls to a `JudgeShard` that its factory makes, and recovers, in this process."""

    def __init__(self, factory: Factory[JudgeShard], spec: MailboxSpec) -> None:
        self._version = spec.version
        self._shard = Owned(factory, spec)

    async def submit(self, reports: Sequence[TickReport]) -> Sequence[Acknowledgement]:
        """Judge, commit, checkpoint, acknowledge."""
        shard = await self._shard.get()
        return await shard.submit(reports)

    async def end(self, spec: SessionSpec, ended_at: datetime) -> None:
        """Close what is open and forget the session."""
        shard = await self._shard.get()
        await shard.end(spec, ended_at)

    async def allowances_changed(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Read what is allowed in a session."""
        shard = await self._shard.get()
        await shard.allowances_changed(tenant_id, session_id)

    async def annotate(self, note: IncidentNote) -> bool:
        """Tell late news of an incident."""
        shard = await self._shard.get()
        return await shard.annotate(note)

    async def ping(self) -> Pulse:
        """How it is; raises `Unavailable` when its loop has ended."""
        await self._shard.check()
        return Pulse(version=self._version, pid=os.getpid())

    async def pid(self) -> int:
        """The process, for whoever must end exactly this one."""
        return os.getpid()

    async def close(self) -> None:
        """Write the last checkpoint; the process is ended by whoever made it."""
        await self._shard.close()
