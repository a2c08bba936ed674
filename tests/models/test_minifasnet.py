"""Passive liveness: the crops, the softmax, the calibration, and three pictures that tell apart."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.minifasnet import MiniFasNet, live_share, surroundings
from models.in_process import InProcessPerception
from models.manifest import ScoreCalibration, load_manifest
from models.readers import open_faces
from models.scores import probabilities
from models.selection import select
from proctor.domain.geometry import Box
from proctor.domain.perception import FaceAsk
from proctor.settings import Settings

CALIBRATION = ScoreCalibration(
    slope=0.5, midpoint=-1.0, method="by hand", data="none", date="2026-11-22", ece=0.0
)
FILES = ("minifasnet-v2", "minifasnet-v1se")


@pytest.mark.parametrize(
    ("story", "box", "scale", "expected"),
    [
        ("in the middle", Box(0.45, 0.45, 0.1, 0.1), 4.0, (30, 30, 70, 70)),
        ("shifted in from the left", Box(0.0, 0.45, 0.1, 0.1), 4.0, (0, 30, 40, 70)),
        ("and from the bottom right", Box(0.9, 0.9, 0.1, 0.1), 2.0, (79, 79, 99, 99)),
        ("smaller when it does not fit", Box(0.25, 0.25, 0.5, 0.5), 4.0, (0, 0, 99, 99)),
        ("a tall box limits the width", Box(0.4, 0.1, 0.2, 0.8), 2.7, (37, 0, 62, 99)),
    ],
)
def test_the_surroundings_are_upstreams(
    story: str, box: Box, scale: float, expected: tuple[int, int, int, int]
) -> None:
    assert surroundings(box, 100, 100, scale) == pytest.approx(expected, abs=1), story


def test_a_face_without_a_size_is_no_face() -> None:
    for box in (Box(0.5, 0.5, 0.0, 0.2), Box(0.5, 0.5, float("nan"), 0.2)):
        with pytest.raises(ModelOutputInvalid):
            surroundings(box, 100, 100, 2.7)


def test_the_share_of_live_is_the_softmax_of_the_second_logit() -> None:
    logits = np.log(np.array([[1.0, 3.0, 4.0]], np.float32))
    assert live_share(logits, "n") == pytest.approx(3 / 8)
    assert live_share(np.array([[0, 1000, 0]], np.float32), "n") == 1.0


@pytest.mark.parametrize(
    "logits",
    [np.zeros((1, 2), np.float32), np.zeros((2, 3), np.float32), np.full((1, 3), np.nan, "f4")],
)
def test_an_answer_that_is_none_is_never_live(logits: np.ndarray) -> None:
    with pytest.raises(ModelOutputInvalid):
        live_share(logits, "n")


def test_a_score_becomes_a_probability_by_the_manifests_line() -> None:
    assert probabilities(1 / (1 + np.e), CALIBRATION) == pytest.approx(0.5)
    assert probabilities(0.5, CALIBRATION) == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert 0 < probabilities(0.0, CALIBRATION) < 0.01 < 0.99 < probabilities(1.0, CALIBRATION) < 1


def test_without_a_stated_calibration_there_is_no_probability() -> None:
    own = load_manifest()
    bare = own.model_copy(
        update={"files": tuple(file.model_copy(update={"scores": None}) for file in own.files)}
    )
    with pytest.raises(ModelFileError, match="scores"):
        MiniFasNet(Catalogue(Path("/nowhere"), manifest=bare), FILES)


@pytest.fixture(scope="module")
def model(models_dir: Path) -> MiniFasNet:
    mirror = Settings().models_mirror
    if mirror is None:
        pytest.skip("PROCTOR_MODELS_MIRROR is absent: these files have no other source")
    catalogue = Catalogue(models_dir, mirror)
    catalogue.fetch(["minifasnet"])
    return MiniFasNet(catalogue, FILES)


@pytest.mark.weights
@pytest.mark.media
async def test_the_three_sample_pictures(
    model: MiniFasNet, perception: InProcessPerception, media: Path
) -> None:
    scores = {}
    for path in sorted((media / "images" / "antispoof").glob("*.jpg")):
        raw = path.read_bytes()
        (answer,) = await perception.faces([FaceAsk(picture=raw)])
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR_RGB)
        scores[path.stem] = model.score(image, answer.faces[0].box)
    assert scores == {
        "image_F1_spoof": pytest.approx(0.164, abs=0.1),
        "image_F2_spoof": pytest.approx(0.008, abs=0.03),
        "image_T1_live": pytest.approx(0.983, abs=0.02),
    }


@pytest.mark.weights
@pytest.mark.media
def test_a_live_webcam_through_the_whole_reader(
    model: MiniFasNet, models_dir: Path, media: Path
) -> None:
    chosen = select("embedded", {"liveness": "minifasnet"})
    reader = open_faces(chosen, Catalogue(models_dir))
    video = cv2.VideoCapture(str(media / "video" / "gaze_center_focus.mp4"))
    lives = []
    for number in range(120):
        assert video.grab()
        if number % 20 == 0:
            small = cv2.resize(video.retrieve()[1], None, fx=0.5, fy=0.5)
            ask = FaceAsk(picture=cv2.imencode(".jpg", small)[1].tobytes(), embed=True)
            answer = reader.read(ask)
            assert {producer.model for producer in answer.producers} >= set(FILES)
            assert answer.producers[-1].model == "face-embedding"
            lives.append(answer.faces[0].live)
    assert len(lives) == 6 and all(live is not None and live > 0.97 for live in lives)
