"""What an operator says of the detector that was brought: `detector.yaml`, checked to the last field.

An ONNX file does not say which of its numbers are boxes, what its classes are called or which of them
matter, so the operator does, in a second file of the catalogue: its digest is recorded as the weights'
is, and signs every answer, for a changed threshold changes what is reported. Examples:
docs/object-detector.md.
"""

from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.errors import ModelFileError
from models.objects.coco import COCO_80, COCO_91
from proctor.fusion.plain_yaml import PlainLoader
from proctor.fusion.prohibited import states_of_mind
from proctor.sensing.limits import Label

MAX_CHARS = 65_536
NAMED_CLASSES = {"coco-80": COCO_80, "coco-91": COCO_91}

Side = Annotated[int, Field(ge=32, le=2_048)]
Stride = Annotated[int, Field(ge=4, le=128)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
ClassName = Annotated[str, Field(min_length=1, max_length=64)]
Three = Annotated[tuple[float, float, float], Field(strict=False)]
Named = str | tuple[str, ...] | dict[str, tuple[str, ...]]
ThreePositive = Annotated[tuple[Positive, Positive, Positive], Field(strict=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DetectorInput(_Strict):
    """How a picture becomes the network's input: (byte / scale - mean) / std, per channel.

    Attributes:
        width: Of the network's input, in pixels.
        height: Likewise.
        channels: In which order.
        layout: (1, 3, height, width) or (1, height, width, 3).
        type: What the input holds; `uint8` is given the bytes as they are.
        scale: Bytes are divided by this (255 for 0..1, 1 for 0..255).
        mean: Then this is taken off, in the order of `channels`.
        std: Then it is divided by this.
        fit: `letterbox` keeps the picture's shape and centres it, `corner` puts it to the top left
            (YOLOX), `stretch` does not keep the shape (SSD, DETR).
        pad: Byte around the picture.
    """

    width: Side
    height: Side
    channels: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"
    type: Literal["float32", "uint8"] = "float32"
    scale: Positive = 255.0
    mean: Three = (0.0, 0.0, 0.0)
    std: ThreePositive = (1.0, 1.0, 1.0)
    fit: Literal["letterbox", "corner", "stretch"] = "letterbox"
    pad: Annotated[int, Field(ge=0, le=255)] = 114


class YoloxOutput(_Strict):
    """One output (1, n, 5 + classes): box relative to its cell, objectness, scores (YOLOX as exported).

    Attributes:
        layout: This one.
        strides: Of the grids, in the order of the rows.
    """

    layout: Literal["yolox"]
    strides: Annotated[tuple[Stride, ...], Field(strict=False, min_length=1)] = (8, 16, 32)


class Yolov5Output(_Strict):
    """One output (1, n, 5 + classes): centre, size, objectness and scores, decoded (YOLOv5, v7)."""

    layout: Literal["yolov5"]


class Yolov8Output(_Strict):
    """One output (1, 4 + classes, n): centre, size and scores, decoded (YOLOv8, v9, v11)."""

    layout: Literal["yolov8"]


class BoxesOutput(_Strict):
    """Boxes and scores in outputs of their own (SSD, DETR, RT-DETR, torchvision, TensorFlow).

    Attributes:
        layout: This one.
        boxes: Name of the output (n, 4) or (1, n, 4).
        scores: Name of the output: (n) beside `labels`, else (n, classes).
        labels: Name of the output with each box's class index; None when scores are per class.
        box: What the four numbers are: corners, corners with y first, or centre and size.
        unit: Pixels of the input, or fractions of it.
        activation: What is still to be done to the scores.
        nothing: Where the column for no object is, besides those of `classes`.
    """

    layout: Literal["boxes"]
    boxes: ClassName
    scores: ClassName
    labels: ClassName | None = None
    box: Literal["xyxy", "yxyx", "cxcywh"] = "xyxy"
    unit: Literal["pixels", "fractions"] = "pixels"
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    nothing: Literal["first", "last"] | None = None

    @model_validator(mode="after")
    def _labels_are_final(self) -> Self:
        if self.labels is not None and (self.activation == "softmax" or self.nothing):
            raise ValueError("beside labels there is one score per box: no softmax, no `nothing`")
        return self


Output = Annotated[
    YoloxOutput | Yolov5Output | Yolov8Output | BoxesOutput, Field(discriminator="layout")
]


class Thresholds(_Strict):
    """What counts as found.

    Attributes:
        score: Least score; it is the detector's own and no probability.
        overlap: Boxes of one label that overlap by more (IoU) are one thing.
        by_label: Another least score for single labels.
    """

    score: Share = 0.4
    overlap: Share = 0.5
    by_label: dict[Label, Share] = {}


class DetectorSettings(_Strict):
    """Everything that is to be known of a detector besides its file.

    Attributes:
        detector: Form of this description.
        input: How a picture goes in.
        output: What comes out.
        classes: What the network tells apart, by index: `coco-80`, `coco-91` (TensorFlow, torchvision and
            DETR number them so, from 1), or names.
        labels: What is reported, and which classes count as it: `screen: [tv, laptop]`.
        thresholds: What counts as found.
    """

    detector: Literal[1]
    input: DetectorInput
    output: Output
    classes: Annotated[
        Literal["coco-80", "coco-91"]
        | Annotated[tuple[ClassName, ...], Field(strict=False, min_length=1, max_length=2_000)],
        Field(union_mode="left_to_right"),
    ]
    labels: Annotated[
        dict[Label, Annotated[tuple[ClassName, ...], Field(strict=False, min_length=1)]],
        Field(min_length=1, max_length=50),
    ]
    thresholds: Thresholds = Thresholds()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by index."""
        return NAMED_CLASSES[self.classes] if isinstance(self.classes, str) else self.classes

    @field_validator("classes", "labels")
    @classmethod
    def _no_states_of_mind(cls, told: Named) -> Named:
        """A detector of moods is no detector of things (EU AI Act, article 5), whatever it reports."""
        names = [told] if isinstance(told, str) else list(told)
        if isinstance(told, dict):
            names += [name for each in told.values() for name in each]
        for word in states_of_mind(names):
            raise ValueError(f"{word!r} names a state of mind; none is inferred here")
        return told

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        known = set(self.class_names)
        taken: dict[str, str] = {}
        for label, names in self.labels.items():
            for name in names:
                if name not in known:
                    raise ValueError(f"{label}: no class is called {name!r}")
                if name in taken:
                    raise ValueError(f"{name!r} counts as {taken[name]} and as {label}")
                taken[name] = label
        if unknown := sorted(set(self.thresholds.by_label) - set(self.labels)):
            raise ValueError(f"thresholds.by_label: no label is called {unknown[0]!r}")
        if isinstance(self.output, YoloxOutput) and any(
            side % stride
            for side in (self.input.width, self.input.height)
            for stride in self.output.strides
        ):
            raise ValueError("width and height must be multiples of every stride")
        return self


def parse_settings(content: bytes, name: str) -> DetectorSettings:
    """Read a detector's settings.

    Args:
        content: The file.
        name: What it is called, for messages.

    Raises:
        ModelFileError: In one line, naming the first field that is wrong.
    """
    if len(content) > MAX_CHARS:
        raise ModelFileError(f"{name} has more than {MAX_CHARS} characters")
    try:
        tree = yaml.load(content.decode("utf-8"), Loader=PlainLoader)
    except (
        *(yaml.YAMLError, TypeError, ValueError, RecursionError),
        *(AttributeError, LookupError),  # PyYAML's own, for `!!timestamp x`, `!!bool x`, `!!int ""`
    ) as error:
        raise ModelFileError(f"{name} is no YAML: {' '.join(str(error).split())[:200]}") from error
    try:
        return DetectorSettings.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "its form"
        raise ModelFileError(f"{name} is wrong at {place}: {first['msg']}") from error
