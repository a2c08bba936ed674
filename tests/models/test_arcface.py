"""Recognisers of ArcFace's kind: the chip, the vector, files that are none, and real faces."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from models.catalogue import Catalogue, match_calibration
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.arcface import CHIP_PX, TEMPLATE, ArcFaceEmbedder, ArcFaceModel, five_points
from models.readers import open_faces
from models.selection import select
from proctor.domain.media import Image
from proctor.domain.perception import Embedding, FaceAsk
from proctor.identity.matching import match_probability, pair_distance
from tests.models.networks import channel_network, constant_network


def mesh_at(places: np.ndarray) -> np.ndarray:
    """A mesh whose five points lie here; the corners of an eye are 32 px apart."""
    points = np.zeros((468, 3))
    for outer, inner, eye in ((33, 133, places[0]), (362, 263, places[1])):
        points[outer, :2], points[inner, :2] = np.subtract(eye, (16, 0)), np.add(eye, (16, 0))
    for index, place in zip((1, 61, 291), places[2:], strict=True):
        points[index, :2] = place
    return points


def test_the_five_points_come_to_lie_on_the_template() -> None:
    embedder = ArcFaceEmbedder.__new__(ArcFaceEmbedder)
    turn = np.array([[0, -3.0], [3.0, 0]])  # a face three times as large that lies on its side
    places = TEMPLATE @ turn.T + (400, 50)
    assert five_points(mesh_at(places)) == pytest.approx(places)
    image = np.zeros((400, 500, 3), np.uint8)
    for x, y in places:
        cv2.circle(image, (round(x), round(y)), 6, (255, 255, 255), -1)
    chip = embedder.chip(image, mesh_at(places))
    assert chip.shape == (CHIP_PX, CHIP_PX, 3)
    for x, y in TEMPLATE:
        assert chip[round(y), round(x)].min() > 200


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_any_length_of_vector_and_any_batch(batch: int | str) -> None:
    model = ArcFaceModel(channel_network(CHIP_PX, batch, dimensions=7))
    red, grey = np.zeros((CHIP_PX, CHIP_PX, 3), np.uint8), np.full((CHIP_PX, CHIP_PX, 3), 255, "u1")
    red[..., 0] = 255
    vectors = model.embed([red, *[grey] * 5, red, red, grey])
    expected = np.array([1, -1, -1, 0, 0, 0, 0]) / np.sqrt(3)
    assert len(vectors) == 9
    for at in (0, 6, 7):
        assert vectors[at] == pytest.approx(expected, abs=1e-5)
    assert vectors[8] == pytest.approx([*[1 / np.sqrt(3)] * 3, 0, 0, 0, 0], abs=1e-5)
    assert all(vector.dtype == np.float32 for vector in vectors)


def test_a_file_that_declares_one_answer_to_a_free_batch_gives_them_all() -> None:
    """As insightface's recognisers do."""
    model = onnx.load_from_string(channel_network(CHIP_PX, dimensions=5))
    batch = model.graph.output[0].type.tensor_type.shape.dim[0]
    batch.ClearField("dim_param")
    batch.dim_value = 1
    white = np.full((CHIP_PX, CHIP_PX, 3), 255, np.uint8)
    vectors = ArcFaceModel(model.SerializeToString(), "buffalo-l").embed([white] * 3)
    assert [np.shape(vector) for vector in vectors] == [(5,)] * 3


def test_a_vector_that_says_nothing_is_an_error_in_its_own_place() -> None:
    model = ArcFaceModel(channel_network(CHIP_PX))
    white = np.full((CHIP_PX, CHIP_PX, 3), 255, np.uint8)
    middle = white.copy()
    middle[::2] = 0  # on average exactly in the middle, so the vector has no length
    first, none, last = model.embed([white, middle, white])
    assert isinstance(none, ModelOutputInvalid) and "no length" in none.detail
    assert not isinstance(first, ModelOutputInvalid) and not isinstance(last, ModelOutputInvalid)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (channel_network(96), "takes (n, 3, 96, 96), not one (n, 3, 112, 112)"),
        (constant_network(112, {"map": np.ones((1, 4, 7, 7))}), "not (1, d)"),
        (constant_network(112, {"one": np.ones((1, 4)), "two": np.ones((1, 4))}), "not (1, d)"),
        (constant_network(112, {"nan": np.full((1, 4), np.nan)}), "not finite"),
        (channel_network(112)[:-40], "INVALID_PROTOBUF"),
        (b"\x08no model", "INVALID_PROTOBUF"),
    ],
)
def test_a_file_that_is_no_recogniser_is_one_line(content: bytes, told: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        ArcFaceModel(content, "arcface-file")
    assert told in caught.value.detail
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize("name", ["edgeface-xs", "edgeface-xxs"])
def test_edgeface_is_read_by_the_manifests_own_calibration(name: str, tmp_path: Path) -> None:
    chosen = select("embedded", {"face_embedding": name})
    model, calibration = match_calibration(chosen, Catalogue(tmp_path))
    assert (model.model, model.version) == (name, "q-dequant")
    assert calibration.metric == "cosine" and calibration.fmr <= 1e-3
    # ACCURACY.md: the distance at FMR 1e-3 of single pictures is 0.739
    assert match_probability(0.6, calibration) > calibration.match_above
    assert match_probability(0.95, calibration) < calibration.no_match_below


@pytest.mark.weights
@pytest.mark.parametrize("name", ["edgeface-xs", "edgeface-xxs"])
def test_edgeface_knows_the_portrait_again(
    name: str, restricted: Catalogue, astronaut: Image
) -> None:
    reader = open_faces(select("embedded", {"face_embedding": name}), restricted)

    def embedded(image: Image) -> Embedding:
        picture = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
        answer = reader.read(FaceAsk(picture=picture, embed=True))
        assert answer.producers[-1].model == name
        (vector,) = [face.embedding for face in answer.faces if face.embedding is not None]
        return vector

    portrait = embedded(astronaut)
    assert portrait.shape == (512,) and np.linalg.norm(portrait) == pytest.approx(1, abs=1e-5)
    darker = (astronaut * 0.35).astype(np.uint8)
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    for other, most in ((darker, 0.15), (mirrored, 0.2)):
        assert pair_distance(embedded(other), portrait[np.newaxis], "cosine") < most
