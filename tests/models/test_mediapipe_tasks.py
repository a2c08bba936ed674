"""MediaPipe's tasks in a process of their own: cut off from the network, watched, closed, and like ours.

The stand-in children are programs that speak the protocol: they hang, die or answer by script.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from models.body.mediapipe_tasks import TaskBodyReader, joints_of
from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.blazeface import search_whole, short_range
from models.face.mediapipe_tasks import TaskFaceDetector, faces_of
from models.in_process import InProcessPerception
from models.limits import DetectionLimits
from models.runtimes import mediapipe_child
from models.runtimes.mediapipe_tasks import MediaPipeTask, TaskFinding
from models.selection import select
from proctor.domain.media import Image
from proctor.domain.perception import BodyAsk, FaceAsk, Fault

CHILD = Path(mediapipe_child.__file__)
FACES = {"score": 0.5, "overlap": 0.3}
BODIES = {"score": 0.5, "presence": 0.5}
NOBODY = np.zeros((48, 64, 3), np.uint8)
has_mediapipe = pytest.mark.framework("mediapipe")

SCRIPTED = """
import json, os, sys, time
def request():
    told = json.loads(sys.stdin.buffer.readline() or "null")
    return told and (told, sys.stdin.buffer.read(told["bytes"]))
def answer(**told):
    print(json.dumps(told), flush=True)
"""


def child(folder: Path, program: str) -> Path:
    path = folder / "child.py"
    path.write_text(SCRIPTED + program)
    return path


FACE = {"box": [10, 20, 30, 40], "score": 0.9, "points": [[0.1, 0.2], [0.3, 0.4]]}
HANGS_ONCE = f"""
request(); answer()
mark = os.path.join(os.path.dirname(__file__), "hung")
while request():
    if not os.path.exists(mark):
        open(mark, "w").close()
        time.sleep(600)
    answer(found=[{json.dumps(FACE)}])
"""


def test_a_call_that_hangs_ends_the_process_and_the_next_one_starts_it_again(
    tmp_path: Path,
) -> None:
    task = MediaPipeTask(
        "it", "face_detector", b"", FACES, answer_s=0.5, child=child(tmp_path, HANGS_ONCE)
    )
    first = task.pid
    with pytest.raises(ModelOutputInvalid, match="did not answer"):
        task.find(NOBODY)
    assert task.pid is None and first is not None and not alive(first)
    [face] = task.find(NOBODY)
    assert (face.box, face.score) == ((10, 20, 30, 40), 0.9)
    second = task.pid
    task.close()
    task.close()
    assert second is not None and not alive(second)
    with pytest.raises(ModelOutputInvalid, match="closed"):
        task.find(NOBODY)


ENDS_IN_AN_ANSWER_ONCE = HANGS_ONCE.replace(
    "time.sleep(600)", "sys.stdout.write('{\"found\": [{'); sys.stdout.flush(); os._exit(9)"
)


def test_a_process_that_ends_in_the_middle_of_an_answer_is_a_fault_and_is_started_again(
    tmp_path: Path,
) -> None:
    program = child(tmp_path, ENDS_IN_AN_ANSWER_ONCE)
    task = MediaPipeTask("it", "face_detector", b"", FACES, child=program)
    with pytest.raises(ModelOutputInvalid, match="did not answer"):
        task.find(NOBODY)
    assert task.pid is None
    assert len(task.find(NOBODY)) == 1
    task.close()


@pytest.mark.parametrize("points", [(), ((0.1, 0.2),)])
def test_a_face_without_two_key_points_is_no_answer(
    points: tuple[tuple[float, ...], ...],
) -> None:
    with pytest.raises(ModelOutputInvalid, match="both eyes"):
        faces_of([TaskFinding(points, (10, 20, 30, 40), 0.9)], 64, 48)


def test_a_picture_that_is_never_read_hangs_nobody(tmp_path: Path) -> None:
    """The pipe holds 64 kB: it is writing that would hang."""
    deaf = child(tmp_path, "request(); answer(); time.sleep(600)")
    task = MediaPipeTask("it", "face_detector", b"", FACES, answer_s=0.5, child=deaf)
    with pytest.raises(ModelOutputInvalid, match="did not answer"):
        task.find(np.zeros((1080, 1920, 3), np.uint8))
    task.close()


@pytest.mark.parametrize(
    ("program", "named"),
    [
        ("sys.exit(3)", "its process ended"),
        ("request(); answer(error='online')", "cannot forbid"),
        ("request(); answer(error='not_installed')", "not installed"),
        ("request(); answer(error='refused', why='The model is no Flatbuffer')", "Flatbuffer"),
    ],
)
def test_a_task_that_cannot_be_opened_is_one_line(tmp_path: Path, program: str, named: str) -> None:
    with pytest.raises(ModelFileError, match=named) as refused:
        MediaPipeTask("it", "face_detector", b"x", FACES, child=child(tmp_path, program))
    assert "\n" not in refused.value.detail and refused.value.detail.startswith("it ")


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ("answer(error='failed', why='RuntimeError')", "RuntimeError"),
        ("answer(found=[{'points': [[float('nan'), 0.5, 0.9]]}])", "not finite"),
        (
            "answer(found=[{'points': [], 'box': [0, 0, 1, 1], 'score': float('inf')}])",
            "not finite",
        ),
    ],
)
def test_an_answer_that_is_none_is_never_nobody(tmp_path: Path, found: str, named: str) -> None:
    program = child(tmp_path, f"request(); answer()\nwhile request(): {found}")
    task = MediaPipeTask("it", "pose_landmarker", b"", BODIES, child=program)
    with pytest.raises(ModelOutputInvalid, match=named):
        task.find(NOBODY)
    task.close()


def test_the_childs_own_process_can_open_no_internet_socket_and_still_use_pipes() -> None:
    program = (
        "import runpy, socket, subprocess, sys\n"
        f"told = runpy.run_path({str(CHILD)!r})\n"
        "assert told['cut_off']()\n"
        "for family in (socket.AF_INET, socket.AF_INET6):\n"
        "    try:\n"
        "        socket.socket(family, socket.SOCK_DGRAM)\n"
        "    except PermissionError:\n"
        "        continue\n"
        "    sys.exit('open')\n"
        "socket.socketpair()\n"
        "import threading\n"
        "threads = []\n"
        "def look():\n"
        "    try:\n"
        "        socket.create_connection(('127.0.0.1', 9))\n"
        "    except PermissionError:\n"
        "        threads.append('refused')\n"
        "thread = threading.Thread(target=look); thread.start(); thread.join()\n"
        "print(subprocess.run(['echo', 'hello'], capture_output=True, text=True).stdout + str(threads))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["hello", "['refused']"]), done.stderr


def test_what_a_pose_landmarker_answers_becomes_thirty_three_joints() -> None:
    joints = [
        SimpleNamespace(x=at / 100, y=0.5, z=9.0, visibility=0.8, presence=1.0) for at in range(33)
    ]
    told = mediapipe_child.bodies(SimpleNamespace(pose_landmarks=[joints]))
    found = [TaskFinding(tuple(tuple(point) for point in one["points"])) for one in told]
    points = joints_of("it", found)
    assert points is not None and len(points) == 33
    assert (points[12].x, points[12].y, points[12].visibility) == (0.12, 0.5, 0.8)
    assert joints_of("it", []) is None
    with pytest.raises(ModelOutputInvalid, match="32 joints"):
        joints_of("it", [TaskFinding(found[0].points[:32])])


def as_png(image: Image) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@has_mediapipe
@pytest.mark.weights
def test_its_face_detector_agrees_with_ours_on_the_same_network(
    catalogue: Catalogue, astronaut: Image
) -> None:
    """Measured on the astronaut, a face of 93 px: box within 2.5 px, eyes within 6, score within 2e-4.

    The task shrinks the picture in another way; the eyes are the network's coarsest points.
    """
    limits = DetectionLimits.of(catalogue, "face-detection-short")
    content = catalogue.read("face-detection-short")
    [ours] = search_whole(short_range(content, limits), astronaut)
    detector = TaskFaceDetector(catalogue, ("face-detection-short",))
    try:
        [look] = detector.looks(search_small=False)
        [theirs] = look.search(astronaut)
        small = detector.looks(search_small=True)[1]
        in_tiles = small.search(astronaut)
        pid = detector._task.pid
    finally:
        detector.close()
    assert pid is not None and not alive(pid)
    for name in ("left", "top", "width", "height"):
        assert getattr(theirs, name) == pytest.approx(getattr(ours, name), abs=3), name
    assert theirs.score == pytest.approx(ours.score, abs=0.01)
    assert theirs.right_eye == pytest.approx(ours.right_eye, abs=6)
    assert theirs.left_eye == pytest.approx(ours.left_eye, abs=6)
    near = [face for face in in_tiles if abs(face.left - ours.left) < 10]
    assert len(near) == 1 and near[0].right_eye == pytest.approx(ours.right_eye, abs=6)


@has_mediapipe
@pytest.mark.weights
async def test_the_face_group_runs_on_it_and_closing_ends_its_process(
    models_dir: Path, astronaut: Image
) -> None:
    chosen = select("embedded", {"face_detection": "mediapipe-face-detector"})
    before = children()
    picture = as_png(astronaut)
    with InProcessPerception(models_dir, frozenset({"face"}), chosen) as perception:
        assert len(children() - before) == 1
        [answer] = await perception.faces([FaceAsk(picture=picture, embed=True, search_small=True)])
    assert children() == before
    [face] = [face for face in answer.faces if face.is_confirmed]
    assert face.embedding is not None and answer.fault is None
    assert answer.producers[0].model == "face-detection-short"


def children() -> set[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


@has_mediapipe
@pytest.mark.weights
def test_what_mediapipe_refuses_is_one_line(tmp_path: Path, catalogue: Catalogue) -> None:
    mine = Catalogue(tmp_path / "models")
    source = tmp_path / "pose.task"
    source.write_bytes(catalogue.read("body-landmarks"))
    mine.add("pose-landmarker-task", source, datetime(2026, 11, 22, tzinfo=UTC))
    with pytest.raises(ModelFileError, match="cannot be opened by MediaPipe") as refused:
        TaskBodyReader(mine, ("pose-landmarker-task",))
    assert "\n" not in refused.value.detail


@has_mediapipe
@pytest.mark.weights
async def test_its_pose_landmarker_agrees_with_ours_on_the_same_networks(
    tmp_path: Path, models_dir: Path, catalogue: Catalogue, astronaut: Image
) -> None:
    """Measured on the astronaut, 512 px: nose to shoulders 10 px apart in the mean.

    Google's own bundle cannot be had here; this one is the same networks of 0.10.21 with what the
    task wants to know of their inputs written into them.
    """
    mine = Catalogue(tmp_path / "models")
    source = tmp_path / "pose.task"
    source.write_bytes(pose_bundle(catalogue))
    mine.add("pose-landmarker-task", source, datetime(2026, 11, 22, tzinfo=UTC))
    chosen = select("embedded", {"body": "mediapipe-pose-landmarker"})
    picture = as_png(astronaut)
    empty = as_png(NOBODY)
    asks = [BodyAsk(picture=each) for each in (picture, empty, b"no picture")]
    with InProcessPerception(mine.models_dir, frozenset({"body"}), chosen) as perception:
        seen, nobody, unreadable = await perception.bodies(asks)
    with InProcessPerception(models_dir, frozenset({"body"})) as perception:
        [ours] = await perception.bodies(asks[:1])
    assert seen.points is not None and ours.points is not None
    apart = [(a.x - b.x, a.y - b.y) for a, b in zip(seen.points[:13], ours.points, strict=False)]
    assert np.hypot(*np.transpose(apart)).mean() * 512 < 15
    assert all(point.visibility > 0.9 for point in seen.points[:13])
    assert [producer.model for producer in seen.producers] == ["pose-landmarker-task"]
    assert (nobody.points, nobody.fault) == (None, None)
    assert unreadable.fault is Fault.PICTURE_UNREADABLE


def pose_bundle(catalogue: Catalogue) -> bytes:
    """A .task of our two networks: bytes are (byte - mean) / std for each."""
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as members:
        for member, name, mean, std in (
            ("pose_detector.tflite", "body-detection", 127.5, 127.5),
            ("pose_landmarks_detector.tflite", "body-landmarks", 0.0, 255.0),
        ):
            members.writestr(member, with_normalisation(catalogue.read(name), mean, std))
    return bundle.getvalue()


def with_normalisation(network: bytes, mean: float, std: float) -> bytes:
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as about
    from mediapipe.tasks.metadata import schema_py_generated as tflite

    model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAsModel(bytearray(network), 0))
    options = about.NormalizationOptionsT()
    options.mean, options.std = [mean], [std]
    step = about.ProcessUnitT()
    step.optionsType = about.ProcessUnitOptions.NormalizationOptions
    step.options = options
    image = about.ImagePropertiesT()
    image.colorSpace = about.ColorSpaceType.RGB
    content = about.ContentT()
    content.contentPropertiesType = about.ContentProperties.ImageProperties
    content.contentProperties = image
    taken = about.TensorMetadataT()
    taken.content, taken.processUnits = content, [step]
    graph = about.SubGraphMetadataT()
    graph.inputTensorMetadata = [taken]
    graph.outputTensorMetadata = [about.TensorMetadataT() for _ in model.subgraphs[0].outputs]
    told = about.ModelMetadataT()
    told.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(told.Pack(builder), b"M001")
    buffer = tflite.BufferT()
    buffer.data = np.frombuffer(bytes(builder.Output()), np.uint8)
    model.buffers.append(buffer)
    entry = tflite.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers) - 1
    model.metadata = [entry]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
