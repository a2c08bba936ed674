"""What a session host itself costs: CPU per session-second, without WebRTC and without models.

    python -m bench.host_cost --sessions 25 --seconds 20 [--json FILE]

Pictures (320x240 at 5 a second, each with its own noise) and sound (60 ms packets) are pushed into
the host on the machine's own clock; the models and the judges answer at once, and what they and the
pushing cost is counted in. The two dearest parts are measured apart, on one picture after the other.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from bench.unkept import Unkept
from proctor.adapters.clock import SystemClock
from proctor.adapters.webrtc.clips import Remuxer
from proctor.domain.candidates import FaceTemplate, ModelRef
from proctor.domain.errors import PerceptionUnavailable
from proctor.domain.geometry import BodyPoint, Box, Gaze, HeadPose
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.media import AUDIO_RATE_HZ, Image, Samples, frozen
from proctor.domain.notes import IncidentNote
from proctor.domain.observations import Producer
from proctor.domain.perception import (
    BodyAnswer,
    BodyAsk,
    Embedding,
    FaceAnswer,
    FaceAsk,
    FaceReading,
    ObjectsAnswer,
    ObjectsAsk,
    SpeakersAnswer,
    SpeakersAsk,
    SpeechAnswer,
    SpeechAsk,
    WordsAnswer,
    WordsAsk,
)
from proctor.domain.reports import Acknowledgement, TickReport
from proctor.domain.sessions import SessionSpec
from proctor.identity.matching import MatchCalibration
from proctor.ports import MediaSink
from proctor.services.host.picture import judged, measure, small_luma
from proctor.services.host.session_host import SessionHost

POLICY = Path(__file__).resolve().parent.parent / "policies" / "standard.yaml"
PICTURES_HZ = 5
PACKET_MS = 60
PRODUCER = Producer("bench", "1", "0" * 64)
EMBEDDING = ModelRef(PRODUCER.model, PRODUCER.version)


class AnswersAtOnce:
    """`Perception` that costs nothing: one face, one body, no speech."""

    def __init__(self) -> None:
        self._embedding: Embedding = np.full(128, 128**-0.5, np.float32)
        self.asks = 0

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        """One face each, embedded when asked for."""
        self.asks += len(asks)
        return [
            FaceAnswer(faces=(self._face(ask.embed),), producers=(PRODUCER, PRODUCER))
            for ask in asks
        ]

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        """All joints in the middle."""
        self.asks += len(asks)
        points = tuple(BodyPoint(0.5, 0.5, 0.9) for _ in range(33))
        return [BodyAnswer(points=points, producers=(PRODUCER,)) for _ in asks]

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """Nobody speaks."""
        self.asks += len(asks)
        return [
            SpeechAnswer(
                probabilities=(0.01,) * (len(ask.samples) // 512),
                state=ask.state,
                context=None,
                producers=(PRODUCER,),
            )
            for ask in asks
        ]

    async def speakers(self, asks: Sequence[SpeakersAsk]) -> Sequence[SpeakersAnswer]:
        """Switched off."""
        raise PerceptionUnavailable("no model is chosen for speakers")

    async def words(self, asks: Sequence[WordsAsk]) -> Sequence[WordsAnswer]:
        """Switched off."""
        raise PerceptionUnavailable("no model is chosen for words")

    async def objects(self, asks: Sequence[ObjectsAsk]) -> Sequence[ObjectsAnswer]:
        """Switched off."""
        raise PerceptionUnavailable("no model is chosen for objects")

    def _face(self, embed: bool) -> FaceReading:
        return FaceReading(
            box=Box(0.35, 0.2, 0.3, 0.4),
            score=0.9,
            presence=0.97,
            width_px=96.0,
            sharpness=300.0,
            brightness=0.5,
            head=HeadPose(0.0, 0.0, 0.0),
            gaze=Gaze(0.0, 0.0),
            eyes_open=0.3,
            mouth_open=0.05,
            embedding=self._embedding if embed else None,
        )


class TakesAll:
    """`SessionJudges` that acknowledge everything."""

    def __init__(self) -> None:
        self.reports = 0
        self.observations = 0

    def lane(self, _session_id: SessionId) -> str:
        """One for all."""
        return "all"

    async def submit(self, reports: Sequence[TickReport]) -> Sequence[Acknowledgement]:
        """Acknowledge."""
        self.reports += len(reports)
        self.observations += sum(len(report.observations) for report in reports)
        return [
            Acknowledgement(session_id=report.session_id, epoch=report.epoch, seq=report.seq)
            for report in reports
        ]

    async def end(self, spec: SessionSpec, ended_at: datetime) -> None:
        """Nothing to forget."""

    async def allowances_changed(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Nothing is judged."""

    async def annotate(self, note: IncidentNote) -> bool:
        """Nothing is told."""
        return False


class Enrolled:
    """`FaceIndex` in which everybody is enrolled."""

    async def put(self, template: FaceTemplate) -> None:
        """Nothing is kept."""

    async def find(
        self, tenant_id: TenantId, candidate_id: CandidateId, model: ModelRef
    ) -> FaceTemplate | None:
        """The same template for all."""
        return FaceTemplate(
            tenant_id=tenant_id,
            candidate_id=candidate_id,
            version=1,
            model=model,
            embeddings=np.full((3, 128), 128**-0.5, np.float32),
            created_at=SystemClock().now(),
        )

    async def newest_version(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        """Always the first."""
        return 1

    async def erase(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Nothing is kept."""


class NoMetrics:
    """`Metrics` that go nowhere."""

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Forget."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Forget."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Forget."""


class Pushed:
    """`MediaPeer` and `MediaPeers` in one: the bench pushes into the sinks itself."""

    def __init__(self) -> None:
        self.sinks: list[MediaSink] = []

    def open(self, sink: MediaSink) -> "Pushed":
        """Remember the sink."""
        self.sinks.append(sink)
        return self

    async def answer(self, offer_sdp: str) -> str:
        """Agree to anything."""
        return offer_sdp

    async def trickle(self, fragment: str) -> None:
        """Nothing to add."""

    async def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCost:
    """What was measured; milliseconds of CPU.

    Attributes:
        sessions: How many at once.
        seconds: For how long.
        cpu_ms_per_session_second: Of the whole process.
        measure_ms: Luma and plain measures of one picture.
        encode_ms: JPEG and digest of one judged picture.
        asks_per_session_second: Questions to the models.
        observations_per_session_second: Facts reported.
        reports_per_session_second: Reports made.
        lag_ms: How late ticks began in the end, a moving mean.
    """

    sessions: int
    seconds: float
    cpu_ms_per_session_second: float
    measure_ms: float
    encode_ms: float
    asks_per_session_second: float
    observations_per_session_second: float
    reports_per_session_second: float
    lag_ms: int


def _pictures() -> list[Image]:
    random = np.random.default_rng(3)
    small = random.integers(0, 255, (15, 20, 3)).repeat(16, axis=0).repeat(16, axis=1)
    return [
        np.asarray(
            frozen(np.clip(small + random.normal(0, 2, small.shape), 0, 255).astype(np.uint8))
        )
        for _ in range(16)
    ]


def _packet() -> Samples:
    random = np.random.default_rng(5)
    sound = random.uniform(-0.01, 0.01, AUDIO_RATE_HZ * PACKET_MS // 1000).astype(np.float32)
    return np.asarray(frozen(sound))


def spec_of(number: int, started_at: datetime, policy: str) -> SessionSpec:
    """A session of its own candidate."""
    return SessionSpec(
        session_id=SessionId(f"ses_{number}"),
        tenant_id=TenantId("ten_bench"),
        exam_id=ExamId("exa_bench"),
        candidate_id=CandidateId(f"can_{number}"),
        policy_text=policy,
        started_at=started_at,
        epoch=1,
    )


async def _push(
    sinks: Sequence[MediaSink], pictures: Sequence[Image], seconds: float, clock: SystemClock
) -> None:
    """Media of every session, their phases spread over the period of a picture."""
    packet = _packet()
    slot_ms = 1000 / PICTURES_HZ / 10
    began_ms = clock.monotonic_ms()
    for slot in range(round(seconds * 1000 / slot_ms)):
        now_ms = clock.monotonic_ms()
        for number, sink in enumerate(sinks):
            if (slot + number) % 10 == 0:
                sink.on_picture(pictures[(slot // 10 + number) % len(pictures)], now_ms)
            if (slot + number) % round(PACKET_MS / slot_ms) == 0:
                sink.on_sound(packet, now_ms, 0)
        due_ms = began_ms + (slot + 1) * slot_ms
        await asyncio.sleep(max(0.0, due_ms - clock.monotonic_ms()) / 1000)


def _cpu_ms(step: Callable[[Image], object]) -> float:
    pictures = _pictures()
    began = time.process_time()
    for turn in range(400):
        step(pictures[turn % len(pictures)])
    return (time.process_time() - began) * 1000 / 400


async def host_cost(sessions: int, seconds: float) -> HostCost:
    """Run a host with that many sessions for that long."""
    clock, perception, judges, peers = SystemClock(), AnswersAtOnce(), TakesAll(), Pushed()
    calibration = MatchCalibration(
        metric="l2", slope=20.0, midpoint=0.6, match_above=0.9, no_match_below=0.1, fmr=1e-3
    )
    host = SessionHost(
        name="bench",
        capacity=sessions,
        tick_ms=200,
        perception=perception,
        judges=judges,
        faces=Enrolled(),
        calibrations={EMBEDDING: calibration},
        peers=peers,
        clock=clock,
        metrics=NoMetrics(),
        keeper=Unkept(),
        clips=Remuxer(),
    )
    pictures = _pictures()
    policy, started_at = POLICY.read_text(encoding="utf-8"), clock.now()
    for number in range(sessions):
        await host.join(spec_of(number, started_at, policy), "offer")
    running = asyncio.create_task(host.run())
    await _push(peers.sinks, pictures, 2, clock)
    asks, reports, observations = perception.asks, judges.reports, judges.observations
    began = time.process_time()
    await _push(peers.sinks, pictures, seconds, clock)
    used_s = time.process_time() - began
    lag_ms = host.load().lag_ms
    counted = (
        perception.asks - asks,
        judges.observations - observations,
        judges.reports - reports,
    )
    await host.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    luma = small_luma(pictures[0])
    each = sessions * seconds
    return HostCost(
        sessions=sessions,
        seconds=seconds,
        cpu_ms_per_session_second=used_s * 1000 / each,
        measure_ms=_cpu_ms(lambda picture: measure(small_luma(picture), luma)),
        encode_ms=_cpu_ms(lambda picture: judged(picture, 0)),
        asks_per_session_second=counted[0] / each,
        observations_per_session_second=counted[1] / each,
        reports_per_session_second=counted[2] / each,
        lag_ms=lag_ms,
    )


def main(
    sessions: Annotated[list[int] | None, typer.Option(help="how many at once")] = None,
    seconds: Annotated[float, typer.Option(help="for how long")] = 20.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="also write it here")] = None,
) -> None:
    """Measure and print a table."""
    costs = [asyncio.run(host_cost(count, seconds)) for count in sessions or [25, 50]]
    table = Table(title="session host without WebRTC and models")
    for name in asdict(costs[0]):
        table.add_column(name.replace("_", " "), justify="right")
    for cost in costs:
        table.add_row(*(f"{value:.3g}" for value in asdict(cost).values()))
    Console(width=160).print(table)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(cost) for cost in costs], indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
