"""`proctor models calibrate`: an operator's recogniser from the file to the setting that chooses it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.cli.models import app
from models.catalogue import Catalogue, default_dir, match_calibration
from models.selection import select
from proctor.settings import Settings

pytestmark = [pytest.mark.weights, pytest.mark.media]

RUN = CliRunner()
NETWORK = "recognise/edgeface_xxs_q_dequant.onnx"


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder to which an ArcFace-style network was added by the command."""
    settings = Settings()
    if settings.models_mirror is None:
        pytest.skip("PROCTOR_MODELS_MIRROR is absent: the network has no other source")
    known = default_dir(settings.home, settings.models_dir)
    Catalogue(known, settings.models_mirror).fetch(["embedded"])
    folder = tmp_path / "models"
    Catalogue(folder, str(known)).fetch(["embedded"])
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(folder))
    add = ["add", "arcface-file", str(Path(settings.models_mirror) / NETWORK)]
    done = RUN.invoke(app, [*add, "--accept-licence", "own-recogniser"])
    assert done.exit_code == 0, done.stderr
    return folder


def people(media: Path, folder: Path, wanted: list[tuple[int, int]]) -> Path:
    """A folder with so many people of so many pictures each."""
    folder.mkdir()
    known = sorted((media / "images" / "lfw").iterdir())
    for count, pictures in wanted:
        fitting = [p for p in known if len(list(p.iterdir())) >= pictures]
        for person in fitting[:count]:
            known.remove(person)
            (folder / person.name).mkdir()
            for picture in sorted(person.iterdir())[:pictures]:
                (folder / person.name / picture.name).symlink_to(picture)
    return folder


def test_too_few_people_is_one_line_and_nothing_is_kept(
    brought: Path, media: Path, tmp_path: Path
) -> None:
    few = people(media, tmp_path / "few", [(3, 6)])
    done = RUN.invoke(app, ["calibrate", "arcface-file", str(few)])
    assert done.exit_code == 2
    assert "and 3 have three: 20 and 80 are needed" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert Catalogue(brought).records.calibrations == {}


def test_a_brought_network_is_calibrated_and_can_be_chosen(
    brought: Path, media: Path, tmp_path: Path
) -> None:
    enough = people(media, tmp_path / "enough", [(24, 7), (72, 4)])
    written = tmp_path / "figures.json"
    done = RUN.invoke(app, ["calibrate", "arcface-file", str(enough), "--json", str(written)])
    assert done.exit_code == 0, done.stderr
    assert "kept for arcface-file" in done.stdout and "metric: cosine" in done.stdout
    chosen = select("embedded", {"face_embedding": "arcface-file"})
    model, calibration = match_calibration(chosen, Catalogue(brought))
    assert model.model == "arcface-file"
    # the manifest has 0.765 for this network, fitted to twice as many people
    assert 0.65 < calibration.midpoint < 0.8 and calibration.slope > 20
    figures = json.loads(written.read_text())
    assert figures["calibration"]["midpoint"] == calibration.midpoint
    assert figures["groups"]["all"]["genuine"]["match"] > 0.95
