"""Keeps the set of session hosts and fusion shards as it should be, and tells everybody who lives.

Ray restarts an actor that dies; what it does not do is this: make those that are missing (one whose
constructor failed stays dead), end those that hang, make as many as the sessions need and let go those
that are too many, replace those of an older version, and write the roster. No exam ends with a host: one
that is to go takes no session and has those it has ask for another host, a few at a time, while others
have room; it is ended once it is empty.
"""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import structlog

from actors.directory import (
    ROSTER_KEY,
    WANTED_CHANNEL,
    Member,
    host_name,
    roster_to_json,
    shard_name,
)
from actors.mailbox import Mailboxes, MailboxSpec, Pulse
from deployments.yard import Yard
from proctor.domain.errors import ProctorError
from proctor.ports import Clock, LiveState, Metrics, Subscription

log = structlog.get_logger(__name__)

STEP_MS = 1_000
PING_WITHIN_S = 2.0
OPENING_MS = 60_000
HANGING_MS = 15_000
SURPLUS_MS = 60_000
ROSTER_TTL_S = 60
FULL_ENOUGH = 0.8
"""Places of all hosts that may be taken before another host is made; it opens within seconds."""

EMPTY_ENOUGH = 0.6
MOST_MOVES = 5
"""Sessions that are asked to move in one step: each is a second of blindness, a handshake, and a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewSize:
    """How many actors there should be.

    Attributes:
        hosts: Session hosts at least; with `sessions_per_host` 1, those kept free in reserve.
        shards: Fusion shards.
        sessions_per_host: Sessions that one host may hold.
        hosts_max: Most hosts that are made on demand.
    """

    hosts: int
    shards: int
    sessions_per_host: int
    hosts_max: int

    def wanted_hosts(self, busy: int, sessions: int, fill: float = FULL_ENOUGH) -> int:
        """How many hosts there should be.

        Args:
            busy: Hosts that carry sessions and are not being emptied.
            sessions: Sessions of all hosts, of those being emptied too: they come to the others.
            fill: Which share of a host's places may be taken.
        """
        most = max(self.hosts_max, self.hosts)
        if self.sessions_per_host == 1:
            return min(busy + self.hosts, most)
        return min(max(self.hosts, math.ceil(sessions / (fill * self.sessions_per_host))), most)


class Reconciler:
    """One step looks at every actor and mends what is wrong; `run` repeats it."""

    def __init__(
        self,
        *,
        yard: Yard,
        mailboxes: Mailboxes,
        live: LiveState,
        clock: Clock,
        metrics: Metrics,
        size: CrewSize,
        version: str,
        models: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self._yard = yard
        self._mailboxes = mailboxes
        self._live = live
        self._clock = clock
        self._metrics = metrics
        self._size = size
        self._version = version
        self._models = models
        self._answered_ms: dict[str, int] = {}
        self._made_ms: dict[str, int] = {}
        self._surplus_since_ms: int | None = None
        self._leaving: set[str] = set()

    async def run(self) -> None:
        """Step every second, and at once when a session waits for a host."""
        wanted = self._live.listen(WANTED_CHANNEL)
        try:
            while True:
                try:
                    await self.step()
                except ProctorError as error:  # a store is away: the next step tries again
                    log.warning("step failed", code=error.code)
                    self._metrics.count("reconciler_failed_steps_total")
                await self._pause(wanted)
        finally:
            await wanted.aclose()

    async def step(self) -> list[Member]:
        """Look, mend, write the roster; the living members."""
        names = await asyncio.to_thread(self._yard.names)
        hosts = {name for name in names if _is_host(name)}
        shards = {shard_name(index) for index in range(self._size.shards)}
        seen = await asyncio.gather(*(self._look(name) for name in sorted(hosts | names & shards)))
        members = [member for member in seen if member is not None]
        for name in sorted(shards - names):
            await self._make(name)
        await self._fit_hosts(hosts, [m for m in members if m.kind == "host"])
        if any(member.kind == "host" and not member.is_draining for member in members):
            await self._move([m for m in members if m.kind == "host"])
        else:  # until a host that stays answers, those that are to go serve on
            members = [replace(member, is_draining=False) for member in members]
        await self._live.put(ROSTER_KEY, roster_to_json(members), ROSTER_TTL_S)
        self._measure(members)
        return members

    def _measure(self, members: list[Member]) -> None:
        """Tell how many there are, how full, and how many there should be."""
        hosts = [member for member in members if member.kind == "host"]
        staying = [host for host in hosts if not host.is_draining]
        sessions = sum(host.sessions for host in hosts)
        busy = sum(1 for host in staying if host.sessions > 0)
        numbers = {
            "hosts_wanted": self._size.wanted_hosts(busy, sessions),
            "hosts_sessions": sessions,
            "hosts_places": sum(host.capacity for host in staying),
            "hosts_refusing": sum(1 for host in staying if host.load.room <= 0),
            "hosts_worst_lag_seconds": max((host.lag_ms for host in hosts), default=0) / 1000,
            "shards": len(members) - len(hosts),
            "shards_wanted": self._size.shards,
        }
        for name, value in numbers.items():
            self._metrics.gauge(name, value)
        self._metrics.gauge("hosts", len(staying), state="staying")
        self._metrics.gauge("hosts", len(hosts) - len(staying), state="leaving")
        now_s = self._clock.now().timestamp()
        self._metrics.gauge("loop_succeeded_at_seconds", now_s, loop="reconciler")

    async def _look(self, name: str) -> Member | None:
        """Ask an actor how it is; end it when it hangs, or is of another version and empty."""
        try:
            pulse: Pulse = await self._mailboxes.ask(name, "ping", within_s=PING_WITHIN_S)
        except ProctorError:
            await self._suspect(name)
            return None
        self._answered_ms[name] = self._clock.monotonic_ms()
        is_old = pulse.version != self._version
        is_leaving = is_old or pulse.is_draining or name in self._leaving
        if is_leaving and pulse.sessions == 0 and await self._may_end(name):
            await self._remove(name, "replaced" if is_old else "not_needed")
            return None
        return Member(
            name=name,
            kind="host" if _is_host(name) else "shard",
            pid=pulse.pid,
            sessions=pulse.sessions,
            capacity=pulse.capacity,
            lag_ms=pulse.lag_ms,
            shed=pulse.shed,
            is_draining=is_leaving,
        )

    async def _suspect(self, name: str) -> None:
        """End an actor that has been silent for too long: 60 s while it opens, then 15 s."""
        now = self._clock.monotonic_ms()
        if name in self._answered_ms:
            silent_ms, patience_ms = now - self._answered_ms[name], HANGING_MS
        else:
            silent_ms, patience_ms = now - self._made_ms.setdefault(name, now), OPENING_MS
        if silent_ms > patience_ms:
            log.warning("actor hangs and is restarted", actor=name, silent_ms=silent_ms)
            self._metrics.count("actors_restarted_total")
            self._answered_ms.pop(name, None)
            self._made_ms[name] = now
            await asyncio.to_thread(self._yard.restart, name)

    async def _fit_hosts(self, existing: set[str], hosts: list[Member]) -> None:
        """Make the missing hosts; let one go that has been too many for a minute."""
        staying = [member for member in hosts if not member.is_draining]
        there = len(existing) - (len(hosts) - len(staying))
        busy = sum(1 for member in staying if member.sessions > 0)
        sessions = sum(member.sessions for member in hosts)
        for name in _free_names(existing, self._size.wanted_hosts(busy, sessions) - there):
            await self._make(name)
        if there <= self._size.wanted_hosts(busy, sessions, EMPTY_ENOUGH) or not staying:
            self._surplus_since_ms = None
            return
        now = self._clock.monotonic_ms()
        if self._surplus_since_ms is None:
            self._surplus_since_ms = now
        emptiest = min(staying, key=lambda member: (member.sessions, -_index(member.name)))
        if now - self._surplus_since_ms >= SURPLUS_MS:
            await self._let_go(emptiest)

    async def _let_go(self, host: Member) -> None:
        """End a host that is too many: at once when it is empty, else once its sessions are elsewhere."""
        if host.sessions == 0:
            if await self._may_end(host.name):
                await self._remove(host.name, "not_needed")
        elif self._size.sessions_per_host > 1:
            log.info("host is to be emptied", actor=host.name, sessions=host.sessions)
            self._leaving.add(host.name)
            self._surplus_since_ms = None

    async def _move(self, hosts: list[Member]) -> None:
        """Have hosts that are to go ask their next sessions to move, as many as others have room for."""
        room = sum(max(0, host.load.room) for host in hosts)
        left = min(room, MOST_MOVES)
        for host in sorted(hosts, key=lambda host: host.sessions):
            if not host.is_draining:
                continue
            wave = min(left, host.sessions)
            try:
                await self._mailboxes.ask(host.name, "drain", wave, within_s=PING_WITHIN_S)
            except ProctorError as error:
                log.warning("host could not be emptied further", actor=host.name, code=error.code)
            else:
                left -= wave
                self._metrics.count("sessions_asked_to_move", wave)

    async def _may_end(self, name: str) -> bool:
        """A host that was empty may have taken a session since it said so; asked to retire, it knows."""
        if not _is_host(name):
            return True
        try:
            return bool(await self._mailboxes.ask(name, "retire", within_s=PING_WITHIN_S))
        except ProctorError:
            return False

    async def _make(self, name: str) -> None:
        log.info("making actor", actor=name)
        self._metrics.count("actors_made_total")
        self._answered_ms.pop(name, None)
        self._made_ms[name] = self._clock.monotonic_ms()
        spec = MailboxSpec(name=name, version=self._version, models=self._models)
        make = self._yard.make_host if _is_host(name) else self._yard.make_shard
        try:
            await asyncio.to_thread(make, spec)
        except ValueError:  # another reconciler made it in the same moment
            log.info("actor exists already", actor=name)

    async def _remove(self, name: str, why: str) -> None:
        log.info("ending actor", actor=name, why=why)
        self._metrics.count("actors_ended", why=why)
        await asyncio.to_thread(self._yard.remove, name)
        self._mailboxes.forget(name)
        self._answered_ms.pop(name, None)
        self._leaving.discard(name)

    async def _pause(self, wanted: Subscription) -> None:
        """Until the next step is due or somebody waits for a host."""
        heard = asyncio.ensure_future(anext(wanted))
        slept = asyncio.ensure_future(self._clock.sleep(STEP_MS / 1000))
        try:
            await asyncio.wait({heard, slept}, return_when=asyncio.FIRST_COMPLETED)
            if heard.done() and heard.exception() is not None:  # the store is away
                await slept
        finally:
            heard.cancel()
            slept.cancel()
            await asyncio.gather(heard, slept, return_exceptions=True)


def _is_host(name: str) -> bool:
    return name.startswith("proctor-host-")


def _index(name: str) -> int:
    return int(name.rsplit("-", 1)[1])


def _free_names(taken: Iterable[str], count: int) -> list[str]:
    """The lowest `count` host names that are not taken."""
    used = {_index(name) for name in taken}
    free = [index for index in range(len(used) + max(count, 0)) if index not in used]
    return [host_name(index) for index in free[: max(count, 0)]]
