"""A shard's recordings: what its judges consumed goes from the checkpoint to where recordings live.

Rows are safe once they are in the checkpoint, together with the state they led to. From there they
leave in segments, in a loop of their own: a store that is away or slow delays no judgement. What waits
for it stays in the checkpoint; a take that waits with more than `MOST_WAITING_BYTES` ends there, and
the session's recording begins anew, from its state, once the store takes again.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from proctor.domain.errors import Conflict, StateStoreUnavailable
from proctor.domain.ids import SessionId
from proctor.domain.recordings import Footer
from proctor.fusion.alert_log import alert_log_sha256
from proctor.fusion.judge import SessionJudge
from proctor.fusion.memory import read_body, read_mark
from proctor.fusion.tape import TAPE, Tape, read_tapes
from proctor.ports import AlertArchive, Checkpoints, Clock, Metrics, Recordings
from proctor.services.deadline import TimedOut, within

logger = logging.getLogger(__name__)

FLUSH_S = 2.0
FLUSH_WITHIN_MS = 30_000
MOST_WAITING_BYTES = 8 * 1024 * 1024
"""Of one session: half an hour and more of what a busy one consumes."""


@dataclass(slots=True)
class _Reel:
    """A tape and what becomes of it: `ended_ms` closes the recording once all its rows are stored."""

    tape: Tape
    is_over: bool = False
    ended_ms: int | None = None


class Recorder:
    """The tapes of one shard.

    Args:
        name: The shard's name; its tapes lie in its checkpoints.
        recordings: Where they go.
        archive: The committed alerts, whose hash closes a recording.
        checkpoints: Redis.
        clock: Time.
        metrics: Numbers.

    Attributes:
        fence: What `Checkpoints.claim` gave; set before anything is flushed.
    """

    def __init__(
        self,
        *,
        name: str,
        recordings: Recordings,
        archive: AlertArchive,
        checkpoints: Checkpoints,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._name = name
        self._recordings = recordings
        self._archive = archive
        self._checkpoints = checkpoints
        self._clock = clock
        self._metrics = metrics
        self._reels: dict[tuple[SessionId, str], _Reel] = {}
        self._broken: list[SessionId] = []
        self.fence = 0

    def restore(self, entries: Mapping[SessionId, bytes]) -> dict[SessionId, bytes]:
        """Take in the tapes of a checkpoint; return the entries that are none of theirs."""
        tapes, rest, self._broken = read_tapes(entries)
        if self._broken:
            logger.error("recordings cannot be read", extra={"entries": len(self._broken)})
        for session_id, takes in tapes.items():
            for tape in takes:
                is_last = tape is takes[-1] and session_id not in rest
                self._reels[(session_id, tape.take)] = _Reel(
                    tape, is_over=True, ended_ms=tape.ended_ms if is_last else None
                )
        return rest

    def go_on(self, judge: SessionJudge) -> None:
        """A judge was read back: its newest tape runs on, or one begins with its memory."""
        takes = sorted(take for whose, take in self._reels if whose == judge.spec.session_id)
        reel = self._reels[(judge.spec.session_id, takes[-1])] if takes else None
        if reel is not None and reel.tape.consumed == judge.mark.consumed:
            reel.is_over = False
            judge.tape = reel.tape
            judge.tape.restored(judge)
        else:
            self.begin(judge, anew=False)

    def begin(self, judge: SessionJudge, anew: bool = True) -> None:
        """A tape for a judge; one of the same session that ran before is over.

        Args:
            judge: Whose steps are recorded from now on.
            anew: It remembers nothing yet. Otherwise the tape begins with its memory.
        """
        session_id = judge.spec.session_id
        self._end_all(session_id)
        take = f"{self._clock.now():%Y%m%dT%H%M%S%f}Z"
        while (session_id, take) in self._reels:  # two within a microsecond of one clock
            take += "+"
        judge.tape = Tape(judge.spec, take)
        if anew:
            judge.tape.begin()
        else:
            judge.tape.begin(read_mark(judge.export_mark()), read_body(judge.export_body()))
        self._reels[(session_id, take)] = _Reel(judge.tape)

    def finish(self, judge: SessionJudge) -> None:
        """The session has ended and all its alerts are committed: close its recording."""
        self._end_all(judge.spec.session_id)
        for reel in self._reels.values():
            if reel.tape is judge.tape:
                reel.ended_ms = reel.tape.ended_ms

    def _end_all(self, session_id: SessionId) -> None:
        for (whose, _), reel in self._reels.items():
            if whose == session_id:
                reel.is_over = True
                reel.tape.end_here()

    async def run(self) -> None:
        """Flush again and again until cancelled.

        Raises:
            Conflict: Another process has taken the shard over.
        """
        while True:
            await self._clock.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Store what is complete, then close what is over. Of each kind, an outage is met once.

        Raises:
            Conflict: Another process has taken the shard over.
        """
        await self._drop_broken()
        for work in (self._store, self._finish):
            for place, reel in list(self._reels.items()):
                try:
                    if await work(reel):
                        del self._reels[place]
                except (StateStoreUnavailable, TimedOut):
                    self._metrics.count("shard_unwritten", what="recording")
                    break
                except Conflict:
                    raise
                except Exception:  # a mailbox's boundary: one recording must not hold up the others
                    logger.exception("a recording failed", extra={"session_id": place[0]})
                    self._metrics.count("shard_unwritten", what="recording")
        self._stop_what_is_full()
        waiting = sum(reel.tape.waiting_bytes for reel in self._reels.values())
        self._metrics.gauge("shard_recording_waiting_bytes", waiting)

    async def _drop_broken(self) -> None:
        """What nobody can read must not stay for ever."""
        if self._broken:
            with suppress(StateStoreUnavailable):
                await self._checkpoints.drop(self._name, self.fence, *self._broken)
                self._metrics.count("shard_recordings_stopped")
                self._broken = []

    async def _store(self, reel: _Reel) -> bool:
        """Store the segments that are complete, of what is over also the rest."""
        tape = reel.tape
        while (segment := tape.cut(to_the_end=reel.is_over)) is not None:
            if (
                reel.is_over
            ):  # cut short, it must not replace a segment of whoever replaced this shard
                await self._write_head(tape)
            await within(self._clock, FLUSH_WITHIN_MS, self._recordings.put(segment))
            self._metrics.count("shard_recording_segments")
            tape.flushed(segment)
            await self._let_go(tape)
        return False

    async def _finish(self, reel: _Reel) -> bool:
        """Close a recording whose rows are all stored; True when nothing of the tape is owed any more."""
        tape = reel.tape
        if not (reel.is_over and tape.is_flushed):
            return False
        if reel.ended_ms is not None:
            await within(self._clock, FLUSH_WITHIN_MS, self._close(tape, reel.ended_ms))
        await self._checkpoints.drop(
            self._name, self.fence, *self._entries(tape, [*tape.gone(), f"{TAPE}{tape.take}"])
        )
        return True

    async def _write_head(self, tape: Tape) -> None:
        """Where the checkpoint's part begins. Raises `Conflict` when this shard was replaced."""
        (head,) = self._entries(tape, [f"{TAPE}{tape.take}"])
        await self._checkpoints.save(self._name, self.fence, {head: tape.head()})

    async def _let_go(self, tape: Tape) -> None:
        """The checkpoint forgets what is stored: first where the rest begins, then the rows."""
        await self._write_head(tape)
        if gone := tape.gone():
            await self._checkpoints.drop(self._name, self.fence, *self._entries(tape, gone))
        tape.forget(gone)

    async def _close(self, tape: Tape, ended_ms: int) -> None:
        spec = tape.spec
        committed = await self._archive.of_session(spec.tenant_id, spec.session_id)
        alerts = [alert for alert in committed if alert.seq <= tape.alert_seq]  # the judge's own
        await self._recordings.close_with(
            Footer(
                key=tape.key,
                take=tape.take,
                entries=tape.last_no,
                alerts=len(alerts),
                alert_log_sha256=alert_log_sha256(alerts),
                ended_at=spec.started_at + timedelta(milliseconds=ended_ms),
                retention_days=spec.retention_days,
            )
        )

    def _stop_what_is_full(self) -> None:
        """The bound: what is written down waits on, but nothing more is recorded."""
        for reel in self._reels.values():
            if reel.tape.waiting_bytes > MOST_WAITING_BYTES and not reel.tape.is_stopped:
                reel.tape.stop()
                session_id = reel.tape.spec.session_id
                logger.error("a recording is full", extra={"session_id": session_id})
                self._metrics.count("shard_recordings_stopped")

    def resume(self, judge: SessionJudge, is_ending: bool = False) -> None:
        """Where a recording was stopped, and its store has taken what waited, another take begins.

        Args:
            judge: Whose.
            is_ending: The session's end comes next. It is recorded whatever waits: one that no
                recording knows of is closed by nobody, and nobody would ever delete it.
        """
        tape = judge.tape
        if tape is None or not tape.is_stopped or judge.has_ended:
            return
        if is_ending or tape.waiting_bytes < MOST_WAITING_BYTES // 2:
            self.begin(judge, anew=False)

    @staticmethod
    def _entries(tape: Tape, endings: list[str]) -> list[SessionId]:
        return [SessionId(tape.spec.session_id + ending) for ending in endings]
