"""The command end to end, on a folder made of the catalogue's portrait and recording."""

import json
import math
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from bench.accuracy.gaze import Reading, sense
from deployments.cli.bench import app
from models.catalogue import Catalogue, default_dir
from proctor.domain.geometry import Gaze
from proctor.domain.observations import GazeSeen
from proctor.fusion.rates import Sampling
from proctor.sensing.limits import GazeLimits
from proctor.settings import Settings

RUN = CliRunner()
PICTURES = 6


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    settings = Settings()
    folder = default_dir(settings.home, settings.models_dir)
    catalogue = Catalogue(folder, settings.models_mirror)
    catalogue.fetch(["embedded", "demo"])
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(folder))
    return catalogue


@pytest.fixture
def small(fetched: Catalogue, tmp_path: Path) -> Path:
    """Two folders of the same woman, as a mirror image in one of them; half a minute of talk."""
    image = cv2.imread(str(fetched.path("astronaut")))
    assert image is not None
    face = image[0:256, 100:356]  # in the middle of the picture, as the layout wants it
    for name, side in (("Ada", face), ("Bea", face[:, ::-1])):
        folder = tmp_path / "images" / "lfw" / name
        folder.mkdir(parents=True)
        for number in range(PICTURES):
            darker = cv2.convertScaleAbs(side, None, 1 - 0.05 * number)
            cv2.imwrite(str(folder / f"{number}.jpg"), darker)
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "lfw_pairs.csv").write_text("file_x,file_y,same\nAda/0.jpg,Ada/1.jpg,1\n")
    (labels / "talk.rttm").write_text("SPEAKER sample 1 6.69 23.3 <NA> <NA> a <NA> <NA>\n")
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "sample.wav").write_bytes(fetched.read("speech-sample"))
    return tmp_path


@pytest.mark.weights
def test_what_has_labels_is_measured_and_the_rest_is_null_and_a_line(
    small: Path, tmp_path: Path
) -> None:
    written, page = tmp_path / "found.json", tmp_path / "page.md"
    done = RUN.invoke(
        app, ["accuracy", "--media", str(small), "--json", str(written), "--markdown", str(page)]
    )
    assert done.exit_code == 0, done.stdout + done.stderr
    found = json.loads(written.read_text())
    who = found["verification"]
    assert who["failure_to_acquire"] == 0.0 and who["accuracy"] == 1.0
    assert who["match_wrong_person"] == 1.0, "a mirror image is no other person"
    assert who["fnmr_at_fmr_1e4"] is None, "36 comparisons know nothing of one in ten thousand"
    assert who["fnmr_3x3_at_fmr_1e3"] is not None
    assert found["detection"]["recall_48px"] == 1.0 and found["detection"]["recall_all"] > 0.9
    assert found["head_pose"]["mae_deg"] == {"yaw": None, "pitch": None, "roll": None}
    assert found["gaze"]["auc"] is None and found["gaze"]["false_away_per_minute"] is None
    assert found["vad"]["f1"] > 0.9
    assert found["liveness"] == {"apcer": None, "bpcer": None}
    assert set(found["cost_cpu_ms"]) == {name for name in found["models"].values() if name}
    assert all(cost > 0 for cost in found["cost_cpu_ms"].values())
    for line in ("labels/headpose_*.csv is missing", "labels/gaze_videos.csv is missing"):
        assert f"not measured: {line}" in done.stdout
    assert "## Pack `embedded`" in page.read_text()


@pytest.mark.weights
def test_a_model_without_weights_leaves_its_figures_empty(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_MODELS__HEAD_POSE", "sixdrepnet")
    written = tmp_path / "found.json"
    some = ["--only", "head_pose", "--only", "vad", "--only", "cost_cpu_ms"]
    done = RUN.invoke(app, ["accuracy", "--media", str(small), "--json", str(written), *some])
    assert done.exit_code == 0, done.stderr
    found = json.loads(written.read_text())
    assert found["head_pose"]["mae_deg"]["yaw"] is None
    assert found["cost_cpu_ms"]["sixdrepnet"] is None and found["cost_cpu_ms"]["voice"] > 0
    assert "no weights" in found["basis"]["head_pose.mae_deg.yaw"]
    assert found["vad"]["f1"] > 0.9 and "verification" not in found


def test_no_folder_and_no_pack_are_one_line_and_exit_2(tmp_path: Path) -> None:
    assert RUN.invoke(app, ["accuracy", "--media", str(tmp_path / "gone")]).exit_code == 2
    done = RUN.invoke(app, ["accuracy", "--media", str(tmp_path), "--pack", "giant"])
    assert done.exit_code == 2 and "no pack is called giant" in done.stderr


@pytest.mark.weights
def test_a_calibration_is_printed_as_the_manifest_wants_it(small: Path) -> None:
    done = RUN.invoke(app, ["calibrate", "--media", str(small)])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("    scores:\n      slope: ")
    nothing = RUN.invoke(app, ["calibrate", "--media", str(small / "labels")])
    assert nothing.exit_code != 0


def readings(yaw_of: list[float | None]) -> list[Reading]:
    """Four a second."""
    return [
        Reading(
            250 * at,
            GazeSeen(
                observed_ms=250 * at,
                head=None,
                gaze=None if yaw is None else Gaze(yaw, 0.0),
                eyes_open=0.3,
                mouth_open=0.0,
                producers=(),
                frame_digest="0" * 64,
            ),
        )
        for at, yaw in enumerate(yaw_of)
    ]


def test_a_look_aside_is_told_after_the_dwell_and_from_when_it_began() -> None:
    aside = sense(readings([5.0] * 24 + [-15.0] * 16 + [5.0] * 16), GazeLimits(), Sampling())
    ((told_ms, signal),) = aside.signals
    assert 6_000 <= signal.started_ms <= 7_000, "one picture a second while nothing is pending"
    assert told_ms - signal.started_ms >= GazeLimits().dwell_ms
    assert math.isclose(dict(aside.turned)[8_000], -20.0)


def test_blinks_and_small_turns_are_no_look_aside() -> None:
    calm = sense(readings([5.0, 6.0, None, 4.0] * 14), GazeLimits(), Sampling())
    assert calm.signals == []
    assert len(calm.turned) == 42, "a blink has no direction"
