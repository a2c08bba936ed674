"""A fusion shard: takes reports of many sessions, judges, writes down, and only then acknowledges.

Input is at least once and numbered; what is known already is dropped, what is missing is asked for
again. How it is written down, and in which order, says `proctor.services.judging.writer`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from proctor.domain.alerts import Transition
from proctor.domain.errors import Conflict, InvalidInput, NotFound, StateStoreUnavailable
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.notes import IncidentNote
from proctor.domain.reports import Acknowledgement, Command, CommandName, TickReport
from proctor.domain.sessions import SessionSpec
from proctor.fusion.checkpoint import read_sessions
from proctor.fusion.judge import SessionJudge
from proctor.fusion.judgement import Judgement
from proctor.ports import Checkpoints, Clock, IncidentStore, LiveState, Metrics, Tracer
from proctor.services.judging.archive import Archive, Committed
from proctor.services.judging.numbers import CoverageNumbers
from proctor.services.judging.page_news import PageNews
from proctor.services.judging.recorder import Recorder
from proctor.services.judging.session import JudgedSession
from proctor.services.judging.stale import Stale
from proctor.services.judging.traces import JudgeTraces
from proctor.services.judging.writer import ShardWriter
from proctor.services.no_tracing import OFF

logger = logging.getLogger(__name__)

TICK_S = 0.5
FRESH_WITHIN_MS = 10_000
"""A first report this early in a session says that nothing was missed before it."""

READ_AT_ONCE = 20
"""Allowances that are read in one turn of the timer: a whole exam may connect again at once."""

STOP = (Command(name=CommandName.STOP),)
RESEND_SPEC = (Command(name=CommandName.RESEND_SPEC),)


class JudgeShard:
    """Implements `SessionJudges` for the sessions that are its own.

    Args:
        name: The shard's name; its checkpoints are kept under it.
        incidents: The database.
        checkpoints: Redis.
        live: Redis, for the candidates' pages.
        clock: Time.
        metrics: Numbers.
        rules: Ids of rules that may be counted by name: those of the presets. Policies that others write
            name rules as they like.
        tracer: Traces what came of traced calls, and every alert.
        recorder: Where what is judged is recorded; None for nowhere.
    """

    def __init__(
        self,
        *,
        name: str,
        incidents: IncidentStore,
        checkpoints: Checkpoints,
        live: LiveState,
        clock: Clock,
        metrics: Metrics,
        rules: Collection[str] = (),
        tracer: Tracer = OFF,
        recorder: Recorder | None = None,
    ) -> None:
        self._name = name
        self._archive = Archive(incidents, clock)
        self._checkpoints = checkpoints
        self._clock = clock
        self._metrics = metrics
        self._rules = frozenset(rules)
        self._cover = CoverageNumbers(metrics)
        self._traces = JudgeTraces(tracer)
        self._news = PageNews(live)
        self._recorder = recorder
        self._writer = ShardWriter(
            name=name, incidents=incidents, checkpoints=checkpoints, clock=clock, metrics=metrics
        )
        self._sessions: dict[SessionId, JudgedSession] = {}
        self._stale = Stale()
        self._lock = asyncio.Lock()
        self._busy_ms = 0

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One step at a time; how long steps take is no silence of a host, who waits for them."""
        async with self._lock:
            began_ms = self._clock.monotonic_ms()
            try:
                yield
            finally:
                self._busy_ms += self._clock.monotonic_ms() - began_ms

    def _idle_ms(self) -> int:
        """How long this shard has been free to hear: monotonic time without its own steps."""
        return self._clock.monotonic_ms() - self._busy_ms

    async def start(self) -> None:
        """Take the shard over and go on where it was; the time between is told as `shard_lost`.

        Raises:
            StateStoreUnavailable: The checkpoints cannot be reached.
        """
        async with self._turn():
            self._writer.fence = await self._checkpoints.claim(self._name)
            entries: Mapping[SessionId, bytes] = await self._checkpoints.load(self._name)
            if self._recorder is not None:
                self._recorder.fence = self._writer.fence
                entries = self._recorder.restore(entries)
            read, broken = read_sessions(entries)
            for session_id in broken:
                logger.error("a checkpoint cannot be read", extra={"session_id": session_id})
            now = self._clock.now()
            for judge, rows in read:
                self._hold(judge, read_back=True).rows = rows
                self._stale.add(judge.spec.session_id)  # a change may have been missed meanwhile
            await self._catch_up(now)
            for known in self._sessions.values():
                judge = known.judge
                if not judge.has_ended:
                    now_ms = known.session_ms(now)
                    self._keep(known, judge.shard_lost(judge.mark.now_ms, now_ms, now))
                    self._keep(known, judge.store_lost(False, now_ms, now))
            await self._settle(list(self._sessions.values()))

    def lane(self, _session_id: SessionId) -> str:
        """Every session of this shard is judged by it."""
        return self._name

    async def submit(self, reports: Sequence[TickReport]) -> Sequence[Acknowledgement]:
        """Judge, write down, acknowledge. May be repeated: what is known already is dropped.

        Returns:
            One acknowledgement per connection, up to which its reports are safe; none for a session
            that cannot be looked up now.

        Raises:
            Conflict: Another process has taken the shard over; this one must stop.
        """
        began_ms = self._clock.monotonic_ms()
        async with self._turn():
            answers: dict[tuple[SessionId, int], Acknowledgement] = {}
            wishes: dict[tuple[SessionId, int], dict[Command, None]] = {}
            highest: dict[tuple[SessionId, int], int] = {}
            touched: dict[SessionId, JudgedSession] = {}
            for report in reports:
                key = (report.session_id, report.epoch)
                known = await self._find(report)
                if isinstance(known, Acknowledgement):
                    answers[key] = known
                elif known is not None:
                    touched[report.session_id] = known
                    highest[key] = max(highest.get(key, 0), report.seq)
                    with self._traces.judging(known, report):
                        wished = self._take(known, report)
                    wishes.setdefault(key, {}).update(dict.fromkeys(wished))
            await self._settle(list(touched.values()))
            for (session_id, epoch), seq in highest.items():
                answers[(session_id, epoch)] = Acknowledgement(
                    session_id=session_id,
                    epoch=epoch,
                    seq=touched[session_id].safe_seq(epoch, seq),
                    commands=tuple(wishes[(session_id, epoch)]),
                )
        took_ms = self._clock.monotonic_ms() - began_ms
        self._metrics.observe("shard_submit_seconds", took_ms / 1000)
        return list(answers.values())

    async def end(self, spec: SessionSpec, ended_at: datetime) -> None:
        """Close what is open, fix the coverage to the session's length, forget the session.

        A second end changes nothing. Of a session that is not known, all is `blind(host_lost)`.

        Raises:
            StateStoreUnavailable: Neither store could take it: call again.
            Conflict: Another process has taken the shard over.
        """
        async with self._turn():
            known = self._sessions.get(spec.session_id)
            if known is None:
                if await self._news.has_ended(spec.session_id):
                    return
                known = await self._remember(spec)
            if self._recorder is not None:
                self._recorder.resume(known.judge, is_ending=True)
            end_ms = known.session_ms(ended_at)
            self._tell_lost(known, end_ms, is_over=True)
            self._keep(known, known.judge.end(end_ms, self._clock.now()))
            await self._settle([known])
            if known.rows and not known.is_written:
                raise StateStoreUnavailable("the end of the session could not be written down")

    async def allowances_changed(self, _tenant_id: TenantId, session_id: SessionId) -> None:
        """Read what is allowed now, or as soon as the session and the database are there."""
        async with self._turn():
            self._stale.add(session_id)
            await self._read_allowances([session_id])
            known = self._sessions.get(session_id)
            await self._settle([] if known is None else [known])

    async def annotate(self, note: IncidentNote) -> bool:
        """Tell late news of an incident; False when the session is not this shard's now.

        Raises:
            StateStoreUnavailable: It could not be written down: call again.
            Conflict: Another process has taken the shard over.
        """
        async with self._turn():
            incident = note.incident
            known = self._sessions.get(incident.session_id)
            if known is None:
                return False
            newest = known.newest(incident.incident_id)
            if newest is None:
                is_told = await self._archive.is_told(note)
                newest = await self._archive.incident(incident.tenant_id, incident.incident_id)
                note = replace(note, is_told=is_told)
            note = replace(note, incident=newest)
            self._keep(known, known.judge.annotate(note, self._clock.now()))
            await self._settle([known])
            if known.rows and not known.is_written:
                raise StateStoreUnavailable("the news could not be written down")
            return True

    async def _read_allowances(self, session_ids: Sequence[SessionId]) -> None:
        """Read anew what is allowed in sessions that are judged here; the rest waits."""
        for session_id in session_ids:
            known = self._sessions.get(session_id)
            if known is None or known.judge.has_ended:
                continue
            try:
                allowed = await self._archive.allowances(known.judge.spec)
            except StateStoreUnavailable:
                return
            except NotFound:
                self._stale.done(session_id)
                continue
            now = self._clock.now()
            self._keep(known, known.judge.allow(allowed, known.session_ms(now), now))
            self._stale.done(session_id)

    async def run(self) -> None:
        """Keep time until cancelled: silent hosts, rows that wait, news for candidates' pages.

        Raises:
            Conflict: Another process has taken the shard over.
        """
        recorder = self._recorder
        recording = None if recorder is None else asyncio.create_task(recorder.run())
        try:
            while True:
                await self._clock.sleep(TICK_S)
                try:
                    await self.tick()
                except Conflict:
                    raise
                except Exception:  # a mailbox's boundary: the next turn of the timer tries again
                    logger.exception("a turn of the shard's timer failed")
                    self._metrics.count("shard_failed_steps")
        finally:
            if recording is not None:
                recording.cancel()
                await asyncio.gather(recording, return_exceptions=True)

    async def tick(self) -> None:
        """One turn of the timer."""
        async with self._turn():
            now, idle_ms = self._clock.now(), self._idle_ms()
            for known in self._sessions.values():
                judge = known.judge
                if not judge.has_ended:
                    if self._recorder is not None:
                        self._recorder.resume(judge)
                    was_cut_off = judge.is_cut_off
                    silent_ms = idle_ms - known.heard_at_ms
                    self._keep(known, judge.tick(known.session_ms(now), silent_ms, now))
                    self._tell_lost(known, judge.mark.now_ms)
                    if judge.is_cut_off and not was_cut_off:
                        self._metrics.count("shard_hosts_lost")
            await self._read_allowances(self._stale.among(self._sessions)[:READ_AT_ONCE])
            await self._settle([known for known in self._sessions.values() if known.has_work])
            await self._ask_for_reconnections()
            waiting = sum(len(known.rows) for known in self._sessions.values())
            self._metrics.gauge("shard_sessions", len(self._sessions))
            self._metrics.gauge("shard_unsynced_rows", waiting)
            self._cover.tell(known.status() for known in self._sessions.values() if known.is_live)

    async def _ask_for_reconnections(self) -> None:
        """Ask the pages of sessions that are not seen to connect anew, unless Redis is away."""
        now_ms = self._clock.monotonic_ms()
        for session_id, known in self._sessions.items():
            reason = known.wants_reconnect(now_ms)
            epoch = known.judge.mark.epoch
            if reason is not None and not await self._news.reconnect(session_id, epoch, reason):
                return

    async def close(self) -> None:
        """Write down what is not written yet; the stores stay open, they are the caller's."""
        async with self._turn():
            await self._settle(list(self._sessions.values()))

    async def _find(self, report: TickReport) -> JudgedSession | Acknowledgement | None:
        """The session of a report; an answer when it is not judged here; None for "not now"."""
        spec, known = report.spec, self._sessions.get(report.session_id)
        if known is not None and (spec is None or known.is_of(spec)):
            return known
        if spec is None:
            return self._refuse(report, "unknown", 0, RESEND_SPEC)
        try:
            if await self._news.has_ended(spec.session_id):
                return self._refuse(report, "ended", report.seq, STOP)
            return await self._meet(report, spec)
        except StateStoreUnavailable:
            self._metrics.count("shard_reports", outcome="not_now")
            return None
        except InvalidInput as error:
            extra = {"session_id": report.session_id, "code": error.code}
            logger.error("a session cannot be judged", extra=extra)
            return self._refuse(report, "broken", report.seq, STOP)

    def _refuse(
        self, report: TickReport, outcome: str, seq: int, commands: tuple[Command, ...]
    ) -> Acknowledgement:
        self._metrics.count("shard_reports", outcome=outcome)
        return Acknowledgement(
            session_id=report.session_id, epoch=report.epoch, seq=seq, commands=commands
        )

    async def _meet(self, report: TickReport, spec: SessionSpec) -> JudgedSession:
        """A session that is not known: new, or one whose memory was lost."""
        is_fresh = report.seq == 1 and (report.epoch == 1 or report.sent_ms < FRESH_WITHIN_MS)
        if is_fresh:
            return self._hold(SessionJudge(spec))
        known = await self._remember(spec)
        self._keep(known, known.judge.begin_unknown(report, self._clock.now()))
        return known

    async def _remember(self, spec: SessionSpec) -> JudgedSession:
        """A session whose memory is gone, with what the database knows of it."""
        committed = await self._archive.read(spec)
        known = self._hold(SessionJudge(spec))
        self._stale.add(spec.session_id)
        await self._read_allowances([spec.session_id])
        self._adopt(known, committed, self._clock.now())
        return known

    def _adopt(self, known: JudgedSession, committed: Committed, now: datetime) -> None:
        self._keep(known, known.judge.adopt(committed.incidents, committed.last_seq, now))

    async def _catch_up(self, now: datetime) -> None:
        """Redis may have lost its last second: the database then knows alerts that no checkpoint does.

        One that is away is asked once, not once per session: the hosts are waiting.
        """
        try:
            for session_id, known in self._sessions.items():
                if await self._archive.last_seq(session_id) > known.judge.alert_seq:
                    committed = await self._archive.read(known.judge.spec)
                    known.rows.clear()  # older than what is committed, so committed themselves
                    self._adopt(known, committed, now)
        except StateStoreUnavailable:
            logger.warning("the database is away: alert numbers could not be compared")

    def _hold(self, judge: SessionJudge, read_back: bool = False) -> JudgedSession:
        """Take a judge in; alerts of one that it replaces keep their numbers and still go out."""
        known = JudgedSession(judge, self._idle_ms())
        if self._recorder is not None:
            (self._recorder.go_on if read_back else self._recorder.begin)(judge)
        before = self._sessions.get(judge.spec.session_id)
        if before is not None:
            known.rows = before.rows
            judge.go_on_after(before.judge.alert_seq)
        self._sessions[judge.spec.session_id] = known
        return known

    def _take(self, known: JudgedSession, report: TickReport) -> Sequence[Command]:
        """Judge one report if it is the next one; return the shard's wishes."""
        known.heard_at_ms = self._idle_ms()
        judge = known.judge
        if report.spec is not None and judge.mark.epoch not in (0, report.epoch):
            self._stale.add(report.session_id)  # a change may have been missed meanwhile
        if judge.has_ended:
            self._metrics.count("shard_reports", outcome="ended")
            return STOP
        if not judge.follows(report):
            is_old = (report.epoch, report.seq) <= (judge.mark.epoch, judge.mark.seq)
            if report.epoch < judge.mark.epoch and report.orders and judge.owes_evidence:
                self._keep(known, judge.evidence_news(report.orders, self._clock.now()))
            self._metrics.count("shard_reports", outcome="duplicate" if is_old else "early")
            return () if is_old else RESEND_SPEC
        try:
            judgement = judge.consume(report, self._clock.now())
        except Exception:  # a mailbox's boundary: one report must not stop a shard of sessions
            logger.exception("a report broke its judge", extra={"session_id": report.session_id})
            self._metrics.count("shard_reports", outcome="broken")
            judgement = judge.skip(report)
        else:
            self._metrics.count("shard_reports", outcome="taken")
        self._keep(known, judgement)
        return judgement.commands

    def _tell_lost(self, known: JudgedSession, at_ms: int, is_over: bool = False) -> None:
        """Tell of evidence that was ordered and that nobody will bring any more."""
        judge = known.judge
        for note in judge.lost_evidence(at_ms, is_over) if not judge.has_ended else ():
            self._metrics.count("shard_evidence_lost")
            self._keep(known, judge.annotate(note, self._clock.now()))

    def _keep(self, known: JudgedSession, judgement: Judgement) -> None:
        """Hold what must reach the database, and count the alerts."""
        known.keep(judgement)
        for alert in judgement.alerts:
            self._traces.raised(known, alert.alert_id)
            self._metrics.count(
                "alerts_raised",
                category=alert.category,
                severity=alert.severity,
                transition=alert.transition,
            )
            if alert.transition is Transition.OPENED:
                began_at = known.judge.spec.started_at + timedelta(milliseconds=alert.occurred_ms)
                delay_s = (alert.raised_at - began_at).total_seconds()
                self._metrics.observe("alert_delay_seconds", max(0.0, delay_s))
                rule = alert.rule_id if alert.rule_id in self._rules else "custom"
                self._metrics.count("incidents_opened", rule=rule, severity=alert.severity)

    async def _settle(self, touched: Sequence[JudgedSession]) -> None:
        """Write down, commit, tell the candidates' pages, let go of what has ended.

        Once Redis has not answered, nothing more is asked of it in this step: each question would wait.
        """
        with self._traces.committing():
            is_written = await self._writer.checkpoint(touched)
            self._writer.note_store(touched, not is_written, self._clock.now())
            await self._writer.commit(touched)
        for known in touched if is_written else ():
            try:
                await self._tell(known)
            except StateStoreUnavailable:
                return  # the next turn of the timer tries again

    async def _tell(self, known: JudgedSession) -> None:
        """News for the page; an ended session whose rows are committed is forgotten but for its end."""
        session_id, status = known.judge.spec.session_id, known.status()
        if known.judge.has_ended:
            if not known.rows:
                await self._news.ended(session_id)
                if self._recorder is not None:
                    self._recorder.finish(known.judge)
                await self._writer.drop(session_id)
                self._sessions.pop(session_id, None)
        elif known.told != status:
            await self._news.status(session_id, *status)
            known.told = status
