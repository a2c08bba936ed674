"""What a batch brings on a CPU: items per second of each network at several batch sizes, on one core.

    proctor bench networks --json FILE              every network whose file is in the models folder
    python -m bench.batches --write FOLDER          put the networks into a folder, for bench.gpu

CPU time of the process is measured, so other work on the machine counts little. The smallest batch
within `NEAR` of the best throughput is what a default should be: a larger one only costs memory.
Batches that would run for more than a second and a half are left out.
"""

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bench.networks import Measured, collect, write

if TYPE_CHECKING:
    from models.catalogue import Catalogue

BATCHES = (1, 4, 8, 16, 32)
NEAR = 0.95
LEAST_S = 0.15
LEAST_RUNS = 3
LONGEST_MS = 1_500.0
WIDTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """One network at one batch.

    Attributes:
        network: Manifest id.
        task: What it is for.
        runtime: What ran it.
        batch: Items of one run.
        run_ms: Least time of a run.
        per_second: Items per second at that.
    """

    network: str
    task: str
    runtime: str
    batch: int
    run_ms: float
    per_second: float


def least_ms(run: Callable[[], object], clock: Callable[[], float]) -> float:
    """The least time of one run, over at least `LEAST_RUNS` and `LEAST_S` after one to warm up."""
    run()
    least, spent, runs = float("inf"), 0.0, 0
    while runs < LEAST_RUNS or spent < LEAST_S:
        start = clock()
        run()
        taken = clock() - start
        least, spent, runs = min(least, taken), spent + taken, runs + 1
    return least * 1000


def on_cpu(networks: Sequence[Measured], batches: Sequence[int]) -> list[Throughput]:
    """Every network at every batch, in ONNX Runtime on one thread."""
    from models.runtimes.engines import CpuEngine, nothing

    found = []
    for network in networks:
        engine = CpuEngine(network.name, network.content)
        takes_many = all(not isinstance(each.shape[0], int) for each in engine.inputs)
        each_ms = 0.0
        for batch in batches if takes_many else (1,):
            if each_ms * batch > LONGEST_MS:
                break
            zeros = nothing(engine.inputs, batch, network.side)
            run_ms = least_ms(lambda e=engine, z=zeros: e.run(z, borrow=False), time.process_time)  # type: ignore[misc]
            each_ms = run_ms / batch
            found.append(
                Throughput(
                    network=network.name,
                    task=network.task,
                    runtime="ONNX Runtime CPU",
                    batch=batch,
                    run_ms=round(run_ms, 3),
                    per_second=round(batch / run_ms * 1000, 1),
                )
            )
    return found


def of_voice(catalogue: "Catalogue", batches: Sequence[int]) -> list[Throughput]:
    """The voice detector, by its reader: an item is one chunk of 32 ms, a batch so many streams."""
    import numpy as np

    from models.sound.voice import CHUNK, VoiceModel
    from proctor.domain.perception import SpeechAsk

    voice = VoiceModel(catalogue, ["voice"])
    chunks = 31
    found = []
    for batch in batches:
        asks = [SpeechAsk(samples=np.zeros(CHUNK * chunks, np.float32))] * batch
        run_ms = least_ms(lambda a=asks: voice.listen(a), time.process_time) / chunks  # type: ignore[misc]
        found.append(
            Throughput(
                network="voice",
                task="voice",
                runtime="ONNX Runtime CPU",
                batch=batch,
                run_ms=round(run_ms, 3),
                per_second=round(batch / run_ms * 1000, 1),
            )
        )
    return found


def of_litert(catalogue: "Catalogue", batches: Sequence[int]) -> list[Throughput]:
    """LiteRT's networks: their batch is one, so a batch is a loop over it."""
    import numpy as np

    from models.errors import ModelFileError
    from models.runtimes.litert import LitertModel

    found = []
    for file in catalogue.manifest.files:
        if file.runtime != "litert":
            continue
        try:
            model = LitertModel(file.id, catalogue.read(file.id), [])
        except ModelFileError:
            continue
        zeros = np.zeros(model.input_shape, np.float32)
        for batch in batches:
            run_ms = least_ms(
                lambda m=model, z=zeros, n=batch: [m.run(z) for _ in range(n)],  # type: ignore[misc]
                time.process_time,
            )
            found.append(
                Throughput(
                    network=file.id,
                    task=file.task,
                    runtime="LiteRT",
                    batch=batch,
                    run_ms=round(run_ms, 3),
                    per_second=round(batch / run_ms * 1000, 1),
                )
            )
    return found


def smallest_good(found: Sequence[Throughput]) -> dict[str, int]:
    """Network -> the smallest batch whose throughput is within `NEAR` of the best."""
    best: dict[str, int] = {}
    for network in dict.fromkeys(each.network for each in found):
        rows = [each for each in found if each.network == network]
        most = max(each.per_second for each in rows)
        best[network] = min(each.batch for each in rows if each.per_second >= NEAR * most)
    return best


def table(found: Sequence[Throughput], title: str) -> Table:
    """Items per second, a row per network and a column per batch."""
    batches = sorted({each.batch for each in found})
    good = smallest_good(found)
    made = Table("network", "task", *(f"batch {batch}" for batch in batches), "enough", title=title)
    for network in good:
        row = {each.batch: each for each in found if each.network == network}
        task = next(iter(row.values())).task
        figures = (f"{row[batch].per_second:,.0f}" if batch in row else "" for batch in batches)
        made.add_row(network, task, *figures, str(good[network]))
    return made


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def as_json(found: Sequence[Throughput], missing: Mapping[str, str]) -> dict[str, object]:
    """The same for a file."""
    return {
        "machine": machine(),
        "throughput": [asdict(each) for each in found],
        "enough": smallest_good(found),
        "not_measured": dict(missing),
    }


def sizes(text: str) -> tuple[int, ...]:
    """`1,4,8` as numbers, ascending."""
    found = tuple(sorted({int(each) for each in text.split(",")}))
    if not found or found[0] < 1 or found[-1] > 1024:
        raise ValueError(text)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    from models.catalogue import Catalogue, default_dir
    from models.errors import ModelFileError
    from proctor.settings import Settings

    parser = argparse.ArgumentParser(prog="python -m bench.batches", description=__doc__)
    parser.add_argument("--batches", type=sizes, default=BATCHES, help="such as 1,4,8,16,32")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="and measure nothing")
    parser.add_argument("--only", metavar="MODELS", help="of --write: such as yunet,edgeface-xs")
    asked = parser.parse_args(arguments)
    settings = Settings()
    catalogue = Catalogue(default_dir(settings.home, settings.models_dir), settings.models_mirror)
    networks, missing = collect(catalogue)
    for model, why in missing.items():
        print(f"{model}: not measured: {why}")
    if not networks:
        print("no ONNX network is here: run `proctor models fetch`")
        return 2
    if asked.write:
        if asked.only:
            networks = [each for each in networks if each.model in asked.only.split(",")]
        write(asked.write, networks)
        print(f"{len(networks)} networks in {asked.write}")
        return 0
    found = of_litert(catalogue, asked.batches) + on_cpu(networks, asked.batches)
    try:
        found += of_voice(catalogue, asked.batches)
    except ModelFileError as error:
        missing["voice"] = error.detail
    Console(width=WIDTH).print(table(found, f"items per second, one core of {machine()['cpu']}"))
    if asked.json:
        asked.json.write_text(json.dumps(as_json(found, missing), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
