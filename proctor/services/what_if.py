"""Another policy tried on recorded sessions: how would they be ranked? Changes nothing.

Judging a session again costs seconds of a processor, so a try is work that is begun and asked for later:
no request waits for it, and no event loop does it. What it found is kept for an hour in the live state,
where every replica of the door finds it; one whose process died is gone, and is asked for anew.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import structlog

from proctor.domain.alerts import Alert
from proctor.domain.desk import QueueFilter
from proctor.domain.errors import NotFound, ProctorError, Unavailable
from proctor.domain.ids import ExamId, SessionId, TenantId, new_id
from proctor.domain.recordings import RecordingKey
from proctor.fusion.faults import admit_policy
from proctor.ports import ExamStore, LiveState, Recordings, ReviewDesk, SessionStore
from proctor.services.policies import Policies, PolicyChoice
from proctor.services.replays import Compared

MOST_SESSIONS = 200
MOST_WAITING = 4
KEPT_S = 3600
RUNNING_S = 180
"""A session is judged again well within it; longer silence means that the process is gone."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """A session under another policy.

    Attributes:
        rank_before: What its review priority was ranked by when it was last written down.
        rank_after: The same under the other policy.
        before: Incidents that were opened, by rule.
        after: The same under the other policy.
        is_whole: Whether all of its recording could be judged again.
    """

    session_id: SessionId
    rank_before: int
    rank_after: int
    before: dict[str, int]
    after: dict[str, int]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Skipped:
    """A session that could not be judged again, and why."""

    session_id: SessionId
    reason: str


JudgeAgain = Callable[[Sequence[RecordingKey], str], AsyncIterator[Rejudged | Skipped]]
"""Recordings and a policy's text in, one answer per recording out, made outside of this process."""


class TryState(StrEnum):
    """Where a try stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A policy tried on recorded sessions.

    Attributes:
        try_id: Its name.
        state: Where it stands.
        total: How many sessions it is tried on.
        left_out: Recorded sessions of the exam that are not among them: the lowest priorities.
        detail: Why it failed.
        sessions: What was judged so far.
        skipped: What could not be.
    """

    try_id: str
    state: TryState
    total: int
    left_out: int = 0
    detail: str | None = None
    sessions: tuple[Rejudged, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def opened(alerts: Sequence[Alert]) -> Counter[str]:
    """How many incidents were opened, by rule."""
    return Counter(alert.rule_id for alert in alerts if alert.transition == "opened")


def changes(before: dict[str, int], after: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Rules that opened more or fewer incidents than before."""
    return {
        rule: (before.get(rule, 0), after.get(rule, 0))
        for rule in sorted(before.keys() | after.keys())
        if before.get(rule, 0) != after.get(rule, 0)
    }


def rejudged(compared: Compared) -> Rejudged:
    """What is told of a session that was judged again."""
    return Rejudged(
        session_id=compared.session_id,
        rank_before=compared.rank_before,
        rank_after=compared.rank_after,
        before=dict(opened(compared.committed)),
        after=dict(opened(compared.again)),
        is_whole=compared.is_whole,
    )


class WhatIfs:
    """Begins tries, one at a time, and finds what came of them."""

    def __init__(
        self,
        judge_again: JudgeAgain | None,
        policies: Policies,
        recordings: Recordings,
        sessions: SessionStore,
        exams: ExamStore,
        desk: ReviewDesk,
        live: LiveState,
    ) -> None:
        self._judge_again = judge_again
        self._policies = policies
        self._recordings = recordings
        self._sessions = sessions
        self._exams = exams
        self._desk = desk
        self._live = live
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(
        self,
        tenant_id: TenantId,
        policy: str | PolicyChoice,
        is_text: bool,
        exam_id: ExamId | None,
        session_ids: Sequence[SessionId],
    ) -> Try:
        """Begin to judge recorded sessions by another policy.

        Args:
            tenant_id: Whose.
            policy: The policy's text, the name of a preset, or a version of the tenant's own.
            is_text: Whether it is the text.
            exam_id: Of whose recorded sessions, those of the highest priority first; or None:
            session_ids: These.

        Raises:
            PolicyRefused: Everything that is wrong with the text.
            InvalidInput: No such policy.
            NotFound: No such exam or session.
            Unavailable: Too many tries wait.
        """
        if is_text and isinstance(policy, str):
            await asyncio.to_thread(admit_policy, policy)
            text = policy
        else:
            text = await self._policies.text_of(tenant_id, policy)
        keys, left_out = await self._keys(tenant_id, exam_id, session_ids)
        if self._judge_again is None:
            raise Unavailable("Nobody judges recordings again here.")
        if len(self._tasks) >= MOST_WAITING:
            raise Unavailable("Other policies are being tried; come back later.", 20)
        begun = Try(
            try_id=new_id("wif"), state=TryState.RUNNING, total=len(keys), left_out=left_out
        )
        await self._keep(tenant_id, begun)
        task = asyncio.create_task(self._work(tenant_id, begun, self._judge_again(keys, text)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return begun

    async def find(self, tenant_id: TenantId, try_id: str) -> Try:
        """A try as it stands. Raises `NotFound`, for one that is forgotten or was lost too."""
        text = await self._live.get(_key(tenant_id, try_id))
        if text is None:
            raise NotFound(f"no try {try_id}")
        return _read(text)

    async def close(self) -> None:
        """Give up what is being tried."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keys(
        self, tenant_id: TenantId, exam_id: ExamId | None, session_ids: Sequence[SessionId]
    ) -> tuple[list[RecordingKey], int]:
        if exam_id is None:
            found = [
                await self._sessions.get(tenant_id, each) for each in dict.fromkeys(session_ids)
            ]
            keys = [
                RecordingKey(tenant_id=tenant_id, exam_id=each.exam_id, session_id=each.session_id)
                for each in found
            ]
            return keys, 0
        await self._exams.get_exam(tenant_id, exam_id)
        recorded = set(await self._recordings.sessions(tenant_id, exam_id))
        cards = await self._desk.queue(tenant_id, QueueFilter(exam_id=exam_id), None, MOST_SESSIONS)
        first = [card.session.session_id for card in cards]
        keys = [
            RecordingKey(tenant_id=tenant_id, exam_id=exam_id, session_id=each)
            for each in first
            if each in recorded
        ]
        return keys, len(recorded) - len(keys)

    async def _work(
        self, tenant_id: TenantId, begun: Try, answers: AsyncIterator[Rejudged | Skipped]
    ) -> None:
        now = begun
        try:
            async with self._turn:
                async for one in answers:
                    if isinstance(one, Skipped):
                        now = replace(now, skipped=(*now.skipped, one))
                    else:
                        now = replace(now, sessions=(*now.sessions, one))
                    await self._keep(tenant_id, now)
            now = replace(now, state=TryState.DONE)
        except ProctorError as error:
            _log.warning("policy could not be tried", code=error.code)
            now = replace(now, state=TryState.FAILED, detail=error.detail)
        except Exception as error:  # noqa: BLE001  # a task's boundary: whoever asks is told
            _log.error("policy could not be tried", error=type(error).__name__)
            now = replace(now, state=TryState.FAILED, detail="Something went wrong on our side.")
        await self._keep(tenant_id, now)

    async def _keep(self, tenant_id: TenantId, now: Try) -> None:
        lives_s = RUNNING_S if now.state is TryState.RUNNING else KEPT_S
        await self._live.put(_key(tenant_id, now.try_id), json.dumps(asdict(now)), lives_s)


def _key(tenant_id: TenantId, try_id: str) -> str:
    return f"what-if:{tenant_id}:{try_id}"


def _read(text: str) -> Try:
    fields = json.loads(text)
    return Try(
        **(
            fields
            | {
                "state": TryState(fields["state"]),
                "sessions": tuple(Rejudged(**each) for each in fields["sessions"]),
                "skipped": tuple(Skipped(**each) for each in fields["skipped"]),
            }
        )
    )
