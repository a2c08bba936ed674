"""Files that an operator brings: what is kept, what is refused, and what a new file forgets."""

import io
import pickle
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.brought import CONVERTERS, taken_in
from models.catalogue import Catalogue, match_calibration
from models.errors import ModelFileError
from models.manifest import Calibration, load_manifest
from models.selection import select
from tests.models.networks import channel_network

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CALIBRATION = Calibration(
    metric="cosine", slope=50.0, midpoint=0.7, match_above=0.9, no_match_below=0.1, fmr=1e-3,
    measured="by hand",
)  # fmt: skip
FILES = {file.id: file for file in load_manifest().files}


def bring(catalogue: Catalogue, name: str, content: bytes) -> None:
    source = catalogue.models_dir.parent / "brought"
    source.write_bytes(content)
    if terms := FILES[name].licence.accept:
        catalogue.accept(terms, by="tests", at=NOW)
    catalogue.add(name, source, NOW)


def archive() -> bytes:
    """What `torch.save` writes begins like this."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("archive/data.pkl", b"")
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "arcface-file"),
        (b"<html>not found</html>", "arcface-file"),
        (channel_network(112)[:-30], "INVALID_PROTOBUF"),
        (archive(), "wanted as ONNX: this is a torch checkpoint"),
        (pickle.dumps({"a": 1}, protocol=2), "wanted as ONNX: this is a torch checkpoint"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line_and_not_kept(
    tmp_path: Path, content: bytes, told: str
) -> None:
    catalogue = Catalogue(tmp_path / "models")
    with pytest.raises(ModelFileError) as caught:
        bring(catalogue, "arcface-file", content)
    assert told in caught.value.detail and "\n" not in caught.value.detail
    assert not catalogue.path("arcface-file").exists() and not catalogue.records.brought


@pytest.mark.parametrize("name", ["sixdrepnet", "l2cs"])
def test_a_checkpoint_without_torch_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ModelFileError, match="install the extra `torch`"):
        taken_in(FILES[name], archive())


def test_every_conversion_of_the_manifest_is_known() -> None:
    assert {file.convert for file in FILES.values() if file.convert} == set(CONVERTERS)


def test_an_embedding_model_is_brought_calibrated_and_chosen(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "models")
    chosen = select("embedded", {"face_embedding": "arcface-file"})
    with pytest.raises(ModelFileError, match="never added"):
        match_calibration(chosen, catalogue)
    bring(catalogue, "arcface-file", channel_network(112))
    with pytest.raises(ModelFileError, match="proctor models calibrate arcface-file FOLDER"):
        match_calibration(chosen, catalogue)
    catalogue.calibrate("arcface-file", catalogue.producer("arcface-file").digest, CALIBRATION)
    model, calibration = match_calibration(chosen, catalogue)
    assert model.model == "arcface-file" and model.version == model.version[:12]
    assert (calibration.metric, calibration.midpoint) == ("cosine", 0.7)


def test_a_calibration_belongs_to_the_bytes_that_were_measured(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "models")
    chosen = select("embedded", {"face_embedding": "arcface-file"})
    bring(catalogue, "arcface-file", channel_network(112))
    measured = catalogue.producer("arcface-file").digest
    catalogue.calibrate("arcface-file", measured, CALIBRATION)
    bring(catalogue, "arcface-file", channel_network(112))
    match_calibration(chosen, catalogue)

    bring(catalogue, "arcface-file", channel_network(112, dimensions=8))
    with pytest.raises(ModelFileError, match="has no calibration"):
        match_calibration(chosen, catalogue)
    with pytest.raises(ModelFileError, match="not what was measured"):  # it was exchanged meanwhile
        catalogue.calibrate("arcface-file", measured, CALIBRATION)


def test_what_was_never_added_is_not_calibrated(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="not what was measured"):
        Catalogue(tmp_path / "models").calibrate("arcface-file", "ab" * 32, CALIBRATION)


@pytest.mark.parametrize("name", ["blazeface", "research", "gaze-of-mesh"])
def test_a_name_of_several_files_or_none_is_one_line(tmp_path: Path, name: str) -> None:
    catalogue = Catalogue(tmp_path / "models")
    for ask in (catalogue.path, catalogue.read, catalogue.producer):
        with pytest.raises(ModelFileError, match="is not one file"):
            ask(name)
    with pytest.raises(ModelFileError, match="is not one file"):
        catalogue.add(name, tmp_path, at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("name", ["face-embedding", "sixdrepnet"])
def test_only_a_brought_embedding_model_is_calibrated(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFileError, match="no embedding model that an operator brings"):
        Catalogue(tmp_path).calibrate(name, "ab" * 32, CALIBRATION)
