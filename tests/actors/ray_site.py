"""A real Ray of its own with our actors over plain objects; prints what it saw as JSON.

Run as a module by test_with_ray.py: Ray reads its environment once per process, so the test's own
process stays free of it.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from actors.directory import ActorJudges, ActorPlacement, Member, host_name, shard_name
from actors.mailbox import Mailboxes, MailboxSpec
from deployments.home import ray_token
from deployments.ray_head import RayHead, make_session_folder
from deployments.reconciler import CrewSize, Reconciler
from deployments.yard import RayYard
from proctor.adapters.clock import SystemClock
from proctor.domain.errors import InvalidInput, NotFound, Unavailable
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.observations import ClientEventName
from proctor.domain.reports import Acknowledgement, TickReport
from proctor.domain.sessions import SessionSpec
from proctor.ports import Answer
from proctor.services.host.pace import HostLoad
from tests.fakes.live_state import FakeLiveState
from tests.fakes.metrics import FakeMetrics

SESSION = SessionId("ses_1")
PATIENCE_S = 60.0


class PlainHost:
    """What a session host does for its callers, without media."""

    def __init__(self) -> None:
        self._sessions: dict[SessionId, int] = {}
        self._is_draining = False

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self._sessions.clear()

    async def join(self, spec: SessionSpec, offer_sdp: str, trace: str = "") -> Answer:
        if not offer_sdp:
            raise InvalidInput("the offer has no video", "webrtc/no-video", 422)
        self._sessions[spec.session_id] = spec.epoch
        return Answer("answer", spec.epoch)

    async def trickle(self, session_id: SessionId, epoch: int, _fragment: str) -> None:
        if self._sessions.get(session_id) != epoch:
            raise NotFound("this connection is not open here")

    async def leave(self, session_id: SessionId, _epoch: int) -> None:
        self._sessions.pop(session_id, None)

    async def client_event(self, _session_id: SessionId, _name: ClientEventName) -> None:
        return

    async def drain(self, _wave: int) -> int:
        self._is_draining = True
        return len(self._sessions)

    def retire(self) -> bool:
        return not self._sessions

    def load(self) -> HostLoad:
        return HostLoad(len(self._sessions), 50, 0, is_draining=self._is_draining)


class PlainShard:
    """What a shard does for its callers, without judging."""

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        return

    async def submit(self, reports: list[TickReport]) -> list[Acknowledgement]:
        return [Acknowledgement(session_id=r.session_id, epoch=r.epoch, seq=r.seq) for r in reports]

    async def end(self, _spec: SessionSpec, _ended_at: datetime) -> None:
        return


async def plain_host(_spec: MailboxSpec) -> PlainHost:
    return PlainHost()


async def plain_shard(_spec: MailboxSpec) -> PlainShard:
    return PlainShard()


def spec(epoch: int) -> SessionSpec:
    return SessionSpec(
        session_id=SESSION,
        tenant_id=TenantId("t"),
        exam_id=ExamId("e"),
        candidate_id=CandidateId("c"),
        policy_text="",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        epoch=epoch,
    )


def report(seq: int) -> TickReport:
    return TickReport(session_id=SESSION, epoch=1, seq=seq, sent_ms=0, observations=())


class Site:
    """The actors, and everybody who speaks to them."""

    def __init__(self) -> None:
        self.clock, self.live = SystemClock(), FakeLiveState(SystemClock())
        self.mailboxes = Mailboxes()
        self.yard = RayYard(
            host_factory=plain_host, shard_factory=plain_shard, host_cpus=0.1, shard_cpus=0.1
        )
        self.reconciler = self.deployed("v1")
        self.placement = ActorPlacement(
            self.mailboxes, self.live, self.clock, FakeMetrics(), patience_s=1
        )
        self.judges = ActorJudges(self.mailboxes, [shard_name(0)], self.clock)

    def deployed(self, version: str) -> Reconciler:
        return Reconciler(
            yard=self.yard,
            mailboxes=self.mailboxes,
            live=self.live,
            clock=self.clock,
            metrics=FakeMetrics(),
            size=CrewSize(hosts=1, shards=1, sessions_per_host=50, hosts_max=1),
            version=version,
        )

    async def until(self, holds: Callable[[dict[str, Member]], bool]) -> dict[str, Member]:
        """Step until it holds of the living members."""
        for _ in range(round(PATIENCE_S / 0.2)):
            members = {member.name: member for member in await self.reconciler.step()}
            if holds(members):
                return members
            await asyncio.sleep(0.2)
        raise TimeoutError("it never held")

    async def crew(self) -> dict[str, Member]:
        """Step until the host and the shard live."""
        return await self.until(lambda members: len(members) == 2)

    async def error_of(self, call: Any) -> dict[str, Any]:
        try:
            await call
        except Exception as error:  # noqa: BLE001  # whatever comes is what is looked at
            kind = next(
                base.__name__ for base in type(error).__mro__ if base.__module__ != "builtins"
            )
            return {"type": kind, "code": getattr(error, "code", None)}
        return {"type": None, "code": None}


async def play() -> dict[str, Any]:
    """Join, refuse, kill by pid, find again, restart, remove."""
    site, seen = Site(), dict[str, Any]()
    before = await site.crew()
    host, shard = before[host_name(0)], before[shard_name(0)]

    seen["answer"] = (await site.placement.join(spec(1), "offer")).sdp
    seen["refusal"] = await site.error_of(site.placement.join(spec(2), ""))
    seen["sessions"] = (await site.crew())[host_name(0)].sessions

    os.kill(host.pid, signal.SIGKILL)
    await asyncio.sleep(0.3)
    seen["while_dead"] = await site.error_of(site.placement.trickle(SESSION, 1, "a=candidate"))
    after = await site.crew()
    seen["host_pid_changed"] = after[host_name(0)].pid != host.pid
    seen["after_restart"] = await site.error_of(site.placement.trickle(SESSION, 1, "a=candidate"))
    seen["resumed"] = (await site.placement.join(spec(2), "offer")).epoch

    seen["acknowledged"] = [ack.seq for ack in await site.judges.submit([report(1), report(2)])]
    os.kill(shard.pid, signal.SIGKILL)
    await asyncio.sleep(0.3)
    seen["shard_while_dead"] = await site.error_of(site.judges.submit([report(3)]))
    await site.judges.end(spec(2), datetime(2026, 1, 1, tzinfo=UTC))
    after = await site.crew()
    seen["shard_pid_changed"] = after[shard_name(0)].pid != shard.pid

    pid = after[host_name(0)].pid
    await asyncio.to_thread(site.yard.restart, host_name(0))
    await asyncio.sleep(0.3)
    seen["restarted_pid_changed"] = (await site.crew())[host_name(0)].pid != pid
    await asyncio.to_thread(site.yard.remove, host_name(0))
    seen["names_after_removal"] = sorted(site.yard.names())
    seen["made_again"] = sorted(await site.crew())
    try:
        await site.mailboxes.ask("nobody", "pid", within_s=5)
    except Unavailable as error:
        seen["unknown"] = error.code
    await redeploy(site, seen)
    return seen


async def redeploy(site: Site, seen: dict[str, Any]) -> None:
    """Another version comes while a session is on: it moves, then its old host ends."""
    await site.placement.join(spec(3), "offer")
    site.reconciler = site.deployed("v2")
    await site.reconciler.step()
    seen["while_alone"] = (await site.error_of(site.placement.trickle(SESSION, 3, "a=c")))["type"]
    both = await site.until(lambda members: host_name(1) in members)
    seen["draining"] = sorted(name for name, member in both.items() if member.is_draining)
    seen["moved"] = (await site.placement.join(spec(4), "offer")).epoch
    left = await site.until(lambda members: host_name(0) not in members)
    seen["after_deploy"] = {name: member.sessions for name, member in left.items()}


def main() -> None:
    """Start Ray, play, end Ray; one line of JSON on stdout."""
    folder = make_session_folder()
    head = RayHead.start(folder, ray_token(Path(sys.argv[1])), {})
    try:
        seen = asyncio.run(play())
    finally:
        head.stop()
        shutil.rmtree(folder)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
