"""Everything the body group says about one picture."""

from collections.abc import Sequence

from models.body.pose import BodyDetector, BodyModel
from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid, PictureUnreadable
from models.limits import DetectionLimits
from models.pictures import decode
from proctor.domain.perception import BodyAnswer, BodyAsk, Fault


class BodyReader:
    """Reads one body per picture. One instance serves all threads; it remembers nobody."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` are the detector and the landmark network.

        Raises:
            ModelFileError: A file is missing or altered, or states no thresholds.
        """
        detection, landmarks = files
        limits = DetectionLimits.of(catalogue, detection)
        self._detector = BodyDetector(catalogue.read(detection), limits, detection)
        present_from = catalogue.threshold(landmarks, "presence")
        self._model = BodyModel(catalogue.read(landmarks), present_from, landmarks)
        self._producers = (catalogue.producer(detection), catalogue.producer(landmarks))

    def read(self, ask: BodyAsk) -> BodyAnswer:
        """Answer one ask; what is wrong with its picture or a model's answer is a fault."""
        try:
            image = decode(ask.picture)
            body = self._detector.find(image)
            points = self._model.place(image, body.region()) if body else None
        except PictureUnreadable:
            return self._answer(fault=Fault.PICTURE_UNREADABLE)
        except ModelOutputInvalid:
            return self._answer(fault=Fault.MODEL_OUTPUT_INVALID)
        return BodyAnswer(points=points, producers=self._producers)

    def _answer(self, fault: Fault) -> BodyAnswer:
        return BodyAnswer(points=None, producers=self._producers, fault=fault)
