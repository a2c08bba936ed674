"""The single-shot detectors of MediaPipe: anchors, decoding, weighted non-maximum suppression.

Written after MediaPipe's SsdAnchorsCalculator, TensorsToDetectionsCalculator and
NonMaxSuppressionCalculator (WEIGHTED). Positions are fractions of the detector's square input.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SCORE_CLIP = 80.0  # exp of more does not fit in float32


def anchor_centres(input_px: int, layers: Sequence[tuple[int, int]]) -> Floats:
    """(n, 2) x and y of the anchors' centres; their size is always 1.

    Args:
        input_px: Side of the square input.
        layers: (stride, anchors per cell) for each group of layers of equal stride.
    """
    found = []
    for stride, per_cell in layers:
        cells = input_px // stride
        axis = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(axis, axis, indexing="ij")
        found.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.concatenate(found).astype(np.float32)


def detections(
    raw: Floats,
    logits: Floats,
    anchors: Floats,
    input_px: int,
    least_score: float,
    overlap: float,
) -> Floats:
    """Decode and suppress.

    Args:
        raw: (n, 4 + 2k) centre x, y, width, height and k key points, in input pixels from the anchor.
        logits: (n,) scores before the sigmoid.
        anchors: (n, 2).
        input_px: Side of the input.
        least_score: Boxes below this are dropped.
        overlap: Boxes that overlap by more (IoU) are merged.

    Returns:
        (m, 5 + 2k): left, top, width, height, score, then k key points; best score first.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -SCORE_CLIP, SCORE_CLIP)))
    keep = np.flatnonzero(scores >= least_score)
    values = raw[keep] / np.float32(input_px)
    centre = values[:, :2] + anchors[keep]
    points = values[:, 4:] + np.tile(anchors[keep], (raw.shape[1] - 4) // 2)
    boxes = np.column_stack([centre - values[:, 2:4] / 2, values[:, 2:4], scores[keep], points])
    return weighted_suppression(boxes.astype(np.float32), overlap)


def weighted_suppression(boxes: Floats, overlap: float) -> Floats:
    """Merge boxes that overlap by more than `overlap` (IoU) into their mean weighted by score."""
    left = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    merged = []
    while len(left):
        same = overlaps(left[0], left) > overlap
        same[0] = True
        group = left[same]
        mean = np.average(group, axis=0, weights=group[:, 4])
        mean[4] = left[0, 4]
        merged.append(mean)
        left = left[~same]
    if not merged:
        return boxes[:0]
    return np.stack(merged).astype(np.float32)


def overlaps(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box with many; columns left, top, width, height."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:4], boxes[:, :2] + boxes[:, 2:4])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)
