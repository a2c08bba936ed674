"""Frames per second of the Ray Data job against a bare loop over the same models, on as many processes.

Both read the same files in the same order and ask the face group the same; the bare loop hands out blocks
of the same size from a queue and keeps nothing. Both count from the first picture begun until the last
answer is had (the job: is on disk), so neither pays for its start here; starts are told apart. Rounds
alternate, because machines have moods.
"""

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from jobs.evaluate import PICTURE, EvaluateSpec, evaluate_order
from jobs.pipeline import run
from jobs.run_folder import RunFolder
from models.catalogue import default_dir
from models.in_process import InProcessPerception
from models.selection import select
from proctor.domain.perception import FaceAsk
from proctor.settings import Settings

WORTH = 0.85
"""The share of the bare loop's rate that the job must reach."""
PATIENCE_S = 300
"""Ray Data hands out nothing until every actor has loaded its models, as the bare loop does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One round of one way.

    Attributes:
        fps: Pictures per second, from the first begun to the last had.
        whole_s: With processes begun and models loaded.
    """

    fps: float
    whole_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What was measured.

    Attributes:
        frames: Pictures of one round.
        processes: How many worked at a time, each on one thread.
        block: Pictures of one block.
        bare: Rounds of the bare loop.
        job: Rounds of the job, each right after its bare one.
        ratio: Median of the rounds' shares: the job's rate of the bare loop's.
        load_average: Of the machine before and after, over a minute.
    """

    frames: int
    processes: int
    block: int
    bare: Sequence[Pace]
    job: Sequence[Pace]
    ratio: float
    load_average: tuple[float, float]

    @property
    def is_enough(self) -> bool:
        """Whether the job reaches what it must."""
        return self.ratio >= WORTH


_perception: InProcessPerception | None = None


def _load(pack: str, instead: Mapping[str, str]) -> None:
    global _perception  # a pool's process has one
    settings = Settings()
    folder = default_dir(settings.home, settings.models_dir)
    _perception = InProcessPerception(folder, frozenset({"face"}), select(pack, instead))


def _answer(folder: str, names: Sequence[str]) -> tuple[float, int]:
    """When it was begun, and how many faces were confirmed."""
    assert _perception is not None
    began_s = time.perf_counter()
    asks = [FaceAsk(picture=Path(folder, name).read_bytes(), embed=True) for name in names]
    answers = asyncio.run(_perception.faces(asks))
    return began_s, sum(face.is_confirmed for answer in answers for face in answer.faces)


def bare_round(
    spec: EvaluateSpec, names: Sequence[str], processes: int, block: int
) -> tuple[Pace, int]:
    """The models in a loop, in that many processes; the faces it confirmed."""
    start_s = time.perf_counter()
    blocks = [names[first : first + block] for first in range(0, len(names), block)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, context, initializer=_load, initargs=(spec.pack, dict(spec.instead))
    ) as pool:
        list(pool.map(time.sleep, [1.0] * processes))  # each process is begun and has loaded
        answers = list(pool.map(_answer, [spec.folder] * len(blocks), blocks))
        ended_s = time.perf_counter()
    began_s = min(began for began, _ in answers)
    pace = Pace(fps=len(names) / (ended_s - began_s), whole_s=ended_s - start_s)
    return pace, sum(faces for _, faces in answers)


def job_round(
    spec: EvaluateSpec, names: Sequence[str], processes: int, block: int
) -> tuple[Pace, int]:
    """The job on a run folder of its own; the faces it confirmed."""
    items = [f"{PICTURE}:{name}" for name in names]
    order = evaluate_order(spec)
    with tempfile.TemporaryDirectory(prefix="proctor-jobs-") as at:
        start_s = time.perf_counter()
        with RunFolder.open(Path(at, "run"), "bench", {}, items, block) as folder:
            span = run(folder, order, processes)
            rows = folder.finish_rows()
    pace = Pace(fps=len(names) / (span.ended_s - span.began_s), whole_s=span.ended_s - start_s)
    return pace, sum(count or 0 for count in rows["faces"].to_pylist())


def measure(
    spec: EvaluateSpec,
    names: Sequence[str],
    processes: int,
    block: int,
    rounds: int,
    say: Callable[[str], None],
) -> Throughput:
    """Alternate both ways. Ray is connected, with as many cores.

    Raises:
        AssertionError: They did not see the same.
    """
    import os

    from ray.data import DataContext

    DataContext.get_current().wait_for_min_actors_s = PATIENCE_S
    before = os.getloadavg()[0]
    bare, job = [], []
    for number in range(1, rounds + 1):
        alone, seen_alone = bare_round(spec, names, processes, block)
        pooled, seen = job_round(spec, names, processes, block)
        assert seen == seen_alone, f"{seen} faces by the job, {seen_alone} by the loop"
        say(f"round {number}: bare {alone.fps:.1f}, job {pooled.fps:.1f} frames a second")
        bare.append(alone)
        job.append(pooled)
    return Throughput(
        frames=len(names),
        processes=processes,
        block=block,
        bare=bare,
        job=job,
        ratio=statistics.median(two.fps / one.fps for one, two in zip(bare, job, strict=True)),
        load_average=(before, os.getloadavg()[0]),
    )


def table(found: Throughput) -> Table:
    """For people."""
    told = Table(
        "round", "bare loop, frames/s", "Ray Data job, frames/s", "share", "start of each, s"
    )
    for number, (one, two) in enumerate(zip(found.bare, found.job, strict=True), 1):
        starts = [each.whole_s - found.frames / each.fps for each in (one, two)]
        told.add_row(
            str(number),
            f"{one.fps:.1f}",
            f"{two.fps:.1f}",
            f"{two.fps / one.fps:.1%}",
            f"{starts[0]:.1f} and {starts[1]:.1f}",
        )
    told.add_row("median", "", "", f"{found.ratio:.1%}", "")
    return told


def as_json(found: Throughput) -> dict[str, object]:
    """For programs."""
    return asdict(found) | {"is_enough": found.is_enough, "must_be": WORTH}
