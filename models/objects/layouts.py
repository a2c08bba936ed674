"""From a detector's outputs to boxes: one function per layout, and suppression label by label.

Written after the exporters' own demonstrations: YOLOX demo/ONNXRuntime, YOLOv5 and YOLOv8 exports,
torchvision's and TensorFlow's detection models, DETR. Boxes are in pixels of the network's input.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import ModelOutputInvalid
from models.objects.settings import (
    BoxesOutput,
    DetectorInput,
    DetectorSettings,
    Yolov5Output,
    Yolov8Output,
    YoloxOutput,
)
from proctor.domain.media import Image

Floats = npt.NDArray[np.float32]
Answers = Mapping[str, npt.NDArray[np.generic]]

LARGEST_LOG_SIZE = 20.0  # exp of more is no size, and overflows
MOST_BOXES = 1_000  # before suppression, best first: it costs the square of them
NO_LABEL = -1  # exporters fill a fixed number of rows up with it
SCORE_SLACK = 1e-3  # rounding of half-precision sigmoids


@dataclass(frozen=True, slots=True)
class Fit:
    """Where the picture lies in the network's input: x_input = x * across + left.

    Attributes:
        across: Input pixels per pixel of the picture, horizontally.
        down: The same, vertically.
        left: Input pixels left of the picture.
        top: Input pixels above it.
    """

    across: float
    down: float
    left: int = 0
    top: int = 0


def fit_of(settings: DetectorInput, width: int, height: int) -> Fit:
    """Where a picture of this size goes."""
    across, down = settings.width / width, settings.height / height
    if settings.fit == "stretch":
        return Fit(across, down)
    scale = min(across, down)
    if settings.fit == "corner":
        return Fit(scale, scale)
    left = (settings.width - round(width * scale)) // 2
    top = (settings.height - round(height * scale)) // 2
    return Fit(scale, scale, left, top)


def as_input(settings: DetectorInput, image: Image, fit: Fit) -> npt.NDArray[np.generic]:
    """(h, w, 3) RGB as the network wants it, batch of one."""
    height, width = image.shape[:2]
    size = (max(1, round(width * fit.across)), max(1, round(height * fit.down)))
    canvas = np.full((settings.height, settings.width, 3), settings.pad, np.uint8)
    sized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    canvas[fit.top : fit.top + size[1], fit.left : fit.left + size[0]] = sized
    if settings.channels == "bgr":
        canvas = canvas[:, :, ::-1]
    values: npt.NDArray[np.generic] = canvas
    if settings.type == "float32":
        scaled = canvas.astype(np.float32) / np.float32(settings.scale)
        values = (scaled - np.array(settings.mean, np.float32)) / np.array(settings.std, np.float32)
    if settings.layout == "nchw":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[np.newaxis])


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the network proposes.

    Attributes:
        boxes: (n, 4) left, top, right, bottom in pixels of the input.
        scores: (n,) of the best class.
        classes: (n,) its index.
    """

    boxes: Floats
    scores: Floats
    classes: npt.NDArray[np.int64]


def candidates(settings: DetectorSettings, answers: Answers) -> Candidates:
    """Read the outputs.

    Raises:
        ModelOutputInvalid: They have another shape or another number of classes than the settings
            say, or scores that are none.
    """
    output, classes = settings.output, len(settings.class_names)
    match output:
        case YoloxOutput():
            found = _yolox(_single(answers, 5 + classes, axis=2), settings.input, output.strides)
        case Yolov5Output():
            rows = _single(answers, 5 + classes, axis=2)
            found = _best(_corners(rows[:, :4], "cxcywh"), rows[:, 4:5] * rows[:, 5:])
        case Yolov8Output():
            rows = _single(answers, 4 + classes, axis=1).T
            found = _best(_corners(rows[:, :4], "cxcywh"), rows[:, 4:])
        case BoxesOutput():
            found = _boxes(answers, output, settings.input, classes)
    if found.scores.size and not (
        found.scores.min() >= -SCORE_SLACK and found.scores.max() <= 1 + SCORE_SLACK
    ):
        raise ModelOutputInvalid("scores are not within 0..1: is output.activation right?")
    inside = np.clip(found.boxes, 0.0, _sides(settings.input)).astype(np.float32)
    return Candidates(inside, found.scores, found.classes)


def _sides(settings: DetectorInput) -> Floats:
    """(4,) the input's width and height, twice."""
    return np.array([settings.width, settings.height] * 2, np.float32)


def _single(answers: Answers, columns: int, axis: int) -> Floats:
    """The one output (1, n, columns) or (1, columns, n), without its batch."""
    if len(answers) != 1:
        raise ModelOutputInvalid(f"{len(answers)} outputs, and this layout has one")
    (answer,) = answers.values()
    if answer.ndim != 3 or answer.shape[0] != 1 or answer.shape[axis] != columns:
        wanted = f"(1, n, {columns})" if axis == 2 else f"(1, {columns}, n)"
        raise ModelOutputInvalid(f"the output is {answer.shape}, with these classes it is {wanted}")
    return np.asarray(answer[0], np.float32)


def _yolox(rows: Floats, settings: DetectorInput, strides: tuple[int, ...]) -> Candidates:
    cells, sizes = [], []
    for stride in strides:
        across, down = settings.width // stride, settings.height // stride
        y, x = np.meshgrid(np.arange(down), np.arange(across), indexing="ij")
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        sizes.append(np.full((across * down, 1), stride))
    grid, stride_of = np.concatenate(cells), np.concatenate(sizes)
    if len(rows) != len(grid):
        raise ModelOutputInvalid(f"{len(rows)} boxes, and the grids have {len(grid)} cells")
    centre = (rows[:, :2] + grid) * stride_of
    size = np.exp(np.clip(rows[:, 2:4], None, LARGEST_LOG_SIZE)) * stride_of
    boxes = _corners(np.column_stack([centre, size]).astype(np.float32), "cxcywh")
    return _best(boxes, rows[:, 4:5] * rows[:, 5:])


def _boxes(
    answers: Answers, output: BoxesOutput, settings: DetectorInput, classes: int
) -> Candidates:
    for name in (output.boxes, output.scores, output.labels):
        if name is not None and name not in answers:
            raise ModelOutputInvalid(f"no output is called {name}; there are: {', '.join(answers)}")
    boxes = _without_batch(answers[output.boxes], 2, output.boxes)
    if boxes.shape[1] != 4:
        raise ModelOutputInvalid(f"{output.boxes} is {answers[output.boxes].shape}, not (n, 4)")
    corners = _corners(boxes, output.box)
    if output.unit == "fractions":
        corners = corners * _sides(settings)
    if output.labels is None:
        scores = _activated(_without_batch(answers[output.scores], 2, output.scores), output)
        if scores.shape != (len(boxes), classes):
            raise ModelOutputInvalid(
                f"{output.scores} tells {scores.shape[1]} classes apart in {len(scores)} boxes, "
                f"the settings name {classes} and {output.boxes} has {len(boxes)}"
            )
        return _best(corners, scores)
    scores = _activated(_without_batch(answers[output.scores], 1, output.scores), output)
    indices = _without_batch(answers[output.labels], 1, output.labels).astype(np.int64)
    if not len(scores) == len(indices) == len(boxes):
        raise ModelOutputInvalid(
            f"{len(boxes)} boxes, {len(scores)} scores and {len(indices)} labels"
        )
    filled = indices != NO_LABEL
    corners, scores, indices = corners[filled], scores[filled], indices[filled]
    if indices.size and (indices.min() < 0 or indices.max() >= classes):
        raise ModelOutputInvalid(
            f"labels {indices.min()} to {indices.max()}, and the settings name {classes} classes"
        )
    return Candidates(corners, scores, indices)


def _without_batch(answer: npt.NDArray[np.generic], dimensions: int, name: str) -> Floats:
    if answer.ndim == dimensions + 1 and answer.shape[0] == 1:
        answer = answer[0]
    if answer.ndim != dimensions:
        raise ModelOutputInvalid(f"{name} is {answer.shape}")
    return np.asarray(answer, np.float32)


def _activated(scores: Floats, output: BoxesOutput) -> Floats:
    if output.activation == "sigmoid":
        scores = (1 / (1 + np.exp(-np.clip(scores, -80, 80)))).astype(np.float32)
    elif output.activation == "softmax":
        raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores = (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)
    if output.nothing == "first":
        scores = scores[:, 1:]
    elif output.nothing == "last":
        scores = scores[:, :-1]
    return scores


def _best(boxes: Floats, scores: Floats) -> Candidates:
    """Each box with the class that has its highest score."""
    if not scores.shape[1]:
        raise ModelOutputInvalid("no classes")
    best = scores.argmax(axis=1)
    return Candidates(boxes, scores[np.arange(len(scores)), best], best.astype(np.int64))


def _corners(boxes: Floats, kind: str) -> Floats:
    if kind == "yxyx":
        return boxes[:, [1, 0, 3, 2]]
    if kind == "cxcywh":
        half = boxes[:, 2:] / 2
        return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    return boxes


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is left: index of its label, score, and (4,) corners in pixels of the input."""

    label: int
    score: float
    corners: Floats


def suppressed(
    proposed: Candidates,
    label_of_class: npt.NDArray[np.int64],
    least_scores: Floats,
    overlap: float,
) -> list[Found]:
    """What is left once boxes that count as nothing, score too little or repeat another are gone.

    Args:
        proposed: What the network proposes.
        label_of_class: (classes,) index of the label that a class counts as; -1 for none.
        least_scores: (labels,) least score of each label.
        overlap: Boxes of one label that overlap by more are one.

    Returns:
        Best score first.
    """
    labels = label_of_class[proposed.classes]
    right, low = proposed.boxes[:, 2], proposed.boxes[:, 3]
    kept = np.flatnonzero(
        (labels >= 0)
        & (proposed.scores >= least_scores[labels])
        & (right > proposed.boxes[:, 0])
        & (low > proposed.boxes[:, 1])
    )
    kept = kept[np.argsort(-proposed.scores[kept], kind="stable")][:MOST_BOXES]
    if not kept.size:
        return []
    boxes, scores = proposed.boxes[kept], proposed.scores[kept]
    sized = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    single = cv2.dnn.NMSBoxesBatched(
        sized.tolist(), scores.tolist(), labels[kept].tolist(), 0.0, overlap
    )
    left = sorted((int(at) for at in np.ravel(single)), key=lambda at: -scores[at])
    return [
        Found(int(labels[kept[at]]), min(1.0, max(0.0, float(scores[at]))), boxes[at])
        for at in left
    ]
