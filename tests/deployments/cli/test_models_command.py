"""`proctor models`: what it prints and how it exits."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from deployments.cli.models import app
from models.catalogue import Catalogue, default_dir
from proctor.settings import Settings
from tests.models.networks import channel_network, constant_network
from tests.models.objects.graphs import constant

RUN = CliRunner()


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = Settings()
    folder = default_dir(settings.home, settings.models_dir)
    Catalogue(folder, settings.models_mirror).fetch(["embedded", "demo"])
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(folder))
    return folder


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty models folder, no mirror, and a pip that sees no index."""
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.delenv("PROCTOR_MODELS_MIRROR", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "models"


def test_no_network_is_one_line_and_exit_2(empty: Path) -> None:
    done = RUN.invoke(app, ["fetch", "astronaut"])
    assert done.exit_code == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("proctor models:")]
    assert len(lines) == 1 and "PROCTOR_MODELS_MIRROR" in lines[0]
    assert [p for p in empty.rglob("*") if p.is_file() and p.name != ".lock"] == []


def test_verify_names_what_is_missing(empty: Path) -> None:
    done = RUN.invoke(app, ["verify", "voice"])
    assert done.exit_code == 2
    assert done.stderr.strip() == "proctor models: voice missing: run `proctor models fetch`"


def test_an_unknown_pack_is_one_line_and_exit_2(empty: Path) -> None:
    for command in ("fetch", "list", "verify", "licences"):
        done = RUN.invoke(app, [command, "giant"])
        assert done.exit_code == 2
        assert "no pack, model or file is called giant" in done.stderr


def test_licences_name_the_terms_of_every_file(empty: Path) -> None:
    done = RUN.invoke(app, ["licences"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    for words in ("Apache-2.0", "CC0-1.0", "MIT", "public domain", "Davis King", "NASA"):
        assert words in done.stdout


@pytest.mark.weights
def test_a_mirror_serves_the_whole_pack(
    fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = RUN.invoke(app, ["fetch", "--mirror", str(fetched)])
    assert done.exit_code == 0, done.stderr
    assert "9 files verified" in done.stderr
    assert RUN.invoke(app, ["verify"]).exit_code == 0


@pytest.mark.weights
def test_list_shows_what_is_there(fetched: Path) -> None:
    done = RUN.invoke(app, ["list", "embedded"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert done.stdout.count("present") == 7
    assert done.stdout.count("needs no file") == 1  # gaze comes from the mesh
    for column in ("task", "version", "licence", "commercial", "digest", "measured", "cost"):
        assert column in done.stdout
    for words in ("face-embedding", "dlib-1+mirror", "CC0-1.0", "690cba5e084e", "22.4", "97.6 %"):
        assert words in done.stdout


@pytest.mark.weights
def test_list_tells_programs_the_same(fetched: Path) -> None:
    done = RUN.invoke(app, ["list", "face-embedding", "--json"])
    (row,) = json.loads(done.stdout)
    assert row["task"] == "face_embedding" and row["packs"][0] == "embedded"
    assert row["installed"] and row["commercial_use"] and row["bytes"] == 22_436_217
    assert row["sha256"][0].startswith("690cba5e084e") and "97.6 %" in row["accuracy"][0]


def test_list_tells_what_is_not_there(empty: Path) -> None:
    done = RUN.invoke(app, ["list", "voice", "--json"])
    assert [row["installed"] for row in json.loads(done.stdout)] == [False]


def test_terms_that_nobody_knows_are_one_line_and_exit_2(empty: Path) -> None:
    done = RUN.invoke(app, ["fetch", "voice", "--accept-licence", "whatever"])
    assert done.exit_code == 2
    assert "proctor models: no terms are called whatever" in done.stderr


def test_restricted_terms_are_accepted_by_name_and_the_record_says_by_whom(empty: Path) -> None:
    refused = RUN.invoke(app, ["fetch", "edgeface-xs"])
    assert refused.exit_code == 2
    (line,) = [each for each in refused.stderr.splitlines() if each.startswith("proctor models:")]
    terms = line.rpartition("--accept-licence ")[2].strip("`")
    assert f"proctor models fetch edgeface-xs --accept-licence {terms}" in line
    accepted = RUN.invoke(app, ["fetch", "edgeface-xs", "--accept-licence", terms])
    assert accepted.exit_code == 2, "accepted, but there is no mirror to fetch it from"
    record = json.loads((empty / "records.json").read_text())["accepted"][terms]
    assert record["by"] and record["at"].endswith("Z")
    shown = RUN.invoke(app, ["licences", "edgeface-xs"], env={"COLUMNS": "250"}).stdout
    assert f"by {record['by']}" in shown
    (row,) = json.loads(RUN.invoke(app, ["list", "edgeface-xs", "--json"]).stdout)
    assert row["accepted"] and not row["commercial_use"] and not row["installed"]


def test_an_operator_s_file_is_copied_under_the_digest_it_has(empty: Path, tmp_path: Path) -> None:
    brought = tmp_path / "mine.pt"
    brought.write_bytes(b"whatever an operator has")
    terms = ["--accept-licence", "own-recogniser"]
    broken = RUN.invoke(app, ["add", "arcface-file", str(brought), *terms])
    assert broken.exit_code == 2 and "arcface-file is no ONNX model" in broken.stderr
    done = RUN.invoke(app, ["add", "whisper-checkpoint", str(brought)])
    assert done.exit_code == 0, done.stderr
    record = json.loads((empty / "records.json").read_text())["brought"]["whisper-checkpoint"]
    assert record["bytes"] == 24
    (row,) = json.loads(RUN.invoke(app, ["list", "whisper-checkpoint", "--json"]).stdout)
    assert row["model"] == "whisper" and row["sha256"][0] == record["sha256"]


def test_a_detector_is_brought_with_its_settings_once_its_terms_are_accepted(
    empty: Path, tmp_path: Path
) -> None:
    network, settings = tmp_path / "mine.onnx", tmp_path / "mine.yaml"
    network.write_bytes(constant({"output0": np.zeros((1, 84, 5), np.float32)}))
    refused = RUN.invoke(app, ["add", "object-detector", str(network)])
    assert refused.exit_code == 2
    assert "proctor models add object-detector FILE --accept-licence own-detector" in refused.stderr
    terms = ["--accept-licence", "own-detector"]
    done = RUN.invoke(app, ["add", "object-detector", str(network), *terms])
    assert done.exit_code == 0, done.stderr
    settings.write_text("detector: 1\ninput: {width: 64}\n")
    wrong = RUN.invoke(app, ["add", "object-detector-settings", str(settings)])
    assert wrong.exit_code == 2
    assert "object-detector-settings is wrong at input.height" in wrong.stderr
    settings.write_text(
        "{detector: 1, input: {width: 64, height: 64}, output: {layout: yolov8},"
        " classes: coco-80, labels: {phone: [cell phone]}}"
    )
    assert RUN.invoke(app, ["add", "object-detector-settings", str(settings)]).exit_code == 0
    (row,) = json.loads(RUN.invoke(app, ["list", "coco-onnx", "--json"]).stdout)
    assert row["installed"] and row["accepted"] and not row["commercial_use"]


def test_without_names_the_choice_of_the_settings_is_meant(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_PACK", "permissive")
    monkeypatch.setenv("PROCTOR_MODELS__LIVENESS", "off")
    told = RUN.invoke(app, ["verify"]).stderr
    assert "yunet missing" in told and "fsanet" in told and "minifasnet" not in told


YOLO = constant({"output0": np.zeros((1, 84, 5), np.float32)})
"""A detector of things as it is exported: one picture in, boxes with 80 classes out."""


@pytest.mark.parametrize(
    ("name", "terms", "content", "told"),
    [
        ("arcface-file", "own-recogniser", YOLO, "takes (1, 3, 64, 64), not one (n, 3, 112, 112)"),
        (
            "arcface-file",
            "own-recogniser",
            constant_network(112, {"boxes": np.ones((1, 84, 5))}),
            "answers a face with [(1, 84, 5)], not (1, d)",
        ),
        (
            "buffalo-l",
            "insightface-noncommercial",
            channel_network(224),
            "not one (n, 3, 112, 112)",
        ),
        (
            "sixdrepnet",
            None,
            constant_network(224, {"angles": np.ones((1, 3))}),
            "not (1, 6) or (1, 3, 3)",
        ),
        (
            "l2cs",
            "gaze360-noncommercial",
            constant_network(448, {"yaw": np.ones((1, 28)), "pitch": np.ones((1, 28))}),
            "not twice (1, 90)",
        ),
        ("scrfd-10g", "insightface-noncommercial", YOLO, "where this detector has 1 and 9"),
        (
            "scrfd-500m",
            "insightface-noncommercial",
            constant_network(640, {f"out{at}": np.ones((1, 4, 4)) for at in range(9)}),
            "scrfd-500m is not this detector",
        ),
    ],
)
def test_a_network_of_another_kind_is_refused_by_its_reader_and_not_kept(
    empty: Path, tmp_path: Path, name: str, terms: str | None, content: bytes, told: str
) -> None:
    brought = tmp_path / "mine.onnx"
    brought.write_bytes(content)
    accepted = [] if terms is None else ["--accept-licence", terms]
    refused = RUN.invoke(app, ["add", name, str(brought), *accepted], env={"COLUMNS": "2000"})
    assert refused.exit_code == 2
    (line,) = refused.stderr.splitlines()
    assert told in line
    assert f"; {name} wants as input " in line and "as output " in line
    assert not (empty / name).exists()
    records = empty / "records.json"
    assert not records.exists() or not json.loads(records.read_text())["brought"]


def test_a_network_of_another_kind_does_not_displace_the_one_that_is_there(
    empty: Path, tmp_path: Path
) -> None:
    brought = tmp_path / "mine.onnx"
    brought.write_bytes(channel_network(112))
    terms = ["--accept-licence", "own-recogniser"]
    assert RUN.invoke(app, ["add", "arcface-file", str(brought), *terms]).exit_code == 0
    before = (empty / "records.json").read_bytes()
    brought.write_bytes(YOLO)
    assert RUN.invoke(app, ["add", "arcface-file", str(brought)]).exit_code == 2
    assert (empty / "records.json").read_bytes() == before
    assert (empty / "arcface-file" / "arcface.onnx").read_bytes() == channel_network(112)


def test_a_detector_is_opened_with_its_settings_when_they_come(empty: Path, tmp_path: Path) -> None:
    network, settings = tmp_path / "mine.onnx", tmp_path / "mine.yaml"
    network.write_bytes(YOLO)
    terms = ["--accept-licence", "own-detector"]
    assert RUN.invoke(app, ["add", "object-detector", str(network), *terms]).exit_code == 0
    told = (
        "{detector: 1, input: {width: SIDE, height: SIDE}, output: {layout: yolov8},"
        " classes: coco-80, labels: {phone: [cell phone]}}"
    )
    settings.write_text(told.replace("SIDE", "128"))
    refused = RUN.invoke(
        app, ["add", "object-detector-settings", str(settings)], env={"COLUMNS": "2000"}
    )
    assert refused.exit_code == 2
    assert "object-detector takes (1, 3, 64, 64), object-detector-settings says" in refused.stderr
    assert not (empty / "object-detector-settings").exists()
    settings.write_text(told.replace("SIDE", "64"))
    assert RUN.invoke(app, ["add", "object-detector-settings", str(settings)]).exit_code == 0
    network.write_bytes(constant({"output0": np.zeros((1, 84, 5), np.float32)}, (1, 3, 128, 128)))
    assert RUN.invoke(app, ["add", "object-detector", str(network)]).exit_code == 0
    settings.write_text(told.replace("SIDE", "128"))
    assert RUN.invoke(app, ["add", "object-detector-settings", str(settings)]).exit_code == 0


def test_a_file_with_a_source_is_not_added_by_hand(empty: Path) -> None:
    done = RUN.invoke(app, ["add", "voice", "/dev/null"])
    assert done.exit_code == 2
    assert "voice has a source of its own" in done.stderr


@pytest.mark.weights
def test_cost_prints_a_table_and_writes_json(fetched: Path, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["cost", "--json", str(tmp_path / "cost.json")])
    assert done.exit_code == 0, done.stderr
    costs = json.loads((tmp_path / "cost.json").read_text())
    assert {"face: with embedding", "body", "speech: 1 s of 25"} <= {each["what"] for each in costs}
    assert all(each["median_ms"] >= each["least_ms"] > 0 for each in costs)
