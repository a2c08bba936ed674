"""Holds many sessions: admits them, asks the models for all of them at once, reports to the judges.

It sees pixels and never judges. A host is a plain object; an actor only wraps it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from proctor.domain.candidates import ModelRef
from proctor.domain.errors import Conflict, NoCapacity, NotFound
from proctor.domain.ids import SessionId
from proctor.domain.observations import ClientEventName
from proctor.domain.reports import Acknowledgement
from proctor.domain.sessions import SessionSpec
from proctor.identity.matching import MatchCalibration
from proctor.identity.voices import FIRST_CALIBRATION, VoiceCalibration
from proctor.ports import (
    Answer,
    ClipWriter,
    Clock,
    FaceIndex,
    MediaPeer,
    MediaPeers,
    Metrics,
    Perception,
    SessionJudges,
    Tracer,
)
from proctor.services.host.asking import DEADLINE_MS, Asker
from proctor.services.host.courier import Courier
from proctor.services.host.evidence_box import USUAL_LIMITS, KeepingLimits
from proctor.services.host.handing import Hands, RunningKeeper
from proctor.services.host.identity import look_up
from proctor.services.host.live_session import LiveSession
from proctor.services.host.moving import Moves
from proctor.services.host.pace import HostLoad, Pressure, refusal, refused_for
from proctor.services.host.pages import Pages
from proctor.services.no_tracing import OFF

logger = logging.getLogger(__name__)

CLOSING_MS = 30_000
RUNNING_AFTER_S = 30.0
"""A session older than this has been somewhere before: a new one is never kept waiting so long."""


@dataclass(frozen=True, slots=True)
class _Hosted:
    """A session and its connection."""

    session: LiveSession
    peer: MediaPeer


class SessionHost:
    """Up to `capacity` live sessions in one event loop.

    Args:
        name: The host's own name, for logs.
        capacity: How many connections it may hold.
        tick_ms: How often it asks and reports.
        perception: The models.
        groups: The model groups that are served, besides face, body and speech.
        judges: The fusion shards.
        faces: The enrolled templates.
        calibrations: How the distances of each embedding model are read.
        peers: Makes connections.
        pages: Speaks to the candidates' pages; None: nothing is said to them.
        clock: Time.
        metrics: Numbers.
        keeper: Who keeps evidence.
        clips: Makes clips of received media.
        keeping: How much of a session is kept for evidence.
        likeness: How the likeness of two voices becomes a probability.
        tracer: Traces joins, calls and reports.
    """

    def __init__(
        self,
        *,
        name: str,
        capacity: int,
        tick_ms: int,
        perception: Perception,
        judges: SessionJudges,
        faces: FaceIndex,
        calibrations: Mapping[ModelRef, MatchCalibration],
        peers: MediaPeers,
        clock: Clock,
        metrics: Metrics,
        keeper: RunningKeeper,
        clips: ClipWriter,
        keeping: KeepingLimits = USUAL_LIMITS,
        pages: Pages | None = None,
        groups: Collection[str] = (),
        likeness: VoiceCalibration | None = FIRST_CALIBRATION,
        tracer: Tracer = OFF,
    ) -> None:
        self._name = name
        self._tracer = tracer
        self._likeness = likeness
        self._clips = clips
        self._keeping = keeping
        self._hands = Hands(keeper=keeper, clock=clock, metrics=metrics)
        self._groups = frozenset(groups)
        self._capacity = capacity
        self._tick_ms = tick_ms
        self._faces = faces
        self._calibrations = calibrations
        self._peers = peers
        self._pages = pages
        self._clock = clock
        self._metrics = metrics
        self._pressure = Pressure(tick_ms)
        self._courier = Courier(
            judges=judges, took=self._obey, clock=clock, metrics=metrics, tracer=tracer
        )
        self._asker = Asker(
            perception=perception,
            took=self._pressure.round_took,
            broke=self._break_off,
            clock=clock,
            metrics=metrics,
            tracer=tracer,
        )
        self._hosted: dict[SessionId, _Hosted] = {}
        self._joining: dict[SessionId, int] = {}
        self._closing: list[tuple[LiveSession, int]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._moves = Moves()
        self._closed = False
        self._draining = False

    async def join(self, spec: SessionSpec, offer_sdp: str, trace: str = "") -> Answer:
        """Host the session and answer the offer; an older connection of it here is closed first.

        Args:
            spec: The session.
            offer_sdp: The offer.
            trace: The W3C traceparent of the offer, where it is traced.

        Raises:
            NoCapacity: The host is full, pressed, being emptied, or closed.
            Conflict: A newer connection of the session is here already, or this one was left meanwhile.
            InvalidInput: The offer or the policy cannot be used; nothing is left behind.
        """
        with self._tracer.child("host.join", trace):
            return await self._join(spec, offer_sdp)

    async def _join(self, spec: SessionSpec, offer_sdp: str) -> Answer:
        self._admit(spec)
        now_ms = self._clock.monotonic_ms()
        session = LiveSession(
            spec,
            base_ms=max(0, round(self._age_s(spec) * 1000)),
            joined_at_ms=now_ms,
            faces=self._faces,
            calibrations=self._calibrations,
            overdue_ms=2 * DEADLINE_MS - self._tick_ms,
            groups=self._groups,
            likeness=self._likeness,
            clips=self._clips,
            keeping=self._keeping,
        )
        if spec.session_id in self._hosted:
            session.inherit(self._hosted[spec.session_id].session)
        peer = self._peers.open(session)
        self._joining[spec.session_id] = spec.epoch
        try:
            await self._remove(spec.session_id)
            answer = await peer.answer(offer_sdp)
            if self._closed or self._joining.get(spec.session_id) != spec.epoch:
                raise Conflict("this connection was given up, or replaced by a newer one")
        except BaseException:
            await peer.close()
            raise
        finally:
            if self._joining.get(spec.session_id) == spec.epoch:
                del self._joining[spec.session_id]
        self._hosted[spec.session_id] = _Hosted(session, peer)
        if self._pages is not None:
            self._pages.connected(spec.session_id)
        logger.info("session joined", extra=self._about(spec))
        return Answer(answer, spec.epoch)

    async def trickle(self, session_id: SessionId, epoch: int, fragment: str) -> None:
        """Add ICE candidates. Raises `NotFound` for another epoch or session."""
        await self._find(session_id, epoch).peer.trickle(fragment)

    async def leave(self, session_id: SessionId, epoch: int) -> None:
        """Close that connection, or an older one, in order; nothing happens when neither is here.

        One whose offer is still being answered is given up.
        """
        if 0 < self._joining.get(session_id, 0) <= epoch:
            del self._joining[session_id]
        hosted = self._hosted.get(session_id)
        if hosted is not None and hosted.session.spec.epoch <= epoch:
            await self._remove(session_id)

    async def client_event(self, session_id: SessionId, name: ClientEventName) -> None:
        """Note what the candidate's page said. Raises `NotFound` when the session is not here."""
        session = self._find(session_id).session
        session.client_event(name, session.session_ms(self._clock.monotonic_ms()))

    def load(self) -> HostLoad:
        """How full the host is."""
        joining = len(self._joining.keys() - self._hosted.keys())
        return HostLoad(
            sessions=len(self._hosted) + joining,
            capacity=self._capacity,
            lag_ms=self._pressure.lag_ms,
            shed=self._pressure.level,
            is_draining=self._draining,
        )

    async def drain(self, wave: int) -> int:
        """Take no session any more, for good, and ask some of those here to connect elsewhere.

        A page that does not come away is asked again, and let go in the end: it then comes back by itself.

        Args:
            wave: How many further sessions to ask now.

        Returns:
            How many sessions are left.

        Raises:
            StateStoreUnavailable: The pages cannot be asked now; call again.
        """
        self._draining = True
        turn = self._moves.turn(self._hosted, wave, self._clock.monotonic_ms())
        if self._pages is not None:
            await self._pages.move(turn.ask)
        for session_id in turn.let_go:
            await self._remove(session_id)
        return self.load().sessions

    def retire(self) -> bool:
        """Take no session any more, unless there is one: whether the host may be ended now."""
        is_empty = self.load().sessions == 0
        self._draining = self._draining or is_empty
        return is_empty

    async def run(self) -> None:
        """Tick until cancelled or closed. A tick that comes late is not made up for."""
        self._hands.start()
        planned_ms = self._clock.monotonic_ms()
        while not self._closed:
            try:
                self._tick(max(0, self._clock.monotonic_ms() - planned_ms))
            except Exception:  # the host's boundary: the next tick may well succeed
                self._metrics.count("host_failed_ticks")
                logger.exception("a tick failed", extra={"host": self._name})
            now_ms = self._clock.monotonic_ms()
            planned_ms = max(planned_ms + self._tick_ms, now_ms)
            await self._clock.sleep((planned_ms - now_ms) / 1000)

    async def close(self) -> None:
        """Close every session in order, hand in what is left once, and leave nothing running."""
        if self._closed:
            return
        self._closed = True
        for session_id in list(self._hosted):
            await self._remove(session_id)
        await self._asker.close()
        if self._pages is not None:
            await self._pages.close()
        await self._courier.close()
        await self._hands.close()
        for session, _ in self._closing:
            session.make_last_words(session.session_ms(self._clock.monotonic_ms()))
        last = [report for session, _ in self._closing for report in session.reports.rest()]
        if last:
            await self._courier.deliver(last)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _admit(self, spec: SessionSpec) -> None:
        here = self._hosted.get(spec.session_id)
        epoch = here.session.spec.epoch if here else 0
        if spec.epoch <= max(epoch, self._joining.get(spec.session_id, 0)):
            raise Conflict("a newer connection of this session is open")
        if self._closed:
            self._metrics.count("host_refusals", why="closed")
            raise NoCapacity(f"session host {self._name} is closed")
        load = self.load()
        is_resumed = here is not None or spec.session_id in self._joining
        if is_resumed:  # it takes its own place
            load = replace(load, sessions=load.sessions - 1)
        is_running = is_resumed or self._age_s(spec) > RUNNING_AFTER_S
        why = refusal(load, is_running=is_running)
        if why is not None:
            self._metrics.count("host_refusals", why=refused_for(load, is_running=is_running) or "")
            raise NoCapacity(f"session host {self._name} {why}")

    def _age_s(self, spec: SessionSpec) -> float:
        return (self._clock.now() - spec.started_at).total_seconds()

    def _find(self, session_id: SessionId, epoch: int | None = None) -> _Hosted:
        hosted = self._hosted.get(session_id)
        if hosted is None or epoch not in (None, hosted.session.spec.epoch):
            raise NotFound("this connection is not open here")
        return hosted

    async def _remove(self, session_id: SessionId) -> None:
        hosted = self._hosted.pop(session_id, None)
        if hosted is None:
            return
        now_ms = self._clock.monotonic_ms()
        hosted.session.close(hosted.session.session_ms(now_ms))
        self._closing.append((hosted.session, now_ms + CLOSING_MS))
        self._hand_over(hosted.session, now_ms, everything=True)
        await self._hang_up(hosted)

    async def _hang_up(self, hosted: _Hosted) -> None:
        try:
            await hosted.peer.close()
        except Exception:  # a boundary: what a connection does at its end concerns no other session
            logger.exception("a connection did not close", extra=self._about(hosted.session.spec))
        logger.info("session left", extra=self._about(hosted.session.spec))

    def _tick(self, late_ms: int) -> None:
        now_ms = self._clock.monotonic_ms()
        shed = self._pressure.tick(late_ms)
        sessions = [hosted.session for hosted in self._hosted.values()]
        times = {session: session.session_ms(now_ms) for session in sessions}
        for session, at_ms in times.items():
            try:
                session.tick(at_ms)
            except Exception:  # noqa: BLE001  # one session's boundary: the others go on
                self._break_off(session)
            if session.identity.should_look_up(at_ms):
                self._spawn(look_up(session.identity, at_ms, self._metrics))
            if session.is_gone(at_ms):
                self._spawn(self._remove(session.spec.session_id))
        self._asker.ask(times, shed)
        if self._pages is not None:
            looks = {
                one.spec.session_id: one.looks_hz(at, shed)
                for one, at in times.items()
                if not one.spec.is_rehearsal
            }
            self._pages.tick(looks, shed, now_ms)
            tried = {one.spec.session_id: one.rehearsed(at) for one, at in times.items()}
            self._pages.rehearsed({name: seen for name, seen in tried.items() if seen is not None})
        self._closing = [
            (session, until_ms)
            for session, until_ms in self._closing
            if now_ms < until_ms and not session.is_done
        ]
        leaving = [session for session, _ in self._closing]
        for session in leaving:
            self._hand_over(session, now_ms, everything=True)
            session.make_last_words(session.session_ms(now_ms))
        for session in sessions:
            self._hand_over(session, now_ms)
            session.make_report(times[session])
        self._courier.set_out(
            [
                report
                for session in leaving + sessions
                if self._courier.is_ready(session.spec.session_id, now_ms)
                for report in session.reports.to_send(session.session_ms(now_ms))
            ]
        )
        self._measure(sessions, late_ms)

    def _hand_over(self, session: LiveSession, now_ms: int, everything: bool = False) -> None:
        """Bring what is due of a session's evidence to the keeper, beside the reports."""
        box = session.box
        if box is None:
            return
        for parcel in box.due(session.session_ms(now_ms), everything):
            self._hands.take(parcel, partial(box.settled, parcel.order))

    def _break_off(self, session: LiveSession) -> None:
        """Close the connection of a session that failed: its page comes back with a new one."""
        self._metrics.count("host_failed_ticks")
        logger.exception("a session failed", extra=self._about(session.spec))
        self._spawn(self._remove(session.spec.session_id))

    def _obey(self, acknowledgement: Acknowledgement) -> None:
        for session, _ in self._closing:
            if session.spec.session_id == acknowledgement.session_id:
                session.obey(acknowledgement)
        hosted = self._hosted.get(acknowledgement.session_id)
        if hosted is not None and hosted.session.obey(acknowledgement):
            del self._hosted[acknowledgement.session_id]
            now_ms = self._clock.monotonic_ms()
            hosted.session.close(hosted.session.session_ms(now_ms))
            self._hand_over(hosted.session, now_ms, everything=True)
            self._spawn(self._hang_up(hosted))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _measure(self, sessions: list[LiveSession], late_ms: int) -> None:
        self._metrics.observe("host_tick_lag_seconds", late_ms / 1000)
        self._metrics.gauge("host_sessions", len(sessions))
        self._metrics.gauge("host_shed_level", float(self._pressure.level))
        counts: Counter[str] = Counter()
        for session in sessions:
            session.add_counts(counts)
        for what, count in counts.items():
            self._metrics.count("host_media", count, what=what)
        looks: Counter[tuple[str, str]] = Counter()
        for session in sessions:
            session.add_looks(looks)
        for (group, what), count in looks.items():
            self._metrics.count("host_looks", count, group=group, what=what)
        waiting = sum(len(session.reports) for session in sessions)
        waiting += sum(len(session.reports) for session, _ in self._closing)
        self._metrics.gauge("host_reports_waiting", waiting)

    def _about(self, spec: SessionSpec) -> dict[str, object]:
        return {"session_id": spec.session_id, "epoch": spec.epoch, "host": self._name}
