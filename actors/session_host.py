"""The mailbox of a session host: many candidates' sessions in one process.

What a session does is in proctor.services.host; here are only its doors.
"""

import os

from actors.mailbox import Factory, MailboxSpec, Owned, Pulse
from proctor.domain.ids import SessionId
from proctor.domain.observations import ClientEventName
from proctor.domain.sessions import SessionSpec
from proctor.ports import Answer
from proctor.services.host.pace import HostLoad
from proctor.services.host.session_host import SessionHost


class SessionHostActor:
    """Carries calls to a `SessionHost` that its factory makes in this process.

    Attributes of the constructor travel by reference: a module-level function and a plain spec, so
    that every restart builds its own connections.
    """

    def __init__(self, factory: Factory[SessionHost], spec: MailboxSpec) -> None:
        self._version = spec.version
        self._host = Owned(factory, spec)

    async def join(self, spec: SessionSpec, offer_sdp: str, trace: str = "") -> Answer:
        """Host the session and answer its offer."""
        host = await self._host.get()
        return await host.join(spec, offer_sdp, trace)

    async def trickle(self, session_id: SessionId, epoch: int, fragment: str) -> None:
        """Add ICE candidates."""
        host = await self._host.get()
        await host.trickle(session_id, epoch, fragment)

    async def leave(self, session_id: SessionId, epoch: int) -> None:
        """Close a connection."""
        host = await self._host.get()
        await host.leave(session_id, epoch)

    async def client_event(self, session_id: SessionId, name: ClientEventName) -> None:
        """Note what the candidate's page said."""
        host = await self._host.get()
        await host.client_event(session_id, name)

    async def load(self) -> HostLoad:
        """What the host carries, measured now."""
        host = await self._host.get()
        return host.load()

    async def drain(self, wave: int) -> int:
        """Take no session any more and ask some to move; how many are left."""
        host = await self._host.get()
        return await host.drain(wave)

    async def retire(self) -> bool:
        """Whether it is empty, and from now on stays so."""
        host = await self._host.get()
        return host.retire()

    async def ping(self) -> Pulse:
        """How it is; raises `Unavailable` when its loop has ended."""
        await self._host.check()
        load = await self.load()
        return Pulse(
            version=self._version,
            pid=os.getpid(),
            sessions=load.sessions,
            capacity=load.capacity,
            lag_ms=load.lag_ms,
            shed=int(load.shed),
            is_draining=load.is_draining,
        )

    async def pid(self) -> int:
        """The process, for whoever must end exactly this one."""
        return os.getpid()

    async def close(self) -> None:
        """Say goodbye to every peer; the process is ended by whoever made it."""
        await self._host.close()
