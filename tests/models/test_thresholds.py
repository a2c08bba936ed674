"""Readers apply the limits that the manifest states: another one is obeyed, none is one clear line."""

from collections.abc import Mapping

import cv2
import numpy as np
import pytest

from models.body.reader import BodyReader
from models.catalogue import Catalogue
from models.errors import ModelFileError
from models.face.blazeface import BlazeFaceDetector
from models.face.mesh import MeshAndIris, region_of_detection
from models.manifest import Threshold, load_manifest
from models.readers import open_model
from models.selection import Selection
from proctor.domain.media import Image
from proctor.domain.observations import CONFIRMED_FROM
from proctor.domain.perception import BodyAsk

pytestmark = pytest.mark.weights

Limits = Mapping[Threshold, float]
BLAZEFACE = ("face-detection-short", "face-detection-full")
MESH = ("face-mesh", "iris")
POSE = ("body-detection", "body-landmarks")


def stating(catalogue: Catalogue, changes: Mapping[str, Limits]) -> Catalogue:
    """The same folder under a manifest in which these files state these thresholds, and no others."""
    manifest = load_manifest()
    files = tuple(
        file.model_copy(update={"thresholds": changes.get(file.id, file.thresholds)})
        for file in manifest.files
    )
    return Catalogue(catalogue.models_dir, None, manifest.model_copy(update={"files": files}))


@pytest.mark.parametrize(
    ("model", "file", "missing"),
    [
        ("blazeface", "face-detection-short", "score"),
        ("blazeface", "face-detection-full", "overlap"),
        ("face-mesh-iris", "face-mesh", "presence"),
        ("mediapipe-pose", "body-detection", "score"),
        ("mediapipe-pose", "body-landmarks", "presence"),
        ("voice-clusters", "speaker-embedding", "least_pieces"),
        ("mediapipe-face-detector", "face-detection-short", "overlap"),
    ],
)
def test_a_reader_without_its_limit_says_so_in_one_line(
    catalogue: Catalogue, model: str, file: str, missing: Threshold
) -> None:
    (stated,) = [each.thresholds for each in load_manifest().files if each.id == file]
    rest = {name: limit for name, limit in stated.items() if name != missing}
    changed = stating(catalogue, {file: rest})
    task = changed.manifest.models[model].task
    with pytest.raises(ModelFileError, match=f"{file} states no threshold `{missing}`") as told:
        open_model(Selection(changed.manifest, {task: model}), changed, task)
    assert "\n" not in told.value.detail


@pytest.mark.parametrize("name", ["yunet", "scrfd", "retinaface"])
@pytest.mark.parametrize("missing", ["score", "overlap"])
def test_a_detector_of_a_mirror_needs_its_limits_too(
    detector_files: Catalogue, name: str, missing: Threshold
) -> None:
    rest: Limits = {"overlap" if missing == "score" else "score": 0.5}
    changed = stating(detector_files, {name: rest})
    with pytest.raises(ModelFileError, match=f"{name} states no threshold `{missing}`"):
        open_model(Selection(changed.manifest, {"face_detection": name}), changed, "face_detection")


@pytest.mark.parametrize("name", ["yunet", "scrfd", "retinaface"])
def test_a_detector_of_a_mirror_obeys_its_least_score(
    detector_files: Catalogue, astronaut: Image, name: str
) -> None:
    def faces(least: float) -> int:
        changed = stating(detector_files, {name: {"score": least, "overlap": 0.3}})
        detector = open_model(
            Selection(changed.manifest, {"face_detection": name}), changed, "face_detection"
        )
        (look,) = detector.looks(search_small=False)
        return len(look.search(astronaut))

    assert (faces(0.6), faces(0.9999)) == (1, 0)


def test_blazeface_obeys_score_and_overlap(catalogue: Catalogue, astronaut: Image) -> None:
    def faces(score: float, overlap: float) -> int:
        limits: Limits = {"score": score, "overlap": overlap}
        detector = BlazeFaceDetector(
            stating(catalogue, dict.fromkeys(BLAZEFACE, limits)), BLAZEFACE
        )
        return len(detector.looks(search_small=False)[0].search(astronaut))

    assert faces(0.5, 0.3) == 1
    assert faces(0.9999, 0.3) == 0
    assert faces(0.5, 0.999) > 1, "what is not merged is told several times"


def test_a_mesh_is_a_face_from_the_stated_presence_on(
    catalogue: Catalogue, astronaut: Image
) -> None:
    """What is told is moved with the limit, so that everybody after the reader may compare with 0.5."""
    (face,) = BlazeFaceDetector(catalogue, BLAZEFACE).looks(search_small=False)[0].search(astronaut)

    def presence(limit: float) -> float:
        reader = MeshAndIris(stating(catalogue, {"face-mesh": {"presence": limit}}), MESH)
        mesh = reader.fit(astronaut, region_of_detection(face))
        assert mesh.is_face == (mesh.presence >= CONFIRMED_FROM)
        return mesh.presence

    own = presence(0.5)
    assert 0.99 < own < 1
    assert presence(own - 1e-5) > CONFIRMED_FROM > presence(own + (1 - own) / 2)


def test_a_body_is_one_from_the_stated_limits_on(catalogue: Catalogue, astronaut: Image) -> None:
    picture = cv2.imencode(".png", np.ascontiguousarray(astronaut[..., ::-1]))[1].tobytes()

    def is_seen(score: float, presence: float) -> bool:
        limits: dict[str, Limits] = {
            "body-detection": {"score": score, "overlap": 0.3},
            "body-landmarks": {"presence": presence},
        }
        answer = BodyReader(stating(catalogue, limits), POSE).read(BodyAsk(picture=picture))
        assert answer.fault is None
        return answer.points is not None

    assert is_seen(0.5, 0.5)
    assert not is_seen(0.99999, 0.5)
    assert not is_seen(0.5, 1 - 1e-9)
