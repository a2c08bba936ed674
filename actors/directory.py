"""Where sessions live: which host has a session's media, which shard judges it.

The reconciler writes the roster of living actors into the live state; everybody else reads it there.
A session's host is remembered under `place:{session}`; its shard follows from its id alone.
"""

import asyncio
import hashlib
import json
import secrets
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_fixed

from actors.mailbox import Mailboxes, NoAnswer
from proctor.domain.errors import NoCapacity, NotFound, Unavailable
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.notes import IncidentNote
from proctor.domain.observations import ClientEventName
from proctor.domain.reports import Acknowledgement, TickReport
from proctor.domain.sessions import SessionSpec
from proctor.ports import Answer, Clock, LiveState, Metrics
from proctor.services.host.pace import HostLoad, refusal
from proctor.services.host.sampling import Shed

log = structlog.get_logger(__name__)

ROSTER_KEY = "roster"
WANTED_CHANNEL = "roster:wanted"
PLACE_TTL_S = 24 * 3600
JOIN_WITHIN_S = 10.0
CALL_WITHIN_S = 5.0
LOOK_AGAIN_S = 0.25
SHARD_WITHIN_S = 10.0
ROSTER_AGE_MS = 1_500
"""The roster is written every second: what was placed in that time is not in it yet."""

SHED_WEIGHT = 0.1
MOST_LANES_KNOWN = 4_096


def host_name(index: int) -> str:
    """Name of the index-th session host."""
    return f"proctor-host-{index}"


def shard_name(index: int) -> str:
    """Name of the index-th fusion shard."""
    return f"proctor-shard-{index}"


def shard_of(session_id: SessionId, shards: Sequence[str]) -> str:
    """The session's shard by rendezvous hash: a change of the set moves only the sessions it must."""
    return max(
        shards, key=lambda shard: hashlib.sha256(f"{shard}\x1f{session_id}".encode()).digest()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One living actor, as the reconciler last saw it.

    Attributes:
        name: Its name in Ray.
        kind: `host` or `shard`.
        pid: Its process.
        sessions: How many sessions a host carries.
        capacity: How many it may carry; 0 for a shard.
        lag_ms: How late a host's ticks run.
        shed: What a host gives up (`Shed`).
        is_draining: True when it is to be replaced and takes no session.
    """

    name: str
    kind: str
    pid: int
    sessions: int = 0
    capacity: int = 0
    lag_ms: float = 0.0
    shed: int = 0
    is_draining: bool = False

    def rank(self, sent: int = 0) -> tuple[float, float]:
        """What to sort by: the emptier first, then the more punctual.

        Args:
            sent: Sessions that were placed there since it was last seen.

        Returns:
            How full it is, a level given up counting as a tenth of its places; and its lag in ms.
        """
        fill = (self.sessions + sent) / max(self.capacity, 1)
        return (fill + SHED_WEIGHT * self.shed, self.lag_ms)

    @property
    def load(self) -> HostLoad:
        """As the host itself would tell it."""
        return HostLoad(
            self.sessions, self.capacity, round(self.lag_ms), Shed(self.shed), self.is_draining
        )


def roster_to_json(members: Sequence[Member]) -> str:
    """The roster as it stands in the live state."""
    return json.dumps([asdict(member) for member in members])


def roster_from_json(text: str | None) -> list[Member]:
    """The roster, empty while nobody has written one."""
    known = {field.name for field in fields(Member)}  # another version may have written more
    found = json.loads(text) if text else []
    return [Member(**{key: one[key] for key in one.keys() & known}) for one in found]


class ActorPlacement:
    """`SessionPlacement` over session hosts that are actors.

    Attributes of the constructor:
        patience_s: How long a join waits for a host to appear or to come back before `NoCapacity`.
    """

    def __init__(
        self,
        mailboxes: Mailboxes,
        live: LiveState,
        clock: Clock,
        metrics: Metrics,
        *,
        patience_s: float = 8.0,
    ) -> None:
        self._mailboxes = mailboxes
        self._live = live
        self._clock = clock
        self._metrics = metrics
        self._patience_ms = round(patience_s * 1000)
        self._sent: deque[tuple[int, str]] = deque()
        self._refused_ms: dict[str, int] = {}

    async def join(self, spec: SessionSpec, offer_sdp: str) -> Answer:
        """Host the session where it was, else on the emptiest host that takes it.

        Raises:
            NoCapacity: No host is there and none has come within the patience, or every one is at its
                load. What is pressed is not asked again and again: those who wait would press it more.
            InvalidInput: The offer cannot be used.
        """
        before = await self._live.get(_place(spec.session_id))
        give_up_ms = self._clock.monotonic_ms() + self._patience_ms
        while True:
            hosts = await self._hosts()
            for name in _in_order(self._not_refused(hosts, before), before, self._sent_lately()):
                self._sent.append((self._clock.monotonic_ms(), name))
                answer = await self._try(name, spec, offer_sdp)
                if answer is not None:
                    await self._live.put(_place(spec.session_id), name, PLACE_TTL_S)
                    self._metrics.count("placements", outcome="placed")
                    if before is not None and before != name:
                        await self._dismiss(before, spec.session_id, spec.epoch - 1)
                    return answer
            if self._clock.monotonic_ms() >= give_up_ms or _are_pressed(hosts):
                self._metrics.count("placements", outcome="refused" if hosts else "no_host")
                raise NoCapacity(
                    "no session host can take the session now", 2 + secrets.randbelow(4)
                )
            await self._live.publish(WANTED_CHANNEL, "host")
            await self._clock.sleep(LOOK_AGAIN_S)

    async def trickle(self, session_id: SessionId, epoch: int, fragment: str) -> None:
        """Add ICE candidates. Raises `NotFound` when the session is nowhere or at another epoch."""
        name = await self._host_of(session_id)
        await self._mailboxes.ask(
            name, "trickle", session_id, epoch, fragment, within_s=CALL_WITHIN_S
        )

    async def leave(self, session_id: SessionId, epoch: int) -> None:
        """Close that connection; nothing happens when it, or its host, is gone.

        Raises:
            NoAnswer: The host may live and have it still.
        """
        name = await self._live.get(_place(session_id))
        if name is not None:
            try:
                await self._mailboxes.ask(name, "leave", session_id, epoch, within_s=CALL_WITHIN_S)
            except NoAnswer:
                raise
            except Unavailable:
                log.info("host of the connection is gone", host=name)

    async def client_event(self, session_id: SessionId, name: ClientEventName) -> None:
        """Tell the host what the candidate's page said. Raises `NotFound` when it is nowhere."""
        host = await self._host_of(session_id)
        await self._mailboxes.ask(host, "client_event", session_id, name, within_s=CALL_WITHIN_S)

    def _not_refused(self, hosts: list[Member], before: str | None) -> list[Member]:
        """For a new session, those that have refused none since they may have been seen last."""
        since_ms = self._clock.monotonic_ms() - ROSTER_AGE_MS
        return [
            host
            for host in hosts
            if before is not None or self._refused_ms.get(host.name, since_ms) <= since_ms
        ]

    def _sent_lately(self) -> Counter[str]:
        """How many sessions each host was sent since it may have been seen last."""
        since_ms = self._clock.monotonic_ms() - ROSTER_AGE_MS
        while self._sent and self._sent[0][0] < since_ms:
            self._sent.popleft()
        return Counter(name for _, name in self._sent)

    async def _hosts(self) -> list[Member]:
        """Those that are not being emptied."""
        members = roster_from_json(await self._live.get(ROSTER_KEY))
        return [one for one in members if one.kind == "host" and not one.is_draining]

    async def _try(self, name: str, spec: SessionSpec, offer_sdp: str) -> Answer | None:
        try:
            answer: Answer = await self._mailboxes.ask(
                name, "join", spec, offer_sdp, within_s=JOIN_WITHIN_S
            )
        except NoAnswer:
            log.warning("host did not answer an offer", host=name)
            # It may yet, and would then speak for the connection that another host has.
            await self._dismiss(name, spec.session_id, spec.epoch)
            return None
        except NoCapacity as error:
            self._refused_ms[name] = self._clock.monotonic_ms()
            log.info("host did not take the session", host=name, why=error.detail)
            return None
        except Unavailable as error:
            log.info("host did not take the session", host=name, code=error.code)
            return None
        return answer

    async def _dismiss(self, name: str, session_id: SessionId, epoch: int) -> None:
        """Tell a host to leave, without waiting for one that may hang."""
        try:
            await self._mailboxes.tell(name, "leave", session_id, epoch)
        except Unavailable:
            log.info("host of the old connection is gone", host=name)

    async def _host_of(self, session_id: SessionId) -> str:
        name = await self._live.get(_place(session_id))
        if name is None:
            raise NotFound("no host has this session")
        return name


class ActorJudges:
    """`SessionJudges` over fusion shards that are actors: one call per shard and batch."""

    def __init__(self, mailboxes: Mailboxes, shards: Sequence[str], clock: Clock) -> None:
        self._mailboxes = mailboxes
        self._shards = tuple(shards)
        self._clock = clock
        self._lane = lru_cache(MOST_LANES_KNOWN)(lambda session: shard_of(session, self._shards))

    def lane(self, session_id: SessionId) -> str:
        """The name of the session's shard."""
        return self._lane(session_id)

    async def submit(self, reports: Sequence[TickReport]) -> Sequence[Acknowledgement]:
        """Hand each shard its reports. A shard that is away leaves its own unacknowledged.

        Raises:
            Unavailable: No shard answered.
        """
        batches: dict[str, list[TickReport]] = {}
        for report in reports:
            batches.setdefault(self.lane(report.session_id), []).append(report)
        answers = await asyncio.gather(
            *(
                self._mailboxes.ask(shard, "submit", batch, within_s=CALL_WITHIN_S)
                for shard, batch in batches.items()
            ),
            return_exceptions=True,
        )
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        for failure in failures:
            if not isinstance(failure, Unavailable) or len(failures) == len(batches):
                raise failure
        return [
            ack for answer in answers if not isinstance(answer, BaseException) for ack in answer
        ]

    async def end(self, spec: SessionSpec, ended_at: datetime) -> None:
        """End the session at its shard, trying again while the shard restarts (10 s)."""
        await self._until_back(spec.session_id, "end", spec, ended_at)

    async def allowances_changed(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Tell the session's shard, trying again while it restarts (10 s)."""
        await self._until_back(session_id, "allowances_changed", tenant_id, session_id)

    async def annotate(self, note: IncidentNote) -> bool:
        """Have the session's shard tell it, trying again while it restarts (10 s)."""
        told: bool = await self._until_back(note.incident.session_id, "annotate", note)
        return told

    async def _until_back(self, session_id: SessionId, method: str, *args: object) -> Any:
        """Ask the session's shard; a call that may have been carried out is repeated.

        The last call begins within `SHARD_WITHIN_S`: one that hangs takes its time for each.
        """
        give_up_ms = self._clock.monotonic_ms() + round(SHARD_WITHIN_S * 1000)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            stop=lambda _: self._clock.monotonic_ms() >= give_up_ms,
            wait=wait_fixed(LOOK_AGAIN_S),
            sleep=self._clock.sleep,
            reraise=True,
        ):
            with attempt:
                return await self._mailboxes.ask(
                    self.lane(session_id), method, *args, within_s=CALL_WITHIN_S
                )


def _in_order(hosts: Sequence[Member], before: str | None, sent: Mapping[str, int]) -> list[str]:
    """Whom to ask: the session's host of before, then every other, the least loaded first.

    One that was full or pressed a second ago is left out, unless the session may be running already:
    whom it then takes back is the host's own affair.
    """
    names = [
        host.name
        for host in sorted(hosts, key=lambda host: host.rank(sent.get(host.name, 0)))
        if before is not None or refusal(host.load, is_running=False) is None
    ]
    return sorted(names, key=lambda name: name != before)


def _are_pressed(hosts: Sequence[Member]) -> bool:
    """Whether there are places and none is given: waiting brings no further host."""
    return any(host.sessions < host.capacity for host in hosts) and all(
        refusal(host.load, is_running=False) is not None for host in hosts
    )


def _place(session_id: SessionId) -> str:
    return f"place:{session_id}"
