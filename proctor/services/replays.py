"""Recordings found, judged again and compared with what was committed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from proctor.domain.alerts import Alert
from proctor.domain.errors import NotFound
from proctor.domain.ids import AlertId, ExamId, SessionId, TenantId
from proctor.domain.recordings import Recording, RecordingKey
from proctor.fusion.alert_log import alert_log_sha256
from proctor.fusion.difference import Difference, difference
from proctor.fusion.explain import Explanation, explain
from proctor.fusion.ranking import rank_of
from proctor.fusion.replay import Replayed, replay
from proctor.ports import AlertArchive, PriorityStore, Recordings, SessionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A session judged again, beside what was committed.

    Attributes:
        session_id: Which.
        committed: The committed alerts, but for late news of incidents that no judge told.
        again: The alerts of the replay.
        is_whole: Whether everything that was judged could be judged again.
        rank_before: What its review priority was ranked by when it was last written down.
        rank_after: The same by the replay.
        footer_sha256: What the live session's end wrote into the recording; None while it is open.
    """

    session_id: SessionId
    committed: tuple[Alert, ...]
    again: tuple[Alert, ...]
    is_whole: bool
    rank_before: int
    rank_after: int
    footer_sha256: str | None

    @property
    def sha256(self) -> str:
        """Of the replay's alert log."""
        return alert_log_sha256(self.again)

    @property
    def committed_sha256(self) -> str:
        """Of the committed alert log."""
        return alert_log_sha256(self.committed)

    @property
    def is_same(self) -> bool:
        """Whether the replay gives the committed log, byte for byte."""
        return self.sha256 == self.committed_sha256

    @property
    def difference(self) -> Difference:
        """From what was committed to the replay."""
        return difference(self.committed, self.again)


class Replays:
    """Judges recorded sessions again. Reads only."""

    def __init__(
        self,
        recordings: Recordings,
        archive: AlertArchive,
        sessions: SessionStore,
        priorities: PriorityStore,
    ) -> None:
        self._priorities = priorities
        self._recordings = recordings
        self._archive = archive
        self._sessions = sessions

    async def find(self, tenant_id: TenantId, session_id: SessionId) -> RecordingKey:
        """Where a session's recording is. Raises `NotFound` for an unknown session."""
        session = await self._sessions.get(tenant_id, session_id)
        return RecordingKey(tenant_id=tenant_id, exam_id=session.exam_id, session_id=session_id)

    async def of_exam(self, tenant_id: TenantId, exam_id: ExamId) -> Sequence[RecordingKey]:
        """Every recorded session of an exam. Raises `NotFound` when there is none."""
        found = await self._recordings.sessions(tenant_id, exam_id)
        if not found:
            raise NotFound(f"no recordings of exam {exam_id}: is it the right tenant?")
        return [
            RecordingKey(tenant_id=tenant_id, exam_id=exam_id, session_id=each) for each in found
        ]

    async def read(self, key: RecordingKey) -> Recording:
        """The recording. Raises `NotFound` when nothing of it is stored (yet)."""
        found = await self._recordings.read(key)
        if not found.takes:
            raise NotFound(f"nothing of session {key.session_id} is recorded yet")
        return found

    async def compare(self, key: RecordingKey, policy_text: str | None = None) -> Compared:
        """Judge a session again, under its own policy or another.

        Raises:
            NotFound: No recording.
            InvalidInput: It cannot be read, or the policy is wrong.
        """
        recording = await self.read(key)
        again: Replayed = replay(recording.takes, policy_text)
        committed = await self._archive.of_session(key.tenant_id, key.session_id)
        before = await self._priorities.get(key.tenant_id, key.session_id)
        return Compared(
            session_id=key.session_id,
            committed=tuple(
                alert
                for alert in committed
                if alert.seq <= again.last_seq and alert.alert_id not in again.notes
            ),
            again=again.alerts,
            is_whole=again.is_whole,
            rank_before=rank_of(before),
            rank_after=rank_of(again.priority),
            footer_sha256=None if recording.footer is None else recording.footer.alert_log_sha256,
        )

    async def explain(self, alert_id: AlertId) -> Explanation:
        """Why a committed alert was raised.

        Raises:
            NotFound: No such alert, or its session's recording is gone or not stored yet.
            InvalidInput: The recording cannot be read.
        """
        alert = await self._archive.find(alert_id)
        key = RecordingKey(
            tenant_id=alert.tenant_id, exam_id=alert.exam_id, session_id=alert.session_id
        )
        return explain(alert, (await self.read(key)).takes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A session's place among its exam's, before and under another policy; 1 is looked at first."""

    session_id: SessionId
    before: int
    after: int
    rank_before: int
    rank_after: int


class Comparable(Protocol):
    """A session with what it is ranked by, before and after."""

    @property
    def session_id(self) -> SessionId:
        """Which."""
        ...

    @property
    def rank_before(self) -> int:
        """Before."""
        ...

    @property
    def rank_after(self) -> int:
        """After."""
        ...


def rank(sessions: Sequence[Comparable]) -> Sequence[Ranked]:
    """Sessions by the replay's review priority, the most urgent first; equal ones by id."""

    def places(ranks: dict[SessionId, int]) -> dict[SessionId, int]:
        order = sorted(ranks, key=lambda each: (-ranks[each], each))
        return {session_id: place for place, session_id in enumerate(order, 1)}

    before = {each.session_id: each.rank_before for each in sessions}
    after = {each.session_id: each.rank_after for each in sessions}
    was, now = places(before), places(after)
    return [
        Ranked(
            session_id=session_id,
            before=was[session_id],
            after=now[session_id],
            rank_before=before[session_id],
            rank_after=after[session_id],
        )
        for session_id in sorted(now, key=now.__getitem__)
    ]
