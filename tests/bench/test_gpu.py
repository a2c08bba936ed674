"""What is computed from a GPU's figures, and what a machine without one says."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench import batches, gpu
from bench.batches import Throughput, least_ms, on_cpu, smallest_good
from bench.networks import Measured, read, write
from proctor.fusion.policy import parse_policy
from tests.models.runtimes.test_placement import doubling

POLICY = Path(__file__).resolve().parents[2] / "policies" / "standard.yaml"


def network(name: str, task: str, model: str = "", items: int = 1) -> Measured:
    return Measured(
        name=name, model=model or name, task=task, side=8, items=items, content=doubling()
    )


def row(name: str, task: str, run_ms: float, batch: int = 8, runtime: str = "x") -> Throughput:
    return Throughput(
        network=name,
        task=task,
        runtime=runtime,
        batch=batch,
        run_ms=run_ms,
        per_second=batch / run_ms * 1000,
    )


def test_the_rates_are_those_of_the_standard_policy() -> None:
    sampling = parse_policy(POLICY.read_text(encoding="utf-8")).sampling
    assert sampling.face_hz == gpu.FACE_HZ
    assert sampling.face_attentive_hz == gpu.ATTENTIVE_HZ
    assert sampling.identity_every_s == gpu.IDENTITY_EVERY_S
    assert sampling.small_faces_every_s == gpu.SMALL_FACES_EVERY_S
    assert sampling.objects_every_s == gpu.OBJECTS_EVERY_S
    assert sampling.speakers_every_s == gpu.SPEAKERS_EVERY_S
    assert gpu.asks_per_second("head_pose") == pytest.approx(1.3)
    assert gpu.asks_per_second("voice") == 0


def test_sessions_are_a_second_of_gpu_over_what_a_session_costs() -> None:
    networks = [
        network("near", "head_pose", model="both"),
        network("far", "head_pose", model="both"),
        network("large", "head_pose"),
        network("face", "face_embedding", items=2),
        network("voice", "voice"),
    ]
    found = [
        row("near", "head_pose", 4.0),
        row("far", "head_pose", 4.0),
        row("large", "head_pose", 80.0),
        row("face", "face_embedding", 6.0),
        row("voice", "voice", 1000.0),
    ]
    (cheap,) = gpu.sessions(found, networks, dearest=False)
    (dear,) = gpu.sessions(found, networks, dearest=True)
    assert cheap.models == {"head_pose": "both", "face_embedding": "face"}
    assert cheap.busy_ms == pytest.approx(1.3 * (0.5 + 0.5) + 2 * 0.75 / 15)
    assert cheap.sessions == int(1000 / (1.3 + 0.1))
    assert dear.models["head_pose"] == "large"
    # a model of which one network was not measured is no model
    (part,) = gpu.sessions([r for r in found if r.network != "far"], networks, dearest=False)
    assert part.models["head_pose"] == "large"


def test_the_smallest_batch_that_is_good_enough_is_the_default() -> None:
    found = [row("a", "gaze", run_ms, batch) for batch, run_ms in ((1, 2.0), (4, 4.1), (8, 8.0))]
    assert smallest_good(found) == {"a": 4}


def test_a_network_is_timed_at_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LEAST_S", 0.0)
    found = on_cpu([network("double", "gaze")], (1, 4))
    assert [(each.batch, each.run_ms >= 0) for each in found] == [(1, True), (4, True)]
    ticks = iter(np.cumsum([0, 5, 0, 3, 0, 4]).tolist())
    assert least_ms(lambda: None, lambda: next(ticks)) == 3_000


def test_networks_travel_in_a_folder(tmp_path: Path) -> None:
    networks = [network("double", "gaze"), network("face", "face_embedding", items=2)]
    write(tmp_path, networks)
    assert read(tmp_path) == networks


def test_a_machine_without_a_gpu_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "find_gpu", lambda: None)
    assert gpu.main(["--models", str(tmp_path)]) == 2
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "no GPU" in said


def test_a_report_names_what_did_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def runs(each: Measured, batch: int) -> gpu.Runner:
        if each.name == "odd":
            raise RuntimeError("GridSample\nand a page of C++")
        return lambda: None

    monkeypatch.setattr(batches, "LEAST_S", 0.0)
    monkeypatch.setattr(gpu, "find_gpu", lambda: gpu.Gpu("NVIDIA Test", (), "2.13.0"))
    monkeypatch.setattr(gpu, "runners", lambda _gpu: {"torch 2.13.0": runs})
    write(tmp_path / "nets", [network("fine", "gaze"), network("odd", "head_pose")])
    file = tmp_path / "gpu.json"
    assert (
        gpu.main(["--models", str(tmp_path / "nets"), "--json", str(file), "--batches", "1,4"]) == 0
    )
    told = json.loads(file.read_text())
    assert [(each["network"], each["batch"]) for each in told["throughput"]] == [
        ("fine", 1),
        ("fine", 4),
    ]
    assert told["not_run"] == {
        "odd, torch 2.13.0": "RuntimeError: GridSample",
        "TensorRT": "not run",
    }
    assert told["sessions"]["cheapest"][0]["models"] == {"gaze": "fine"}
    assert "TensorRT: not run" in capsys.readouterr().out


def test_a_folder_without_networks_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "find_gpu", lambda: gpu.Gpu("NVIDIA Test", (), "2.13.0"))
    assert gpu.main(["--models", str(tmp_path)]) == 2
    assert "holds no networks" in capsys.readouterr().out
