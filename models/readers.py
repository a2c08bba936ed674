"""Which code reads which model: the only place where a reader's name meets its class.

A reader is made of the catalogue and the files of its model. Imports are inside, so that a process
pays only for what it was asked to load.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from models.catalogue import Catalogue
from models.errors import ModelFileError
from models.face.reader import FaceParts, FaceReader
from models.manifest import Task
from models.selection import GROUP_TASKS, Selection

READERS: dict[tuple[Task, str], str] = {
    ("face_detection", "blazeface"): "models.face.blazeface:BlazeFaceDetector",
    ("face_detection", "yunet"): "models.face.yunet:YuNetDetector",
    ("face_detection", "scrfd"): "models.face.scrfd:ScrfdDetector",
    ("face_detection", "retinaface"): "models.face.retinaface:RetinaFaceDetector",
    ("face_landmarks", "mesh"): "models.face.mesh:MeshAndIris",
    ("face_embedding", "dlib"): "models.face.dlib:DlibEmbedder",
    ("face_embedding", "arcface"): "models.face.arcface:ArcFaceEmbedder",
    ("head_pose", "mesh"): "models.face.head_pose:PoseOfMesh",
    ("head_pose", "fsanet"): "models.face.fsanet:FsaNetPose",
    ("head_pose", "sixdrepnet"): "models.face.sixdrepnet:SixDRepNetPose",
    ("gaze", "mesh"): "models.face.gaze:GazeOfMesh",
    ("gaze", "l2cs"): "models.face.l2cs:L2csGaze",
    ("liveness", "minifasnet"): "models.face.minifasnet:MiniFasNet",
    ("body", "mediapipe-pose"): "models.body.reader:BodyReader",
    ("voice", "silero"): "models.sound.voice:VoiceModel",
    ("speakers", "voice-clusters"): "models.sound.speakers:VoiceClusters",
    ("speakers", "segmentation"): "models.sound.segmentation:SegmentedSpeakers",
    ("speakers", "pyannote-pipeline"): "models.sound.pipeline:PipelineSpeakers",
    ("words", "whisper"): "models.sound.words:WhisperWords",
    ("face_detection", "mediapipe-tasks"): "models.face.mediapipe_tasks:TaskFaceDetector",
    ("body", "mediapipe-tasks"): "models.body.mediapipe_tasks:TaskBodyReader",
    ("objects", "coco-onnx"): "models.objects.reader:ObjectReader",
}
"""(task, reader) -> `module:class`; the class takes a `Catalogue` and the ids of its files."""

Reader = Callable[[Catalogue, Sequence[str]], Any]


def open_model(selection: Selection, catalogue: Catalogue, task: Task) -> Any:
    """The reader of a task's model, its weights loaded and verified; None when the task is off.

    Raises:
        ModelFileError: A file is missing, altered or not accepted, or no code reads this model.
    """
    model = selection.model(task)
    if model is None:
        return None
    place = READERS.get((task, model.reader))
    if place is None:
        raise ModelFileError(f"no code reads {model.title} ({model.reader}) for {task}")
    module, name = place.split(":")
    reader: Reader = getattr(import_module(module), name)
    return reader(catalogue, model.files)


def open_group(selection: Selection, catalogue: Catalogue, group: str) -> Any:
    """The reader of a model group. Raises `ModelFileError`."""
    if group == "face":
        return open_faces(selection, catalogue)
    return open_model(selection, catalogue, GROUP_TASKS[group][0])


def open_faces(selection: Selection, catalogue: Catalogue) -> FaceReader:
    """The face group. Raises `ModelFileError`."""

    def part(task: Task) -> Any:
        return open_model(selection, catalogue, task)

    files = [
        file
        for task in _SIGNED_IN_ORDER
        if (model := selection.model(task)) is not None
        for file in model.files
    ]
    return FaceReader(
        FaceParts(
            detector=part("face_detection"),
            mesh=part("face_landmarks"),
            head_pose=part("head_pose"),
            gaze=part("gaze"),
            embedder=part("face_embedding"),
            liveness=part("liveness"),
            producers={file: catalogue.producer(file) for file in files},
        )
    )


def close_part(part: object) -> None:
    """Close a reader that holds something open (a process of its own); most hold nothing."""
    close = getattr(part, "close", None)
    if close is not None:
        close()


_SIGNED_IN_ORDER: tuple[Task, ...] = (
    "face_detection",
    "face_landmarks",
    "head_pose",
    "gaze",
    "liveness",
    "face_embedding",
)
