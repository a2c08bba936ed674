"""Things in a picture, by a COCO-style detector in ONNX that the operator brings with its settings."""

from collections.abc import Sequence

import numpy as np

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid, PictureUnreadable
from models.objects.layouts import Fit, Found, as_input, candidates, fit_of, suppressed
from models.objects.settings import parse_settings
from models.pictures import decode
from models.runtimes.onnx import OnnxModel
from proctor.domain.geometry import Box
from proctor.domain.media import Image
from proctor.domain.perception import Fault, FoundObject, ObjectsAnswer, ObjectsAsk

MOST_OBJECTS = 50
TRIAL = np.full((360, 640, 3), 114, np.uint8)


class ObjectReader:
    """Reads one picture at a time. One instance serves all threads; it remembers nobody."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` are the network and its settings. A grey picture is tried at once.

        Raises:
            ModelFileError: A file is missing, altered, no network or no settings, or they do not fit
                each other: another input, another layout, another number of classes.
        """
        detector, settings = files
        self._settings = parse_settings(catalogue.read(settings), settings)
        self._model = OnnxModel(detector, catalogue.read(detector), batch_limit=1)
        self._producers = (catalogue.producer(detector), catalogue.producer(settings))
        self._input = self._input_name(detector, settings)
        names = self._settings.class_names
        self._labels = tuple(self._settings.labels)
        self._label_of_class = np.full(len(names), -1, np.int64)
        for at, counted in enumerate(self._settings.labels.values()):
            for name in counted:
                self._label_of_class[names.index(name)] = at
        limits = self._settings.thresholds
        least = [limits.by_label.get(each, limits.score) for each in self._labels]
        self._least = np.array(least, np.float32)
        try:
            self.find(TRIAL)
        except ModelOutputInvalid as error:
            raise ModelFileError(
                f"{detector} does not do what {settings} says: {error.detail}"
            ) from error

    def _input_name(self, detector: str, settings: str) -> str:
        known = self._settings.input
        if len(self._model.inputs) != 1:
            raise ModelFileError(f"{detector} has {len(self._model.inputs)} inputs, not one")
        ((name, shape),) = self._model.inputs.items()
        sides = (known.height, known.width)
        wanted = (1, 3, *sides) if known.layout == "nchw" else (1, *sides, 3)
        if len(shape) != 4 or any(
            isinstance(has, int) and has != wants for has, wants in zip(shape, wanted, strict=True)
        ):
            raise ModelFileError(f"{detector} takes {shape}, {settings} says {wanted}")
        return name

    def read(self, ask: ObjectsAsk) -> ObjectsAnswer:
        """Answer one ask; what is wrong with its picture or the network's answer is a fault."""
        try:
            found = self.find(decode(ask.picture))
        except PictureUnreadable:
            return self._fault(Fault.PICTURE_UNREADABLE)
        except ModelOutputInvalid:
            return self._fault(Fault.MODEL_OUTPUT_INVALID)
        return ObjectsAnswer(objects=tuple(found), producers=self._producers)

    def find(self, image: Image) -> list[FoundObject]:
        """The things in (h, w, 3) RGB, best score first, at most 50.

        Raises:
            ModelOutputInvalid: The network's answer is not finite or of another shape.
        """
        height, width = image.shape[:2]
        fit = fit_of(self._settings.input, width, height)
        answers = self._model.run({self._input: as_input(self._settings.input, image, fit)})
        left = suppressed(
            candidates(self._settings, answers),
            self._label_of_class,
            self._least,
            self._settings.thresholds.overlap,
        )
        placed = [(one, _placed(one, fit, width, height)) for one in left]
        return [
            FoundObject(label=self._labels[one.label], box=box, score=one.score)
            for one, box in placed
            if box is not None
        ][:MOST_OBJECTS]

    def _fault(self, fault: Fault) -> ObjectsAnswer:
        return ObjectsAnswer(objects=(), producers=self._producers, fault=fault)


def _placed(found: Found, fit: Fit, width: int, height: int) -> Box | None:
    """In fractions of the picture, cut at its edges; None when nothing of it is left."""
    scale = np.array([fit.across * width, fit.down * height] * 2)
    shift = np.array([fit.left, fit.top] * 2)
    left, top, right, low = np.clip((found.corners - shift) / scale, 0.0, 1.0)
    if right <= left or low <= top:
        return None
    return Box(float(left), float(top), float(right - left), float(low - top))
