"""What judging costs: reports a second and bytes of checkpoints of one fusion shard, stores aside.

    python -m bench.judge_cost --sessions 200 --seconds 30 [--rounds 3] [--json FILE]

Each figure stands twice: without and with the recording of what is judged, its files encoded; the
rounds take turns and the quickest of each counts.

Every session reports five times a second what a session host would: faces and gaze once a second (four
times in the part where a tenth of the candidates looks away), a picture's measures, sound, a body every
five seconds, three comparisons every fifteen. Session time is simulated; what is measured is CPU time.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from proctor.adapters.recordings.arrow import write_arrow
from proctor.domain.alerts import Alert
from proctor.domain.allowances import NOTHING_ALLOWED, Allowances
from proctor.domain.coverage import CoverageState, Modality
from proctor.domain.errors import NotFound
from proctor.domain.geometry import BodyPoint, Box, Gaze, HeadPose
from proctor.domain.ids import AlertId, CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.observations import (
    BodySeen,
    FaceMatched,
    FacesSeen,
    GazeSeen,
    Observation,
    PictureSeen,
    Producer,
    SeenFace,
    SpeechHeard,
    StreamState,
)
from proctor.domain.recordings import Footer, Recording, RecordingKey, Segment
from proctor.domain.reports import TickReport
from proctor.domain.sessions import SessionSpec
from proctor.fusion.judge import SessionJudge
from proctor.ports import Judged, Subscription
from proctor.services.judge_sessions import JudgeShard
from proctor.services.judging.recorder import FLUSH_S, Recorder

POLICY = Path(__file__).resolve().parent.parent / "policies" / "standard.yaml"
TICK_MS = 200
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PRODUCERS = (Producer("bench-detector", "1", "0" * 64), Producer("bench-mesh", "1", "1" * 64))
JOINTS = tuple(BodyPoint(0.5, 0.5, 0.9) for _ in range(33))
FACE = SeenFace(box=Box(0.35, 0.2, 0.3, 0.4), score=0.9, presence=0.97)


class SimulatedClock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.elapsed_ms = 0

    def now(self) -> datetime:
        """Simulated wall time."""
        return BEGAN + timedelta(milliseconds=self.elapsed_ms)

    def monotonic_ms(self) -> int:
        """Simulated."""
        return self.elapsed_ms

    async def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.elapsed_ms += round(seconds * 1000)


class Stores:
    """Every port a shard writes to; counts, keeps nothing."""

    def __init__(self) -> None:
        self.bytes_written = {"mark": 0, "spec": 0, "rows": 0, "body": 0, "tape": 0}
        self.writes = dict.fromkeys(self.bytes_written, 0)
        self.largest_body = 0
        self.alerts = 0

    async def claim(self, shard: str) -> int:
        """The first."""
        return 1

    async def save(self, shard: str, fence: int, states: dict[SessionId, bytes]) -> None:
        """Count."""
        for key, state in states.items():
            part = key.partition("/")[2].partition("/")[0] or "body"
            self.bytes_written[part] += len(state)
            self.writes[part] += 1
            if part == "body":
                self.largest_body = max(self.largest_body, len(state))

    async def load(self, shard: str) -> dict[SessionId, bytes]:
        """Nothing."""
        return {}

    async def drop(self, shard: str, fence: int, *states: SessionId) -> None:
        """Nothing to drop."""

    async def commit(self, judged: Sequence[Judged]) -> None:
        """Count."""
        self.alerts += sum(len(one.alerts) for one in judged)

    async def last_seq(self, session_id: SessionId) -> int:
        """None yet."""
        return 0

    async def has_alert(self, tenant_id: TenantId, alert_id: AlertId) -> bool:
        """None yet."""
        return False

    async def list_incidents(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> Sequence[Incident]:
        """None yet."""
        return []

    async def get_incident(self, tenant_id: TenantId, incident_id: IncidentId) -> Incident:
        """There is none."""
        raise NotFound(incident_id)

    async def allowances(self, tenant_id: TenantId, session_id: SessionId) -> Allowances:
        """Nothing is allowed."""
        return NOTHING_ALLOWED

    async def put_once(self, key: str, value: str, ttl_s: int) -> bool:
        """Always."""
        return True

    async def take(self, key: str) -> str | None:
        """Nothing."""
        return None

    async def put(self, key: str, value: str, ttl_s: int | None) -> None:
        """Forget."""

    async def get(self, key: str) -> str | None:
        """Nothing."""
        return None

    async def count(self, key: str, window_s: int) -> int:
        """One."""
        return 1

    async def delete(self, key: str) -> None:
        """Nothing to delete."""

    async def compact(self) -> None:
        """Nothing lies in a file."""

    async def publish(self, channel: str, message: str) -> None:
        """Nobody listens."""

    def listen(self, channel: str) -> Subscription:
        """Nobody does."""
        raise NotImplementedError("a bench listens to nothing")


class Reels:
    """Recordings and committed alerts: files are encoded and counted, nothing is kept."""

    def __init__(self) -> None:
        self.stored_bytes = 0

    async def put(self, segment: Segment) -> None:
        """Encode."""
        self.stored_bytes += len(write_arrow(segment.rows))

    async def close_with(self, footer: Footer) -> None:
        """Nothing."""

    async def read(self, key: RecordingKey) -> Recording:
        """Nothing is kept."""
        raise NotFound("a bench keeps nothing")

    async def footer(self, key: RecordingKey) -> Footer | None:
        """None."""
        return None

    async def sessions(self, tenant_id: TenantId, exam_id: ExamId) -> Sequence[SessionId]:
        """None."""
        return []

    async def footers(self) -> AsyncIterator[Footer]:
        """None."""
        nothing: tuple[Footer, ...] = ()
        for footer in nothing:
            yield footer

    async def unclosed(self) -> AsyncIterator[tuple[RecordingKey, datetime]]:
        """None."""
        nothing: tuple[tuple[RecordingKey, datetime], ...] = ()
        for one in nothing:
            yield one

    async def erase(self, key: RecordingKey) -> None:
        """Nothing to erase."""

    async def find(self, alert_id: AlertId) -> Alert:
        """None."""
        raise NotFound("a bench keeps nothing")

    async def of_session(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Alert]:
        """None."""
        return []


class NoMetrics:
    """`Metrics` that go nowhere."""

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Forget."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Forget."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Forget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCost:
    """What was measured.

    Attributes:
        sessions: How many at once.
        seconds: Of session time.
        reports: How many were judged.
        us_per_report: CPU of the whole shard, checkpoint encoded.
        us_per_empty_report: CPU of `consume` alone, without observations.
        reports_per_second: What one core can take.
        sessions_per_core: At five reports a second each.
        mark_bytes: One mark.
        body_bytes: One body, mean of those written.
        largest_body_bytes: The largest.
        bytes_per_session_second: Written to Redis in all.
        bodies_per_session_second: How often a body changed.
        tape_bytes_per_session_second: Of these, the recording's.
        recorded_bytes_per_session_hour: Of recordings in their store, compressed.
        alerts: How many were raised.
    """

    sessions: int
    seconds: int
    reports: int
    us_per_report: float
    us_per_empty_report: float
    reports_per_second: float
    sessions_per_core: float
    mark_bytes: float
    body_bytes: float
    largest_body_bytes: int
    bytes_per_session_second: float
    bodies_per_session_second: float
    tape_bytes_per_session_second: float
    recorded_bytes_per_session_hour: float
    alerts: int


def spec_of(index: int, policy_text: str) -> SessionSpec:
    """The particulars of a session."""
    return SessionSpec(
        session_id=SessionId(f"ses_{index:020x}"),
        tenant_id=TenantId("ten_bench"),
        exam_id=ExamId("exa_bench"),
        candidate_id=CandidateId(f"can_{index:020x}"),
        policy_text=policy_text,
        started_at=BEGAN,
        epoch=1,
    )


def seen_at(index: int, at_ms: int) -> tuple[Observation, ...]:
    """What a host has seen of a session in one tick."""
    if at_ms == 0:
        return tuple(
            StreamState(
                observed_ms=0,
                since_ms=0,
                modality=modality,
                state=CoverageState.MONITORED,
                reason=None,
            )
            for modality in Modality
        )
    seen: list[Observation] = [
        SpeechHeard(
            observed_ms=at_ms - TICK_MS,
            duration_ms=TICK_MS,
            voiced_ms=0,
            probability=0.01,
            level_dbfs=-55.0,
            producers=PRODUCERS[:1],
        )
    ]
    digest = f"{index:032x}{at_ms:032x}"
    looks_away = index % 10 == 0 and at_ms % 15_000 >= 11_000
    if at_ms % 1_000 == 0:
        seen.append(
            PictureSeen(
                observed_ms=at_ms,
                brightness=0.5,
                contrast=0.2,
                detail=0.01,
                change=0.01,
                still_ms=0,
            )
        )
    if at_ms % 1_000 == 0 or looks_away:
        seen.append(
            FacesSeen(
                observed_ms=at_ms,
                faces=(FACE,),
                searched_small=at_ms % 2_000 == 0,
                producers=PRODUCERS,
                frame_digest=digest,
            )
        )
        seen.append(
            GazeSeen(
                observed_ms=at_ms,
                head=HeadPose(1.0, 5.0, 0.0),
                gaze=Gaze(-22.0 if looks_away else 1.5, 5.0),
                eyes_open=0.3,
                mouth_open=0.0,
                producers=PRODUCERS,
                frame_digest=digest,
            )
        )
    if at_ms % 15_000 in (200, 600, 1_000):
        seen.append(
            FaceMatched(
                observed_ms=at_ms,
                probability=0.97,
                template_version=1,
                producers=PRODUCERS,
                frame_digest=digest,
            )
        )
    if at_ms % 5_000 == 0:
        seen.append(
            BodySeen(observed_ms=at_ms, points=JOINTS, producers=PRODUCERS, frame_digest=digest)
        )
    return tuple(seen)


async def measure(
    sessions: int, seconds: int, policy_text: str, is_recorded: bool = False
) -> JudgeCost:
    """Judge simulated sessions with one shard."""
    clock, stores, reels = SimulatedClock(), Stores(), Reels()
    recorder = Recorder(
        name="bench",
        recordings=reels,
        archive=reels,
        checkpoints=stores,
        clock=clock,
        metrics=NoMetrics(),
    )
    shard = JudgeShard(
        name="bench",
        incidents=stores,
        checkpoints=stores,
        live=stores,
        clock=clock,
        metrics=NoMetrics(),
        recorder=recorder if is_recorded else None,
    )
    await shard.start()
    specs = [spec_of(index, policy_text) for index in range(sessions)]
    used_s, reports = 0.0, 0
    for tick in range(seconds * 1000 // TICK_MS):
        clock.elapsed_ms = at_ms = tick * TICK_MS
        batch = [
            TickReport(
                session_id=spec.session_id,
                epoch=1,
                seq=tick + 1,
                sent_ms=at_ms,
                observations=seen_at(index, at_ms),
                spec=spec if tick == 0 else None,
            )
            for index, spec in enumerate(specs)
        ]
        before_s = time.process_time()
        for start in range(0, sessions, 50):
            await shard.submit(batch[start : start + 50])
        if at_ms % 500 < TICK_MS:
            await shard.tick()
        if is_recorded and at_ms % round(FLUSH_S * 1000) < TICK_MS:
            await recorder.flush()
        used_s += time.process_time() - before_s
        reports += len(batch)
    written = sum(stores.bytes_written.values()) - stores.bytes_written["spec"]
    return JudgeCost(
        sessions=sessions,
        seconds=seconds,
        reports=reports,
        us_per_report=used_s / reports * 1e6,
        us_per_empty_report=empty_report_us(specs[0]),
        reports_per_second=reports / used_s,
        sessions_per_core=reports / used_s * TICK_MS / 1000,
        mark_bytes=stores.bytes_written["mark"] / max(1, stores.writes["mark"]),
        body_bytes=stores.bytes_written["body"] / max(1, stores.writes["body"]),
        largest_body_bytes=stores.largest_body,
        bytes_per_session_second=written / sessions / seconds,
        bodies_per_session_second=stores.writes["body"] / sessions / seconds,
        tape_bytes_per_session_second=stores.bytes_written["tape"] / sessions / seconds,
        recorded_bytes_per_session_hour=reels.stored_bytes / sessions / seconds * 3600,
        alerts=stores.alerts,
    )


def empty_report_us(spec: SessionSpec) -> float:
    """CPU of judging one report in which nothing was seen."""
    judge = SessionJudge(spec)
    reports = [
        TickReport(
            session_id=spec.session_id,
            epoch=1,
            seq=seq,
            sent_ms=seq * TICK_MS,
            observations=seen_at(1, 0) if seq == 1 else (),
            spec=spec if seq == 1 else None,
        )
        for seq in range(1, 5_001)
    ]
    return _us_each(lambda: [judge.consume(report, BEGAN) for report in reports], len(reports))


def _us_each(work: Callable[[], object], times: int) -> float:
    before_s = time.process_time()
    work()
    return (time.process_time() - before_s) / times * 1e6


def main(
    sessions: Annotated[int, typer.Option(help="Sessions at once.")] = 200,
    seconds: Annotated[int, typer.Option(help="Session time.")] = 30,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the quickest counts.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here.")
    ] = None,
) -> None:
    """Measure and print."""
    text = POLICY.read_text(encoding="utf-8")
    costs: dict[bool, list[JudgeCost]] = {False: [], True: []}
    for _ in range(rounds):
        for is_recorded, found in costs.items():
            found.append(asyncio.run(measure(sessions, seconds, text, is_recorded)))
    plain, recorded = (
        asdict(min(found, key=lambda cost: cost.us_per_report)) for found in costs.values()
    )
    title = f"{sessions} sessions, {seconds} s of session time"
    table = Table("figure", "not recorded", "recorded", title=title)
    for name in plain:
        table.add_row(name, *(_shown(each[name]) for each in (plain, recorded)))
    Console().print(table)
    if json_file is not None:
        both = {"not_recorded": plain, "recorded": recorded}
        json_file.write_text(json.dumps(both, indent=2) + "\n")


def _shown(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


if __name__ == "__main__":
    typer.run(main)
