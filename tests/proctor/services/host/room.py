"""A whole host over fakes: pictures and sound in, reports out, time moved by the test."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from proctor.domain.candidates import ConsentScope
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.media import CodedPicture, CodedSound
from proctor.domain.observations import Observation, StreamState
from proctor.domain.reports import TickReport
from proctor.domain.sending import MediaWish
from proctor.domain.sessions import SessionSpec
from proctor.identity.matching import MatchCalibration
from proctor.ports import MediaTap, SessionJudges, Tracer
from proctor.services.host.evidence_box import USUAL_LIMITS, KeepingLimits
from proctor.services.host.pages import Pages
from proctor.services.host.session_host import SessionHost
from proctor.services.no_tracing import OFF
from tests.fakes.clock import FakeClock
from tests.fakes.evidence_keeper import FakeClips, FakeEvidenceKeeper
from tests.fakes.faces import FakeFaceIndex
from tests.fakes.judges import FakeJudges
from tests.fakes.live_state import FakeLiveState
from tests.fakes.media_peers import QUIET, ROOM, FakeMediaPeers, FakePeer, Lens, Microphone
from tests.fakes.metrics import FakeMetrics
from tests.fakes.perception import EMBEDDING, FakePerception

POLICIES = Path(__file__).resolve().parents[4] / "policies"
STANDARD = (POLICIES / "standard.yaml").read_text(encoding="utf-8")
CALIBRATION = MatchCalibration(
    metric="l2", slope=12.0, midpoint=0.6, match_above=0.9, no_match_below=0.1, fmr=1e-3
)
ADA = SessionId("ses_ada")
STEP_MS = 200

Seen = TypeVar("Seen", bound=Observation)


class Room:
    """Use as `async with Room() as room`: the host runs until the block ends."""

    def __init__(
        self,
        capacity: int = 4,
        policy: str = STANDARD,
        judges: Callable[[FakeClock], SessionJudges] | None = None,
        groups: Collection[str] = (),
        scopes: tuple[ConsentScope, ...] = (ConsentScope.FACE,),
        keeping: KeepingLimits = USUAL_LIMITS,
        tracer: Tracer = OFF,
    ) -> None:
        self.clock = FakeClock()
        self.perception = FakePerception(self.clock)
        self.judges = FakeJudges()
        self.peers = FakeMediaPeers()
        self.faces = FakeFaceIndex()
        self.metrics = FakeMetrics()
        self.keeper = FakeEvidenceKeeper()
        self.live = FakeLiveState(self.clock)
        self.policy = policy
        self.scopes = scopes
        self.started_at = self.clock.now()
        self.host = SessionHost(
            name="host-test",
            capacity=capacity,
            tick_ms=STEP_MS,
            perception=self.perception,
            judges=judges(self.clock) if judges else self.judges,
            faces=self.faces,
            calibrations={EMBEDDING: CALIBRATION},
            peers=self.peers,
            pages=Pages(live=self.live, usual=MediaWish(), clock=self.clock),
            groups=groups,
            clock=self.clock,
            metrics=self.metrics,
            keeper=self.keeper,
            clips=FakeClips(),
            keeping=keeping,
            tracer=tracer,
        )

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.host.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.judges.hangs = False
        closing = asyncio.create_task(self.host.close())
        while not closing.done():
            await self.clock.advance(STEP_MS)
        await closing
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def spec(self, session_id: SessionId = ADA, epoch: int = 1) -> SessionSpec:
        return SessionSpec(
            session_id=session_id,
            tenant_id=TenantId("ten_a"),
            exam_id=ExamId("exa_a"),
            candidate_id=CandidateId("can_a"),
            policy_text=self.policy,
            started_at=self.started_at,
            epoch=epoch,
            scopes=self.scopes,
        )

    async def join(self, session_id: SessionId = ADA, epoch: int = 1) -> FakePeer:
        answer = await self.host.join(self.spec(session_id, epoch), "offer")
        assert answer.epoch == epoch
        peer = self.peers.opened[-1]
        peer.sink.on_connection("connected")
        return peer

    async def watch(
        self,
        milliseconds: int,
        *,
        lens: Lens | None = ROOM,
        microphone: Microphone | None = QUIET,
        peers: list[FakePeer] | None = None,
    ) -> None:
        """Let the time pass with media of every open connection at 5 pictures a second."""
        for _ in range(milliseconds // STEP_MS):
            now_ms = self.clock.monotonic_ms()
            for peer in self.peers.open_now if peers is None else peers:
                if lens is not None:
                    peer.sink.on_picture(lens.picture(), now_ms)
                    self._tap(peer, now_ms)
                if microphone is not None:
                    peer.sink.on_sound(microphone.sound(STEP_MS), now_ms, 0)
            await self.clock.advance(STEP_MS)

    def _tap(self, peer: FakePeer, now_ms: int) -> None:
        """The same picture and sound as they were received, for a connection that keeps clips."""
        tap: MediaTap | None = getattr(peer.sink, "tap", None)
        if tap is not None:
            is_key = tap.wants_key(now_ms)
            data = b"coded %d" % now_ms
            tap.on_coded_picture(CodedPicture("VP8", data, is_key, now_ms * 90, 320, 240), now_ms)
            tap.on_coded_sound(CodedSound(b"opus %d" % now_ms, now_ms * 48, 9_600), now_ms)

    def reports(self, session_id: SessionId = ADA) -> list[TickReport]:
        return [report for report in self.judges.taken if report.session_id == session_id]

    def seen(self, kind: type[Seen], session_id: SessionId = ADA) -> list[Seen]:
        """Every observation of one class that reached the judges."""
        return [
            observation
            for report in self.reports(session_id)
            for observation in report.observations
            if isinstance(observation, kind)
        ]

    def coverage(
        self, modality: Modality, session_id: SessionId = ADA
    ) -> list[tuple[int, CoverageState, CoverageReason | None]]:
        """(since_ms, state, reason) as told, in order."""
        return [
            (state.since_ms, state.state, state.reason)
            for state in self.seen(StreamState, session_id)
            if state.modality is modality
        ]
