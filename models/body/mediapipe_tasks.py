"""The upper body by MediaPipe's own PoseLandmarker task, from a .task file that an operator brings."""

from collections.abc import Sequence

from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid, PictureUnreadable
from models.pictures import decode
from models.runtimes.litert import require_finite
from models.runtimes.mediapipe_tasks import MediaPipeTask, TaskFinding
from proctor.domain.geometry import BodyPoint
from proctor.domain.perception import BodyAnswer, BodyAsk, Fault

JOINTS = 33


class TaskBodyReader:
    """Reads one body per picture; it remembers nobody (the task runs picture by picture)."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` is the one .task. Raises `ModelFileError`."""
        (file,) = files
        content = catalogue.read(file)
        require_finite(file, content)
        self._name = file
        limits = {
            "score": catalogue.threshold(file, "score"),
            "presence": catalogue.threshold(file, "presence"),
        }
        self._task = MediaPipeTask(file, "pose_landmarker", content, limits)
        self._producers = (catalogue.producer(file),)

    def read(self, ask: BodyAsk) -> BodyAnswer:
        """Answer one ask; what is wrong with its picture or the task's answer is a fault."""
        try:
            points = joints_of(self._name, self._task.find(decode(ask.picture)))
        except PictureUnreadable:
            return BodyAnswer(
                points=None, producers=self._producers, fault=Fault.PICTURE_UNREADABLE
            )
        except ModelOutputInvalid:
            return BodyAnswer(
                points=None, producers=self._producers, fault=Fault.MODEL_OUTPUT_INVALID
            )
        return BodyAnswer(points=points, producers=self._producers)

    def close(self) -> None:
        """End MediaPipe's process. Idempotent."""
        self._task.close()


def joints_of(name: str, found: Sequence[TaskFinding]) -> tuple[BodyPoint, ...] | None:
    """The 33 joints of the first body; None when nobody is found. Raises `ModelOutputInvalid`."""
    if not found:
        return None
    if len(found[0].points) != JOINTS:
        raise ModelOutputInvalid(f"{name} answered {len(found[0].points)} joints, not {JOINTS}")
    return tuple(BodyPoint(x, y, visibility) for x, y, visibility in found[0].points)
