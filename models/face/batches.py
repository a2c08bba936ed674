"""One run of a network over many faces, where a part of the face group can do that; else one by one.

This is the only place that knows about parts that cannot. One face whose answer is invalid is its own
affair: the others of the batch have theirs.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import cv2

from models.errors import ModelOutputInvalid
from models.face.detected import DetectedFace
from models.face.interfaces import (
    BatchedGaze,
    BatchedHeadPose,
    BatchedLiveness,
    FaceEmbedder,
    GazeModel,
    HeadPoseModel,
    LivenessModel,
    Look,
)
from models.face.mesh import FaceMesh, Irises
from proctor.domain.geometry import Box, Gaze, HeadPose
from proctor.domain.media import Image
from proctor.domain.perception import Embedding

logger = logging.getLogger(__name__)

OWN_FAULTS = (ModelOutputInvalid, cv2.error, ValueError, ArithmeticError)
"""What one picture's own geometry or crop raises; an outage is none of it."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def head_poses(
    model: HeadPoseModel, faces: Sequence[tuple[Image, FaceMesh]]
) -> list[HeadPose | ModelOutputInvalid]:
    """Of every face, in order."""
    many = model.estimate_all if isinstance(model, BatchedHeadPose) else None
    return _together(faces, lambda face: model.estimate(*face), many)


def gazes(
    model: GazeModel, faces: Sequence[tuple[Image, FaceMesh, Irises]]
) -> list[Gaze | ModelOutputInvalid | None]:
    """Of every face, in order."""
    many = model.estimate_all if isinstance(model, BatchedGaze) else None
    return _together(faces, lambda face: model.estimate(*face), many)


def probabilities(
    model: LivenessModel, faces: Sequence[tuple[Image, Box]]
) -> list[float | ModelOutputInvalid]:
    """P(live) of every face, in order."""
    many = model.probabilities if isinstance(model, BatchedLiveness) else None
    return _together(faces, lambda face: model.probability(*face), many)


def embeddings(model: FaceEmbedder, chips: Sequence[Image]) -> list[Embedding | ModelOutputInvalid]:
    """Of every chip, in order."""

    def alone(chip: Image) -> Embedding:
        (vector,) = model.embed([chip])
        if isinstance(vector, ModelOutputInvalid):
            raise vector
        return vector

    return _together(chips, alone, model.embed)


def searched(look: Look, images: Sequence[Image]) -> list[list[DetectedFace] | ModelOutputInvalid]:
    """The boxes of every picture, in order."""
    return _together(images, look.search, look.search_all)


def own_fault(error: Exception) -> ModelOutputInvalid:
    """One of `OWN_FAULTS` as what it is for the ask; what no model raised on purpose is logged."""
    if isinstance(error, ModelOutputInvalid):
        return error
    kind = type(error).__name__
    logger.warning("a face could not be read", extra={"error": kind}, exc_info=error)
    return ModelOutputInvalid(f"a face could not be read: {kind}")


def _together(
    items: Sequence[Item],
    alone: Callable[[Item], Answer],
    many: Callable[[Sequence[Item]], Sequence[Answer | ModelOutputInvalid]] | None,
) -> list[Answer | ModelOutputInvalid]:
    if many is not None and len(items) > 1:
        try:
            return list(many(items))
        except OWN_FAULTS:
            pass  # one of them spoiled the run: each by itself
    answers: list[Answer | ModelOutputInvalid] = []
    for item in items:
        try:
            answers.append(alone(item))
        except OWN_FAULTS as error:
            answers.append(own_fault(error))
    return answers
