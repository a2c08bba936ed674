"""How long it takes to judge a recorded exam again: `proctor replay --exam` and `policy what-if`.

    python -m bench.what_if --sessions 100 --seconds 600 [--processes 2] [--json FILE]

Makes an exam in a home of its own (SQLite, recordings in a folder, one shard, session time simulated) of
the sessions of bench.judge_cost, and judges it again by its own policy and by another.
"""

import asyncio
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.judge_cost import BEGAN, POLICY, TICK_MS, NoMetrics, SimulatedClock, Stores, seen_at
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.bootstrap_evidence import open_recordings
from proctor.domain.candidates import Candidate
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.observations import Observation
from proctor.domain.recordings import RecordingKey
from proctor.domain.reports import TickReport
from proctor.domain.sessions import Exam, Session, SessionSpec, SessionState
from proctor.replaying import compare_all
from proctor.services.judge_sessions import JudgeShard
from proctor.services.judging.recorder import Recorder
from proctor.services.replays import Compared
from proctor.settings import Settings

TENANT, EXAM = TenantId("default"), ExamId("exa_recorded")
Seen = Callable[[int, int], tuple[Observation, ...]]


class PatientClock(SimulatedClock):
    """Session time is simulated; real stores are waited for in real time."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def spec_of(index: int, policy_text: str) -> SessionSpec:
    """The particulars of a session."""
    return SessionSpec(
        session_id=SessionId(f"ses_{index:020x}"),
        tenant_id=TENANT,
        exam_id=EXAM,
        candidate_id=CandidateId(f"can_{index:020x}"),
        policy_text=policy_text,
        started_at=BEGAN,
        epoch=1,
        retention_days=30,
    )


async def furnish(sql: SqlStores, specs: Sequence[SessionSpec], policy_text: str) -> None:
    """An exam with its candidates and sessions."""
    await sql.exams.ensure_tenant(TENANT, "Bench")
    await sql.exams.add_exam(
        Exam(
            exam_id=EXAM,
            tenant_id=TENANT,
            title="Recorded",
            policy_id="standard",
            policy_version=1,
            policy_text=policy_text,
            retention_days=30,
            created_at=BEGAN,
        )
    )
    for spec in specs:
        await sql.candidates.add_candidate(
            Candidate(
                candidate_id=spec.candidate_id,
                tenant_id=TENANT,
                external_ref=spec.candidate_id,
                created_at=BEGAN,
            )
        )
        await sql.sessions.add(
            Session(
                session_id=spec.session_id,
                tenant_id=TENANT,
                exam_id=EXAM,
                candidate_id=spec.candidate_id,
                state=SessionState.LIVE,
                epoch=1,
                created_at=BEGAN,
                started_at=BEGAN,
            )
        )


async def record(
    settings: Settings, sessions: int, seconds: int, policy_text: str, seen: Seen = seen_at
) -> Sequence[RecordingKey]:
    """Judge an exam live, into the stores of these settings; its recordings are closed afterwards."""
    known = settings.resolved()
    assert known.database_url is not None
    known.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    await asyncio.to_thread(upgrade, known.database_url)
    sql = SqlStores(known.database_url)
    await sql.open()
    specs = [spec_of(index, policy_text) for index in range(sessions)]
    await furnish(sql, specs, policy_text)
    clock, stores = PatientClock(), Stores()
    recorder = Recorder(
        name="bench",
        recordings=open_recordings(known),
        archive=sql.archive,
        checkpoints=stores,
        clock=clock,
        metrics=NoMetrics(),
    )
    shard = JudgeShard(
        name="bench",
        incidents=sql.incidents,
        checkpoints=stores,
        live=stores,
        clock=clock,
        metrics=NoMetrics(),
        recorder=recorder,
    )
    await shard.start()
    for tick in range(seconds * 1000 // TICK_MS):
        clock.elapsed_ms = at_ms = tick * TICK_MS
        await shard.submit(
            [
                TickReport(
                    session_id=spec.session_id,
                    epoch=1,
                    seq=tick + 1,
                    sent_ms=at_ms,
                    observations=seen(index, at_ms),
                    spec=spec if tick == 0 else None,
                )
                for index, spec in enumerate(specs)
            ]
        )
        if at_ms % 500 < TICK_MS:
            await shard.tick()
        if at_ms % 20_000 == 0:
            await recorder.flush()
    for spec in specs:
        ended_at = BEGAN + timedelta(seconds=seconds)
        await shard.end(spec, ended_at)
        await sql.sessions.end(TENANT, spec.session_id, ended_at)
    await recorder.flush()
    await sql.close()
    return [
        RecordingKey(tenant_id=TENANT, exam_id=EXAM, session_id=spec.session_id) for spec in specs
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCost:
    """What was measured.

    Attributes:
        sessions: How many.
        seconds: Of session time each.
        processes: How many worked at a time.
        bytes_per_session_hour: Of recordings, compressed.
        replay_s: By their own policy, in one process.
        replay_cpu_s: The CPU time of it.
        replay_together_s: The same in `processes`.
        what_if_s: By another policy, in `processes`.
        same: Sessions whose alert log was the committed one, in one process and in several.
        alerts: How many were committed.
        alerts_otherwise: How many the other policy makes.
        sha256: Of all logs; the same for every number of processes.
    """

    sessions: int
    seconds: int
    processes: int
    bytes_per_session_hour: float
    replay_s: float
    replay_cpu_s: float
    replay_together_s: float
    what_if_s: float
    same: int
    alerts: int
    alerts_otherwise: int
    sha256: str


def measure(sessions: int, seconds: int, processes: int, home: Path) -> ReplayCost:
    """Record an exam and judge it again."""
    settings = Settings(home=home, _env_file=None)
    policy_text = POLICY.read_text(encoding="utf-8")
    keys = asyncio.run(record(settings, sessions, seconds, policy_text))
    stored = sum(path.stat().st_size for path in (home / "recordings").rglob("*.arrow"))
    other = policy_text.replace("yaw_deg: 12.4 ", "yaw_deg: 30.0 ", 1)
    assert other != policy_text

    def timed(text: str | None, at_a_time: int) -> tuple[Sequence[Compared], float]:
        began_s = time.perf_counter()
        found = compare_all(settings, keys, text, at_a_time)
        return found, time.perf_counter() - began_s

    before_s = time.process_time()
    alone, alone_s = timed(None, 1)
    alone_cpu_s = time.process_time() - before_s
    together, together_s = timed(None, processes)
    otherwise, what_if_s = timed(other, processes)
    assert _sha256(alone) == _sha256(together)
    return ReplayCost(
        sessions=sessions,
        seconds=seconds,
        processes=processes,
        bytes_per_session_hour=stored / sessions / seconds * 3600,
        replay_s=alone_s,
        replay_cpu_s=alone_cpu_s,
        replay_together_s=together_s,
        what_if_s=what_if_s,
        same=min(sum(one.is_same for one in found) for found in (alone, together)),
        alerts=sum(len(one.committed) for one in alone),
        alerts_otherwise=sum(len(one.again) for one in otherwise),
        sha256=_sha256(alone),
    )


def _sha256(compared: Sequence[Compared]) -> str:
    lines = sorted(f"{one.session_id} {one.sha256}\n" for one in compared)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def main(
    sessions: Annotated[int, typer.Option(help="How many.")] = 100,
    seconds: Annotated[int, typer.Option(help="Session time of each.")] = 600,
    processes: Annotated[int, typer.Option(help="At a time; 0: one per core.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here.")
    ] = None,
) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="proctor-what-if-") as folder:
        cost = measure(sessions, seconds, processes or os.cpu_count() or 1, Path(folder))
    table = Table("figure", "value", title=f"{sessions} sessions of {seconds} s")
    for name, value in asdict(cost).items():
        table.add_row(name, f"{value:,.2f}" if isinstance(value, float) else str(value))
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(cost), indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
