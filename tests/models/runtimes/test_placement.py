"""Stories of a GPU that is asked for: it is there, it is not, it fails and comes back."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from models.errors import ModelFileError, ModelOutputInvalid
from models.in_process import InProcessPerception
from models.runtimes.engines import RETRY_S
from models.runtimes.onnx import OnnxModel
from models.runtimes.placement import Fallbacks, Placement, Serving, placed
from models.runtimes.providers import CPU, CUDA, TENSORRT
from proctor.domain.media import Image
from proctor.domain.perception import FaceAsk
from tests.fakes.metrics import FakeMetrics
from tests.fakes.onnx_runtime import FakeGpuRuntime


def doubling(batch: int | str = "n", *, drops: bool = False) -> bytes:
    """(n, 4) -> twice that; with `drops` without the columns that hold nothing positive."""
    nodes = [helper.make_node("Add", ["x", "x"], ["sum" if drops else "y"])]
    if drops:
        nodes += [
            helper.make_node("ReduceMax", ["x"], ["most"], axes=[0], keepdims=0),
            helper.make_node("Cast", ["most"], ["kept"], to=TensorProto.BOOL),
            helper.make_node("Compress", ["sum", "kept"], ["y"], axis=1),
        ]
    graph = helper.make_graph(
        nodes,
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


ROWS = np.arange(8, dtype=np.float32).reshape(2, 4)


class Bench:
    """One network on a placement, with a clock that the test moves."""

    def __init__(self, runtime: FakeGpuRuntime | None, **placement: object) -> None:
        self.now_s = 0.0
        self.counts: list[int] = []
        self.fallbacks = Fallbacks(self.counts.append)
        self.runtime = runtime
        wanted: dict[str, object] = {"device": "cuda", "runtime": runtime, **placement}
        self.placement = Placement(now_s=lambda: self.now_s, **wanted)  # type: ignore[arg-type]

    def open(self, content: bytes = b"") -> OnnxModel:
        with placed(self.placement, self.fallbacks):
            return OnnxModel("doubler", content or doubling())


def test_a_gpu_that_this_build_does_not_know_leads_to_the_cpu_and_is_told() -> None:
    bench = Bench(None)  # the ONNX Runtime that is installed here has no CUDA
    model = bench.open()
    assert model.run({"x": ROWS})["y"] == pytest.approx(2 * ROWS)
    assert "CUDAExecutionProvider is not in this build" in bench.fallbacks.reasons["doubler"]
    assert "\n" not in bench.fallbacks.reasons["doubler"]
    assert bench.counts == [1]


def test_a_gpu_that_is_there_does_the_work() -> None:
    runtime = FakeGpuRuntime()
    bench = Bench(runtime)
    model = bench.open()
    runtime.runs.clear()
    assert model.run({"x": ROWS})["y"] == pytest.approx(2 * ROWS)
    assert runtime.runs == [2]
    assert not bench.fallbacks and bench.counts == []
    [(name, options), (last, _)] = runtime.opened[0]
    assert (name, last) == (CUDA, CPU)
    assert options["device_id"] == 0 and options["use_tf32"] == 0


def test_a_driver_that_silently_gives_a_cpu_session_is_found_out() -> None:
    runtime = FakeGpuRuntime()
    runtime.refuses = True
    bench = Bench(runtime)
    bench.open()
    assert "instead of CUDAExecutionProvider" in bench.fallbacks.reasons["doubler"]


def test_a_gpu_that_fails_is_tried_again_a_minute_later(caplog: pytest.LogCaptureFixture) -> None:
    runtime = FakeGpuRuntime()
    bench = Bench(runtime)
    model = bench.open()
    caplog.set_level(logging.INFO)
    runtime.is_broken = True
    assert model.run({"x": ROWS})["y"] == pytest.approx(2 * ROWS), "the CPU answers the same ask"
    assert bench.fallbacks.reasons["doubler"].startswith("CUDA failure 700")
    model.run({"x": ROWS})
    bench.now_s = RETRY_S - 1
    runtime.is_broken = False
    model.run({"x": ROWS})
    assert bench.fallbacks
    bench.now_s = RETRY_S
    runtime.runs.clear()
    model.run({"x": ROWS})
    assert runtime.runs[-1] == 2 and not bench.fallbacks
    assert bench.counts == [1, 0]
    told = [record.message for record in caplog.records]
    assert told == [
        "a network runs on the CPU instead of the GPU",
        "a network runs on the GPU again",
    ]


def test_a_gpu_that_is_full_at_the_start_is_tried_again_too() -> None:
    runtime = FakeGpuRuntime()
    runtime.is_broken = True
    bench = Bench(runtime)
    model = bench.open()
    assert bench.fallbacks
    runtime.is_broken = False
    bench.now_s = RETRY_S
    model.run({"x": ROWS})
    assert not bench.fallbacks


def test_a_converter_that_fails_leads_to_the_cpu_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_content: bytes) -> bytes:
        raise ValueError("no float16 for this one\nand more")

    bench = Bench(FakeGpuRuntime(), serving={"doubler": Serving(half=True)})
    with monkeypatch.context() as patched:
        patched.setattr("models.runtimes.engines.in_half", fails)
        model = bench.open()
        assert bench.fallbacks.reasons == {"doubler": "no float16 for this one"}
        bench.now_s = RETRY_S
        assert model.run({"x": ROWS})["y"] == pytest.approx(2 * ROWS)
        assert bench.counts == [1]
    bench.now_s = 2 * RETRY_S
    assert model.run({"x": ROWS})["y"] == pytest.approx(2 * ROWS)
    assert not bench.fallbacks


def test_a_bad_question_is_no_fault_of_the_gpu() -> None:
    bench = Bench(FakeGpuRuntime())
    model = bench.open()
    with pytest.raises(ModelOutputInvalid, match="could not be run"):
        model.run({"x": np.zeros((1, 5), np.float32)})
    assert not bench.fallbacks


def test_without_tensorrt_cuda_does_the_work_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(FakeGpuRuntime(), device="tensorrt")
    bench.open()
    assert not bench.fallbacks
    assert "another GPU provider" in caplog.text


def test_tensorrt_is_told_one_profile_for_all_batches_and_where_to_keep_engines() -> None:
    runtime = FakeGpuRuntime([TENSORRT, CUDA, CPU])
    serving = {"doubler": Serving(batch_gpu=16, half=True)}
    bench = Bench(runtime, device="tensorrt", engines=Path("/srv/engines"), serving=serving)
    model = bench.open()
    assert model.batch_limit == 16
    assert [name for name, _ in runtime.opened[0]] == [TENSORRT, CUDA, CPU]
    options = runtime.opened[0][0][1]
    assert options["trt_profile_min_shapes"] == "x:1x4"
    assert options["trt_profile_opt_shapes"] == options["trt_profile_max_shapes"] == "x:16x4"
    assert options["trt_fp16_enable"] is True
    assert options["trt_engine_cache_path"] == "/srv/engines"


def test_a_network_that_a_gpu_brings_nothing_stays_on_the_cpu_without_a_word() -> None:
    runtime = FakeGpuRuntime()
    bench = Bench(runtime, serving={"doubler": Serving(gpu=False)})
    model = bench.open()
    model.run({"x": ROWS})
    assert runtime.opened == [] and not bench.fallbacks and model.batch_limit == 8


def test_a_file_of_one_item_takes_many_on_a_gpu() -> None:
    assert OnnxModel("doubler", doubling(batch=1)).batch_limit == 1
    bench = Bench(FakeGpuRuntime())
    model = bench.open(doubling(batch=1))
    many = np.random.default_rng(1).random((40, 4), np.float32)
    assert bench.runtime is not None
    bench.runtime.runs.clear()
    assert model.run_many({"x": many})["y"] == pytest.approx(2 * many)
    assert bench.runtime.runs == [32, 8]


def test_answers_of_another_shape_or_without_numbers_are_refused() -> None:
    dropping = OnnxModel("doubler", doubling(drops=True))
    assert dropping.run({"x": ROWS + 1})["y"].shape == (2, 4)
    for zero in ([0], [0, 1, 2, 3]):
        rows = ROWS + 1
        rows[:, zero] = 0
        with pytest.raises(ModelOutputInvalid, match=r"answered y in shape \(2, "):
            dropping.run({"x": rows})
    model = OnnxModel("doubler", doubling())
    bad = ROWS.copy()
    bad[0, 0] = np.nan
    with pytest.raises(ModelOutputInvalid, match="not finite"):
        model.run({"x": bad})
    assert np.isnan(model.run({"x": bad}, finite=False)["y"][0, 0])


def test_bytes_that_are_no_network_are_one_line() -> None:
    for device in ("cpu", "cuda"):
        bench = Bench(FakeGpuRuntime(), device=device)
        with pytest.raises(ModelFileError, match="doubler is no ONNX") as told:
            bench.open(doubling()[:-20])
        assert "\n" not in told.value.detail


def test_large_answers_may_be_borrowed_small_ones_are_ones_own() -> None:
    model = OnnxModel("doubler", doubling())
    large = np.random.default_rng(1).random((40_000, 4), np.float32)
    first = model.run({"x": large}, borrow=True)["y"]
    second = model.run({"x": large + 1}, borrow=True)["y"]
    assert first == pytest.approx(2 * large), "the first run of a size is a fresh array"
    assert second == pytest.approx(2 * large + 2)
    assert not second.flags.writeable
    third = model.run({"x": large + 2}, borrow=True)["y"]
    assert np.shares_memory(second, third) and third == pytest.approx(2 * large + 4)
    small = [model.run({"x": ROWS}, borrow=True)["y"] for _ in range(2)]
    assert not np.shares_memory(*small)


@pytest.mark.weights
async def test_faces_are_read_on_the_cpu_and_every_answer_says_so(
    models_dir: Path, astronaut: Image
) -> None:
    picture = cv2.imencode(".png", astronaut)[1].tobytes()
    metrics = FakeMetrics()
    placement = Placement(device="cuda")
    with InProcessPerception(
        models_dir, frozenset({"face", "speech"}), placement=placement, metrics=metrics
    ) as perception:
        (answer,) = await perception.faces([FaceAsk(picture=picture, embed=True)])
        assert answer.fallback and answer.faces[0].embedding is not None
        assert list(perception.fallbacks) == ["face"], (
            "the voice detector stays on the CPU by choice"
        )
    assert metrics.gauges == {("models_on_fallback", (("group", "face"),)): 1}


@pytest.mark.weights
async def test_faces_of_several_hosts_are_embedded_in_one_run(
    models_dir: Path, astronaut: Image
) -> None:
    runtime = FakeGpuRuntime()
    turned = np.ascontiguousarray(astronaut[:, ::-1])
    pictures = [
        cv2.imencode(".png", each)[1].tobytes()
        for each in (astronaut, np.zeros_like(turned), turned)
    ]
    asks = [FaceAsk(picture=each, embed=True) for each in [*pictures, b"no picture"]]
    with InProcessPerception(models_dir, frozenset({"face"}), threads=2) as alone:
        expected = await alone.faces(asks)
    placement = Placement(device="cuda", runtime=runtime)
    with InProcessPerception(
        models_dir, frozenset({"face"}), threads=2, placement=placement
    ) as gpu:
        runtime.runs.clear()
        answers = await gpu.faces(asks)
        assert not gpu.fallbacks
    assert runtime.runs == [4], "two faces and their mirror images"
    assert [each.fault for each in answers] == [each.fault for each in expected]
    assert [len(each.faces) for each in answers] == [1, 0, 1, 0]
    for got, want in zip(answers, expected, strict=True):
        assert got.producers == want.producers and not got.fallback
        for one, other in zip(got.faces, want.faces, strict=True):
            assert one.box == other.box and one.gaze == other.gaze and one.head == other.head
            assert one.embedding is not None and other.embedding is not None
            shift = float(np.linalg.norm(one.embedding - other.embedding))
            assert 0 < shift < 2e-3, "the GPU works in float16, which the manifest allows"
