"""The three networks on real faces: a portrait, crowds, very near faces, small ones, and bad files."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bench.accuracy.detection import lies_on
from bench.accuracy.scenes import Portrait, one_face, two_faces
from models.catalogue import Catalogue
from models.convert.free_batch import with_free_batch
from models.convert.free_size import with_free_size
from models.errors import LicenceNotAccepted, ModelFileError, ModelOutputInvalid
from models.face.detected import DetectedFace
from models.face.reader import FaceReader
from models.face.retinaface import RetinaFace, RetinaFaceDetector
from models.face.scrfd import Scrfd, ScrfdDetector
from models.face.search import search, search_all
from models.face.yunet import YuNet, YuNetDetector
from models.manifest import load_manifest
from models.readers import open_faces
from models.selection import select
from proctor.domain.geometry import Box
from proctor.domain.media import Image
from proctor.domain.perception import FaceAnswer, FaceAsk, Fault
from proctor.identity.quality import picture_reasons

pytestmark = pytest.mark.weights

NETWORKS = {"yunet": YuNet, "scrfd": Scrfd, "retinaface": RetinaFace}
DETECTORS = {"yunet": YuNetDetector, "scrfd": ScrfdDetector, "retinaface": RetinaFaceDetector}
WITH_A_SECOND = 20


def least(name: str) -> float:
    """The least score that the manifest states for a detector's file."""
    (stated,) = [file.thresholds["score"] for file in load_manifest().files if file.id == name]
    return stated


@pytest.fixture(params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def look(detector_files: Catalogue, name: str) -> Callable[..., list[DetectedFace]]:
    """The boxes alone, as the detector itself wants to search."""
    detector = DETECTORS[name](detector_files, [name])

    def boxes(image: Image, *, search_small: bool = False) -> list[DetectedFace]:
        (way,) = detector.looks(search_small=search_small)
        assert way.producer == name
        return way.search(image)

    return boxes


def decoded(picture: bytes) -> Image:
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)


def in_fractions(face: DetectedFace, image: Image) -> Box:
    height, width = image.shape[:2]
    return Box(face.left / width, face.top / height, face.width / width, face.height / height)


def png(image: Image) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


@pytest.fixture(scope="session")
def astronaut_portrait(astronaut: Image) -> Portrait:
    return Portrait(astronaut, left=178, top=62, width=94, height=118)


@pytest.fixture(scope="session")
def portraits(media: Path, readers: dict[str, FaceReader]) -> list[Portrait]:
    """One picture each of some people; the mesh says where and how wide the face is."""
    people = sorted((media / "images" / "lfw").iterdir())[:: 1200 // WITH_A_SECOND]
    made = []
    for person in people:
        image = decoded(sorted(person.glob("*.jpg"))[0].read_bytes())
        answer = readers["yunet"].read(FaceAsk(picture=png(image)))
        confirmed = [face for face in answer.faces if face.is_confirmed]
        if len(confirmed) == 1:
            box = confirmed[0].box
            sides = (box.left * 250, box.top * 250, box.width * 250, box.height * 250)
            made.append(Portrait(image, *sides))
    assert len(made) >= 15
    return made


GOLDEN = {
    "yunet": ((178.1, 65.0, 91.4, 111.4), 0.936, (203.4, 103.6), (247.5, 104.4)),
    "scrfd": ((180.4, 55.7, 91.0, 123.4), 0.842, (204.6, 100.0), (247.9, 102.3)),
    "retinaface": ((179.4, 54.5, 91.1, 123.2), 1.0, (202.1, 101.2), (246.2, 102.3)),
}


def test_the_portrait_at_its_own_size(
    detector_files: Catalogue, astronaut: Image, name: str
) -> None:
    network = NETWORKS[name](detector_files.read(name), name, least(name))
    (face,) = search(network, (512,), 0.3, astronaut)
    box, score, right_eye, left_eye = GOLDEN[name]
    assert (face.left, face.top, face.width, face.height) == pytest.approx(box, abs=0.5)
    assert face.score == pytest.approx(score, abs=0.01)
    assert face.right_eye == pytest.approx(right_eye, abs=0.5)
    assert face.left_eye == pytest.approx(left_eye, abs=0.5)


def test_the_face_group_reads_the_portrait_with_any_of_them(
    readers: dict[str, FaceReader], astronaut: Image, name: str
) -> None:
    answer = readers[name].read(FaceAsk(picture=png(astronaut), embed=True))
    (face,) = answer.faces
    assert answer.fault is None and answer.detected
    read_by = [
        "face-mesh",
        "iris",
        "face-detection-short",
        "face-embedding",
    ]  # the third for its points
    assert [p.model for p in answer.producers] == [name, *read_by]
    assert face.presence > 0.99 and face.width_px == pytest.approx(94, abs=3)
    assert face.box.centre == pytest.approx((0.44, 0.24), abs=0.01)
    assert face.head is not None and face.gaze is not None and face.embedding is not None
    assert face.head.yaw_deg == pytest.approx(-1.6, abs=4)
    assert face.head.roll_deg == pytest.approx(2.9, abs=2)
    assert abs(face.gaze.yaw_deg) < 6
    assert picture_reasons(answer) == ()


def test_a_turned_head_is_found_and_its_roll_told(
    readers: dict[str, FaceReader], astronaut: Image, name: str
) -> None:
    for turn_deg in (-30, 30):
        matrix = cv2.getRotationMatrix2D((225, 123), -turn_deg, 1)
        answer = readers[name].read(
            FaceAsk(picture=png(cv2.warpAffine(astronaut, matrix, (512, 512))))
        )
        (face,) = [face for face in answer.faces if face.is_confirmed]
        assert face.head is not None
        assert face.head.roll_deg == pytest.approx(2.9 + turn_deg, abs=4)


def test_an_empty_room_holds_nobody(look: Callable[..., list[DetectedFace]]) -> None:
    noise = np.random.default_rng(0).integers(90, 120, (240, 320, 3), dtype=np.uint8)
    for image in (noise, np.zeros((480, 640, 3), np.uint8), np.full((33, 7, 3), 255, np.uint8)):
        assert look(image) == [] and look(image, search_small=True) == []


@pytest.mark.parametrize("share", [0.15, 0.6, 0.8])
def test_a_face_as_near_as_this_is_found(
    look: Callable[..., list[DetectedFace]], astronaut_portrait: Portrait, share: float
) -> None:
    for seed in range(5):
        scene = one_face(astronaut_portrait, share, np.random.default_rng(seed))
        image = decoded(scene.picture)
        half = cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)
        for picture in (image, half):
            for small in (False, True):
                found = look(picture, search_small=small)
                places = [in_fractions(face, picture) for face in found]
                assert any(lies_on(place, scene.faces[0]) for place in places)


@pytest.mark.media
def test_near_faces_of_many_people_are_confirmed(
    readers: dict[str, FaceReader], portraits: list[Portrait], name: str
) -> None:
    rng = np.random.default_rng(2)
    for share in (0.6, 0.8):
        scenes = [one_face(portrait, share, rng) for portrait in portraits[:6]]
        for scene in scenes:
            answer = readers[name].read(FaceAsk(picture=scene.picture))
            assert finds(answer, scene.faces[0])


def finds(answer: FaceAnswer, box: Box) -> bool:
    return any(lies_on(face.box, box) for face in answer.faces if face.is_confirmed)


@pytest.mark.media
@pytest.mark.parametrize(("width_px", "least"), [(24, 0.9), (48, 0.95)])
def test_somebody_else_behind_the_candidate_is_a_second_person(
    readers: dict[str, FaceReader],
    portraits: list[Portrait],
    name: str,
    width_px: int,
    least: float,
) -> None:
    rng = np.random.default_rng(3)
    hits = []
    for near, far in pairwise(portraits):
        scene = two_faces(near, far, width_px, rng)
        answer = readers[name].read(FaceAsk(picture=scene.picture, search_small=True))
        assert finds(answer, scene.faces[0])
        hits.append(finds(answer, scene.faces[1]))
    assert np.mean(hits) >= least


@pytest.mark.media
def test_everybody_at_the_solvay_conference_is_found(
    look: Callable[..., list[DetectedFace]],
    readers: dict[str, FaceReader],
    media: Path,
    name: str,
) -> None:
    picture = (media / "images" / "detect" / "solvay_conference_1927.png").read_bytes()
    found = look(decoded(picture), search_small=True)
    assert len(found) == 29
    heads = sorted(found, key=lambda face: face.left)
    assert all(30 < face.width < 200 for face in heads)  # one row of the picture is no head
    answer = readers[name].read(FaceAsk(picture=picture, search_small=True))
    assert sum(face.is_confirmed for face in answer.faces) == 29


def test_many_pictures_in_one_run_are_answered_as_each_alone(
    detector_files: Catalogue, astronaut: Image, name: str
) -> None:
    """On a GPU a batch is one run; here the free batch is made by hand."""
    batched = with_free_batch(name, with_free_size(name, detector_files.read(name)))
    network = NETWORKS[name](batched, name, least(name))
    assert network.batch_limit > 1
    pictures = [astronaut, np.ascontiguousarray(astronaut[:, ::-1]), np.zeros_like(astronaut)]
    together = search_all(network, (128, 320), 0.3, pictures)
    assert [len(faces) for faces in together] == [1, 1, 0]
    for picture, faces in zip(pictures, together, strict=True):
        for alone, face in zip(search(network, (128, 320), 0.3, picture), faces, strict=True):
            assert face.left == pytest.approx(alone.left, abs=0.01)
            assert face.right_eye == pytest.approx(alone.right_eye, abs=0.01)


def test_truncated_and_foreign_files_are_told_in_one_line(
    detector_files: Catalogue, name: str
) -> None:
    whole, other = detector_files.read(name), detector_files.read("face-embedding")
    for content in (whole[: len(whole) // 2], b"", b"not a network", other):
        with pytest.raises(ModelFileError) as caught:
            NETWORKS[name](content, name, 0.5)
        assert caught.value.detail.startswith(name) and "\n" not in caught.value.detail


def test_another_detectors_file_is_told_by_its_outputs(detector_files: Catalogue) -> None:
    with pytest.raises(ModelFileError, match="9 outputs where this detector has 1 and 12"):
        YuNet(detector_files.read("scrfd"), "yunet", 0.5)
    with pytest.raises(ModelFileError, match="12 outputs where this detector has 1 and 3"):
        RetinaFace(detector_files.read("yunet"), "retinaface", 0.5)


def spoilt(content: bytes) -> bytes:
    """The same network with one weight of its last layers that is no number."""
    model = onnx.load_from_string(content)
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer).copy()
        if values.dtype == np.float32 and values.ndim == 4:
            values.flat[0] = np.nan
            initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
    return model.SerializeToString()


def test_weights_that_are_no_numbers_are_a_fault_and_never_nobody(
    detector_files: Catalogue, astronaut: Image, tmp_path: Path
) -> None:
    """At start, and through the whole reader where they come later."""
    catalogue = Catalogue(tmp_path / "models", str(detector_files.models_dir))
    at = datetime(2026, 11, 22, tzinfo=UTC)
    catalogue.accept("insightface-noncommercial", "tests", at)
    catalogue.fetch(["embedded"])
    broken, whole = tmp_path / "broken.onnx", tmp_path / "det_500m.onnx"
    whole.write_bytes(detector_files.read("scrfd"))
    broken.write_bytes(spoilt(whole.read_bytes()))
    catalogue.add("scrfd-500m", broken, at)
    chosen = select(instead={"face_detection": "scrfd-500m"})
    with pytest.raises(ModelFileError, match="scrfd-500m is not this detector"):
        open_faces(chosen, catalogue)
    catalogue.add("scrfd-500m", whole, at)
    reader = open_faces(chosen, catalogue)
    detector = reader._parts.detector
    assert isinstance(detector, ScrfdDetector)
    detector._network = Scrfd(broken.read_bytes(), "scrfd-500m", 0.5)
    answer = reader.read(FaceAsk(picture=png(astronaut)))
    assert answer.fault is Fault.MODEL_OUTPUT_INVALID and answer.faces == ()


def test_answers_that_are_no_numbers_are_invalid(
    detector_files: Catalogue, astronaut: Image, name: str
) -> None:
    network = NETWORKS[name](spoilt(detector_files.read(name)), name, least(name))
    with pytest.raises(ModelOutputInvalid, match=f"{name} answered with numbers that are not"):
        network.rows([np.ascontiguousarray(astronaut[:256, :256])])


def with_outputs_of(content: bytes, rows: int) -> bytes:
    """The same network whose outputs are cut to so many rows."""
    model = onnx.load_from_string(content)
    graph = model.graph
    for at, value in enumerate((0, rows, 1)):
        array = np.array([value], np.int64)
        graph.initializer.append(numpy_helper.from_array(array, f"cut{at}"))
    for output in graph.output:
        cut = onnx.helper.make_node(
            "Slice", [output.name, "cut0", "cut1", "cut2"], [f"{output.name}-cut"]
        )
        graph.node.append(cut)
        output.name = f"{output.name}-cut"
        for side in output.type.tensor_type.shape.dim:
            side.Clear()
    return model.SerializeToString()


@pytest.mark.parametrize("rows", [0, 5])
def test_answers_of_another_shape_are_invalid(
    detector_files: Catalogue, astronaut: Image, name: str, rows: int
) -> None:
    network = NETWORKS[name](with_outputs_of(detector_files.read(name), rows), name, least(name))
    with pytest.raises(ModelOutputInvalid, match=f"{name} answered"):
        network.rows([np.ascontiguousarray(astronaut[:256, :256])])


def as_packed(content: bytes) -> bytes:
    """SCRFD as insightface packs it: free size, outputs without a batch, numbers for names."""
    model = onnx.load_from_string(content)
    graph = model.graph
    squeeze = numpy_helper.from_array(np.array([0], np.int64), "no-batch")
    graph.initializer.append(squeeze)
    for at, output in enumerate(graph.output):
        columns = output.type.tensor_type.shape.dim[2].dim_value
        shape = numpy_helper.from_array(np.array([-1, columns], np.int64), f"shape{at}")
        graph.initializer.append(shape)
        graph.node.append(
            onnx.helper.make_node("Reshape", [output.name, f"shape{at}"], [str(10448 + at)])
        )
        output.name = str(10448 + at)
        del output.type.tensor_type.shape.dim[0]
    return model.SerializeToString()


def test_an_operator_brings_a_file_of_insightfaces_packs(
    models_dir: Path, detector_files: Catalogue, astronaut: Image, tmp_path: Path
) -> None:
    brought = tmp_path / "det_10g.onnx"
    brought.write_bytes(as_packed(detector_files.read("scrfd")))
    catalogue = Catalogue(tmp_path / "models", str(models_dir))
    catalogue.fetch(["embedded"])
    at = datetime(2026, 11, 22, tzinfo=UTC)
    with pytest.raises(LicenceNotAccepted, match="--accept-licence insightface-noncommercial"):
        catalogue.add("scrfd-10g", brought, at)
    catalogue.accept("insightface-noncommercial", "an operator", at)
    catalogue.add("scrfd-10g", brought, at)
    chosen = select(instead={"face_detection": "scrfd-10g"})
    answer = open_faces(chosen, catalogue).read(FaceAsk(picture=png(astronaut)))
    (face,) = answer.faces
    assert face.is_confirmed and answer.fault is None
    assert answer.producers[0].model == "scrfd-10g"
