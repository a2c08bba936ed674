"""Everything the body group says about one picture."""

from models.body_pose import BodyDetector, BodyModel
from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid, PictureUnreadable
from models.pictures import decode
from proctor.domain.perception import BodyAnswer, BodyAsk, Fault

DETECTION, LANDMARKS = "body-detection", "body-landmarks"


class BodyReader:
    """Reads one body per picture. One instance serves all threads; it remembers nobody."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Load the body group's models from a fetched catalogue.

        Raises:
            ModelFileError: A file is missing or altered.
        """
        self._detector = BodyDetector(catalogue.read(DETECTION), DETECTION)
        self._model = BodyModel(catalogue.read(LANDMARKS), LANDMARKS)
        self._producers = (catalogue.producer(DETECTION), catalogue.producer(LANDMARKS))

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
