"""A weight file that is not what its reader wants: one clear line at start, and never "nobody there".

Every model of the manifest whose files can be had here is given, for each of its files, a part of it,
something else, another network and, for LiteRT, weights that are no numbers.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.catalogue import Catalogue, default_dir
from models.errors import FetchFailed, LicenceNotAccepted, ModelFileError, ModelOutputInvalid
from models.manifest import load_manifest
from models.readers import open_model
from models.runtimes.litert import require_finite
from models.runtimes.onnx import OnnxModel
from models.selection import Selection
from models.sources import digest_of
from proctor.settings import Settings

pytestmark = pytest.mark.weights

MANIFEST = load_manifest()
RUNTIMES = ("litert", "onnx")
NEEDS_MEDIAPIPE = "mediapipe-tasks"
CASES = [
    (name, file.id)
    for name, model in MANIFEST.models.items()
    for file in MANIFEST.files
    if file.id in model.files
    and file.runtime in RUNTIMES
    and not file.is_operators
    and model.reader != NEEDS_MEDIAPIPE
    and not any(each.is_operators for each in MANIFEST.files if each.id in model.files)
]


@cache
def fetched() -> Catalogue:
    """The default folder; the research files' terms are accepted for a folder of the tests' own."""
    settings = Settings()
    catalogue = Catalogue(default_dir(settings.home, settings.models_dir), settings.models_mirror)
    catalogue.fetch(["embedded"])
    return catalogue


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Bytes by id of every file that can be had: the embedded pack, and what a mirror has."""
    own = Catalogue(tmp_path_factory.mktemp("models"), Settings().models_mirror)
    for terms in {file.licence.accept for file in MANIFEST.files} - {None}:
        assert terms is not None
        own.accept(terms, "tests", datetime(2026, 11, 22, tzinfo=UTC))
    found = {}
    for name in {file for _, file in CASES}:
        try:
            found[name] = fetched().read(name)
        except (ModelFileError, LicenceNotAccepted):
            try:
                own.fetch([name])
            except FetchFailed:
                continue
            found[name] = own.read(name)
    return found


def other_onnx(_: bytes) -> bytes:
    """A network that runs, and is no model of ours."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 7])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


@pytest.fixture(params=["a part", "something else", "another network"])
def wrong(request: pytest.FixtureRequest, everything: dict[str, bytes]) -> Callable[[str], bytes]:
    """What a file is replaced by."""

    def made(name: str) -> bytes:
        content = everything[name]
        if request.param == "a part":
            return content[: len(content) // 2]
        if request.param == "something else":
            return b"<html>not found</html>" * 50
        if content[4:8] != b"TFL3":
            return other_onnx(content)
        return everything["iris" if name != "iris" else "face-mesh"]

    return made


def opened_with(
    folder: Path, everything: dict[str, bytes], model: str, name: str, content: bytes
) -> object:
    """The model's reader over a catalogue in which one file has other bytes (and their digest)."""
    files = MANIFEST.models[model].files
    bytes_of = {each: everything[each] for each in files} | {name: content}
    changed = MANIFEST.model_copy(
        update={
            "files": tuple(
                file.model_copy(
                    update={
                        "sha256": digest_of(bytes_of[file.id]),
                        "bytes": len(bytes_of[file.id]),
                        "licence": file.licence.model_copy(update={"accept": None}),
                    }
                )
                if file.id in bytes_of
                else file
                for file in MANIFEST.files
            )
        }
    )
    catalogue = Catalogue(folder, None, changed)
    for each, its in bytes_of.items():
        catalogue.path(each).parent.mkdir(parents=True, exist_ok=True)
        catalogue.path(each).write_bytes(its)
    task = MANIFEST.models[model].task
    return open_model(Selection(changed, {task: model}), catalogue, task)


@pytest.mark.parametrize(("model", "name"), CASES)
def test_a_wrong_file_is_one_clear_line_at_start(
    tmp_path: Path,
    everything: dict[str, bytes],
    wrong: Callable[[str], bytes],
    model: str,
    name: str,
) -> None:
    if not everything.keys() >= set(MANIFEST.models[model].files):
        pytest.skip(f"{name} is in no mirror here (PROCTOR_MODELS_MIRROR)")
    with pytest.raises(ModelFileError) as refused:
        opened_with(tmp_path, everything, model, name, wrong(name))
    assert "\n" not in refused.value.detail
    assert name in refused.value.detail


@pytest.mark.parametrize(("model", "name"), CASES)
def test_weights_that_are_no_numbers_are_no_answer(
    tmp_path: Path, everything: dict[str, bytes], model: str, name: str
) -> None:
    if not everything.keys() >= set(MANIFEST.models[model].files):
        pytest.skip(f"{name} is in no mirror here (PROCTOR_MODELS_MIRROR)")
    content = everything[name]
    if content[4:8] == b"TFL3":
        with pytest.raises(ModelFileError, match="not finite"):
            opened_with(tmp_path, everything, model, name, litert_with_nan(content))
        with pytest.raises(ModelFileError, match="not finite"):
            require_finite(name, litert_with_nan(content))
        return
    try:
        network = OnnxModel(name, onnx_with_nan(content))
    except ModelFileError:
        return  # a check at start is as good
    inputs = {each: np.zeros(sides(shape), kind) for each, shape, kind in inputs_of(content)}
    with pytest.raises(ModelOutputInvalid, match="not finite"):
        network.run(inputs)


def litert_with_nan(content: bytes) -> bytes:
    """The file with its tables of weights filled with NaN, found by the format's own schema."""
    from ai_edge_litert import schema_py_generated as schema

    changed = bytearray(content)
    model = schema.Model.GetRootAs(changed, 0)
    kinds = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}
    filled = 0
    for graph in (model.Subgraphs(each) for each in range(model.SubgraphsLength())):
        for tensor in (graph.Tensors(each) for each in range(graph.TensorsLength())):
            table = model.Buffers(tensor.Buffer())
            if tensor.Type() in kinds and table.DataLength() >= 512:
                table.DataAsNumpy().view(kinds[tensor.Type()])[:] = np.nan
                filled += 1
    assert filled, "no weights found in the file"
    return bytes(changed)


def onnx_with_nan(content: bytes) -> bytes:
    """The file with its tables of weights filled with NaN; of a quantised one, the scales as well."""
    model = onnx.load_from_string(content)
    is_quantised = any(each.data_type == TensorProto.INT8 for each in model.graph.initializer)
    for weights in model.graph.initializer:
        value = numpy_helper.to_array(weights)
        if value.dtype == np.float32 and (value.ndim > 1 or is_quantised):
            filled = np.full(value.shape, np.nan, np.float32)
            weights.CopyFrom(numpy_helper.from_array(filled, weights.name))
    return bytes(model.SerializeToString())


def inputs_of(content: bytes) -> list[tuple[str, list[int | None], np.dtype[np.generic]]]:
    graph = onnx.load_from_string(content).graph
    constants = {each.name for each in graph.initializer}
    return [
        (
            each.name,
            [side.dim_value or None for side in each.type.tensor_type.shape.dim],
            np.dtype(helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type)),
        )
        for each in graph.input
        if each.name not in constants
    ]


def sides(shape: list[int | None]) -> tuple[int, ...]:
    """Free sides filled in: one item, pictures of 320 px, a second of sound, 576 samples for Silero."""
    last = {2: 576, 3: 16_000, 4: 320}.get(len(shape), 1)
    return tuple(
        side or (last if at > 0 and (len(shape) == 4 or at == len(shape) - 1) else 1)
        for at, side in enumerate(shape)
    )
