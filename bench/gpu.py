"""What a GPU carries: items per second of each network at several batches, and sessions of an exam.

Where the product is installed, put the networks into a folder; then measure where the GPU is:

    python -m bench.batches --write FOLDER
    python -m bench.gpu --models FOLDER --json FILE

The second needs no installation: a checkout, Python 3.11 or newer, and an environment with numpy, onnx,
rich and either onnxruntime-gpu or onnxruntime (any) and torch with CUDA (`python -m venv .venv &&
.venv/bin/pip install numpy onnx rich onnxruntime torch`). ONNX Runtime's CUDA provider is taken where it
is there, else torch runs the same graphs (models/runtimes/torch_graph.py), captured as CUDA graphs so
that Python's own time is not measured. TensorRT is measured where that provider is there, else `not run`.
Copies of inputs to the GPU and of answers back are part of a run. Without a GPU it says so and exits 2.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.batches import BATCHES, Throughput, least_ms, machine, sizes, table
from bench.networks import Measured, read
from models.convert.free_batch import with_free_batch
from models.runtimes.engines import InstalledRuntime, in_half, nothing
from models.runtimes.placement import Placement, Serving, Tensor
from models.runtimes.providers import CUDA, TENSORRT, with_options
from models.runtimes.torch_graph import plain
from models.runtimes.torch_run import TorchRun, cuda

EXIT_WITHOUT_GPU = 2
NOT_RUN = "not run"
HALF = " float16"
TOLERANCE = 1e-2

# how often a session of policies/standard.yaml asks for each task, per second (tests/bench/test_gpu.py
# keeps the two together); a face is looked at once a second, four times while something is going on
FACE_HZ, ATTENTIVE_HZ = 1.0, 4.0
SMALL_FACES_EVERY_S, IDENTITY_EVERY_S = 4.0, 15.0
OBJECTS_EVERY_S, SPEAKERS_EVERY_S = 5.0, 10.0
ATTENTIVE_SHARE = 0.1
"""Share of its time for which a session is looked at more closely. An assumption, not a measurement."""

Runner = Callable[[], object]


def asks_per_second(task: str) -> float:
    """How often a session asks a network of this task, attention included; 0: never on a GPU."""
    face_hz = (1 - ATTENTIVE_SHARE) * FACE_HZ + ATTENTIVE_SHARE * ATTENTIVE_HZ
    return {
        "face_detection": face_hz + (1 + ATTENTIVE_SHARE) / SMALL_FACES_EVERY_S,
        "head_pose": face_hz,
        "gaze": face_hz,
        "face_embedding": 1 / IDENTITY_EVERY_S,
        "liveness": 1 / IDENTITY_EVERY_S,
        "objects": (1 + ATTENTIVE_SHARE) / OBJECTS_EVERY_S,
        "speakers": 1 / SPEAKERS_EVERY_S,
    }.get(task, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What one GPU carries with one model per task.

    Attributes:
        runtime: What ran them.
        batch: Items of one run.
        models: The one of each task, the cheapest that was measured unless said otherwise.
        busy_ms: GPU milliseconds that a session costs in a second.
        sessions: How many fit into one GPU that does nothing else.
    """

    runtime: str
    batch: int
    models: dict[str, str]
    busy_ms: float
    sessions: int


def sessions(
    found: Sequence[Throughput], networks: Sequence[Measured], dearest: bool
) -> list[Carried]:
    """Sessions of the standard policy per GPU, by runtime and batch.

    Args:
        found: What was measured.
        networks: What belongs together, and how many items an ask makes.
        dearest: Take the dearest model of each task instead of the cheapest.
    """
    parts: dict[str, list[Measured]] = {}
    for network in networks:
        parts.setdefault(network.model, []).append(network)
    carried = []
    for runtime, batch in dict.fromkeys((each.runtime, each.batch) for each in found):
        run_ms = {
            each.network: each.run_ms
            for each in found
            if (each.runtime, each.batch) == (runtime, batch)
        }
        chosen: dict[str, tuple[float, str]] = {}
        for model, some in parts.items():
            rate = asks_per_second(some[0].task)
            if not rate or any(each.name not in run_ms for each in some):
                continue
            cost = rate * sum(each.items * run_ms[each.name] / batch for each in some)
            known = chosen.get(some[0].task)
            if known is None or (cost > known[0]) is dearest:
                chosen[some[0].task] = (cost, model)
        busy_ms = sum(cost for cost, _ in chosen.values())
        carried.append(
            Carried(
                runtime=runtime,
                batch=batch,
                models={task: model for task, (_, model) in chosen.items()},
                busy_ms=round(busy_ms, 4),
                sessions=int(1000 / busy_ms) if busy_ms else 0,
            )
        )
    return carried


def inputs_of(content: bytes) -> tuple[Tensor, ...]:
    """What a network takes, read from its bytes."""
    import onnx

    graph = onnx.load_from_string(content).graph
    fixed = {each.name for each in graph.initializer}
    kinds = {1: "tensor(float)", 7: "tensor(int64)", 6: "tensor(int32)", 2: "tensor(uint8)"}
    return tuple(
        Tensor(
            each.name,
            tuple(
                side.dim_value or side.dim_param or None for side in each.type.tensor_type.shape.dim
            ),
            kinds[each.type.tensor_type.elem_type],
        )
        for each in graph.input
        if each.name not in fixed
    )


def with_onnxruntime(network: Measured, batch: int, provider: str, half: bool) -> Runner:
    """A run of ONNX Runtime on the GPU, copies included. Raises what ONNX Runtime raises."""
    inputs = inputs_of(network.content)
    placement = Placement(device="tensorrt" if provider == TENSORRT else "cuda")
    names = [TENSORRT, CUDA] if provider == TENSORRT else [CUDA]
    options = with_options(names, placement, Serving(batch_gpu=batch, half=half), inputs)
    content = in_half(network.content) if half and provider == CUDA else network.content
    session = InstalledRuntime().open(content, options)
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"ONNX Runtime took {session.get_providers()[0]}")
    zeros = nothing(inputs, batch, network.side)
    return lambda: session.run(None, zeros)


def with_torch(network: Measured, batch: int, half: bool, device: str = "cuda") -> Runner:
    """A run of torch on the same graph, copies included; captured, so that launches cost nothing.

    The answers to random input are compared with ONNX Runtime's on the CPU first.

    Raises:
        UnknownOperator: The graph has an operator that is not run here.
        ValueError: The answers differ.
    """
    random = np.random.default_rng(1)
    zeros = nothing(inputs_of(network.content), batch, network.side)
    arrays = {name: random.random(each.shape).astype(each.dtype) for name, each in zeros.items()}
    run = TorchRun(plain(network.content, batch, network.side), arrays, device, half)
    if not half:
        _compare(network, arrays, run.first)
    return run


def _compare(network: Measured, arrays: dict[str, Any], told: Sequence[Any]) -> None:
    from models.runtimes.engines import CpuEngine

    expected = CpuEngine(network.name, network.content).run(arrays, borrow=False)
    for want, got in zip(expected, told, strict=True):
        worst = float(np.abs(want - got).max() / max(1.0, float(np.abs(want).max())))
        if not worst <= TOLERANCE:
            raise ValueError(f"torch and ONNX Runtime differ by {worst:.2g}")


@dataclass(frozen=True, slots=True)
class Gpu:
    """What there is to measure with.

    Attributes:
        name: Of the GPU.
        providers: Of ONNX Runtime, those on a GPU.
        torch: Its version, None without CUDA.
    """

    name: str
    providers: tuple[str, ...]
    torch: str | None


def find_gpu() -> Gpu | None:
    """The GPU of this machine with what can reach it; None without either."""
    providers: tuple[str, ...] = ()
    name: str = ""
    version: str | None = None
    try:
        available = InstalledRuntime().available()
        providers = tuple(each for each in (CUDA, TENSORRT) if each in available)
    except ImportError:
        pass
    found = cuda()
    if found is not None:
        name, version = found
    if not name and not (providers and Path("/dev/nvidia0").exists()):
        return None
    return Gpu(name or "NVIDIA", providers, version)


def runners(gpu: Gpu) -> dict[str, Callable[[Measured, int], Runner]]:
    """Runtime -> what makes a run of it, in the order of the report."""
    made: dict[str, Callable[[Measured, int], Runner]] = {}
    for half, suffix in ((False, ""), (True, HALF)):
        if CUDA in gpu.providers:
            made[f"ONNX Runtime CUDA{suffix}"] = lambda n, b, h=half: with_onnxruntime(
                n, b, CUDA, h
            )  # type: ignore[misc]
        elif gpu.torch:
            made[f"torch {gpu.torch}{suffix}"] = lambda n, b, h=half: with_torch(n, b, h)  # type: ignore[misc]
        if TENSORRT in gpu.providers:
            made[f"TensorRT{suffix}"] = lambda n, b, h=half: with_onnxruntime(n, b, TENSORRT, h)  # type: ignore[misc]
    return made


def measure(
    networks: Sequence[Measured],
    batches: Sequence[int],
    made: dict[str, Callable[[Measured, int], Runner]],
) -> tuple[list[Throughput], dict[str, str]]:
    """Every network at every batch; what could not be run, with the reason in one line."""
    found: list[Throughput] = []
    refused: dict[str, str] = {}
    for network in networks:
        for runtime, make in made.items():
            try:
                for batch in batches:
                    run_ms = least_ms(make(network, batch), time.perf_counter)
                    found.append(
                        Throughput(
                            network=network.name,
                            task=network.task,
                            runtime=runtime,
                            batch=batch,
                            run_ms=round(run_ms, 4),
                            per_second=round(batch / run_ms * 1000, 1),
                        )
                    )
            except Exception as error:  # noqa: BLE001  # a report of what runs must name what does not
                line = str(error).partition("\n")[0] or type(error).__name__
                refused[f"{network.name}, {runtime}"] = f"{type(error).__name__}: {line}"
    return found, refused


def carried_table(title: str, carried: Sequence[Carried]) -> Table:
    """Sessions of one GPU."""
    made = Table("runtime", "batch", "GPU ms per session-second", "sessions", title=title)
    for each in carried:
        made.add_row(each.runtime, str(each.batch), f"{each.busy_ms:.3f}", f"{each.sessions:,}")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="from bench.batches --write")
    parser.add_argument("--batches", type=sizes, default=BATCHES, help="such as 1,4,8,16,32")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    gpu = find_gpu()
    if gpu is None:
        print("bench.gpu: no GPU here that ONNX Runtime or torch can reach: nothing was measured")
        return EXIT_WITHOUT_GPU
    if asked.models is None:
        print("bench.gpu: say where the networks are: --models FOLDER (bench.batches --write)")
        return EXIT_WITHOUT_GPU
    try:
        networks = [_free(network) for network in read(asked.models)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        print(f"bench.gpu: {asked.models} holds no networks: {error}")
        return EXIT_WITHOUT_GPU
    made = runners(gpu)
    found, refused = measure(networks, asked.batches, made)
    console = Console()
    console.print(f"{gpu.name}; ONNX Runtime: {', '.join(gpu.providers) or 'no GPU provider'}")
    for runtime in made:
        rows = [each for each in found if each.runtime == runtime]
        if rows:
            console.print(table(rows, f"items per second, {runtime}"))
    for what, why in refused.items():
        console.print(f"{what}: {NOT_RUN}: {why}", highlight=False)
    if TENSORRT not in gpu.providers:
        console.print(f"TensorRT: {NOT_RUN}: ONNX Runtime has no such provider here")
    cheapest, dearest = (sessions(found, networks, dear) for dear in (False, True))
    console.print(carried_table("Sessions, cheapest model of each task", cheapest))
    console.print(carried_table("Sessions, dearest model of each task", dearest))
    if asked.json:
        told = {
            "gpu": asdict(gpu),
            "machine": machine(),
            "throughput": [asdict(each) for each in found],
            "not_run": refused | ({} if TENSORRT in gpu.providers else {"TensorRT": NOT_RUN}),
            "attentive_share": ATTENTIVE_SHARE,
            "sessions": {
                "cheapest": [asdict(each) for each in cheapest],
                "dearest": [asdict(each) for each in dearest],
            },
        }
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 0 if found else EXIT_WITHOUT_GPU


def _free(network: Measured) -> Measured:
    from dataclasses import replace

    return replace(network, content=with_free_batch(network.name, network.content))


if __name__ == "__main__":
    sys.exit(main())
