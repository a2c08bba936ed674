"""Passive liveness with MiniFASNet (Silent-Face-Anti-Spoofing): two networks see two crops of a face.

Each network sees the face at its own scale (2.7 and 4.0 times the box: what surrounds a face gives a
screen or a print away) and says one of three: print, live, screen. The score is the mean of what both
say for "live". Crop and order after upstream's `CropImage` and `test.py`.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.runtimes.onnx import OnnxModel
from models.scores import probabilities
from proctor.domain.geometry import Box
from proctor.domain.media import Image

INPUT_PX = 80
SCALES = (2.7, 4.0)
CLASSES = 3
LIVE = 1


def surroundings(box: Box, width: int, height: int, scale: float) -> tuple[int, int, int, int]:
    """The box grown by `scale` about its middle, as upstream does it: left, top, right, bottom.

    The scale is lowered until the region fits into the picture, and the region is then shifted
    inside. Edges are pixels of the picture, both inclusive.

    Raises:
        ModelOutputInvalid: The box has no size.
    """
    box_width, box_height = box.width * width, box.height * height
    if not (box_width > 0 and box_height > 0):
        raise ModelOutputInvalid("a face without a size has no surroundings")
    scale = min((height - 1) / box_height, (width - 1) / box_width, scale)
    x, y = box.centre
    across = _inside(x * width, box_width * scale, width - 1)
    down = _inside(y * height, box_height * scale, height - 1)
    return across[0], down[0], across[1], down[1]


def _inside(centre: float, size: float, last: int) -> tuple[int, int]:
    low, high = centre - size / 2, centre + size / 2
    if low < 0:
        low, high = 0.0, high - low
    if high > last:
        low, high = low - (high - last), float(last)
    return max(0, int(low)), min(last, int(high))


def live_share(logits: npt.NDArray[np.float32], name: str) -> float:
    """Softmax of one network's three logits at "live", 0..1.

    Raises:
        ModelOutputInvalid: Another shape than (1, 3), or numbers that are not finite.
    """
    if logits.shape != (1, CLASSES):
        raise ModelOutputInvalid(f"{name} answered in shape {logits.shape}")
    if not np.isfinite(logits).all():
        raise ModelOutputInvalid(f"{name} answered with numbers that are not finite")
    row = logits[0].astype(np.float64)
    shares = np.exp(row - row.max())
    return float(shares[LIVE] / shares.sum())


class MiniFasNet:
    """`LivenessModel` of both networks. One instance serves all threads; it remembers nobody."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` are the networks for 2.7 and for 4.0, in this order.

        Raises:
            ModelFileError: A file is missing or altered, or states no calibration.
        """
        self.producers: tuple[str, ...] = tuple(files)
        calibration = catalogue.files([files[0]])[0].scores
        if calibration is None:
            raise ModelFileError(
                f"{files[0]} states no `scores` in the manifest: P(live) needs them"
            )
        self._calibration = calibration
        self._networks = [
            (name, scale, OnnxModel(name, catalogue.read(name)))
            for name, scale in zip(files, SCALES, strict=True)
        ]
        for _, _, network in self._networks:
            crop = np.zeros((1, 3, INPUT_PX, INPUT_PX), np.float32)
            network.require({"input": crop}, {"logits": (1, CLASSES)})

    def probability(self, image: Image, box: Box) -> float:
        """P(live), 0..1, calibrated as the manifest says. Raises `ModelOutputInvalid`."""
        return float(probabilities(self.score(image, box), self._calibration))

    def probabilities(self, faces: Sequence[tuple[Image, Box]]) -> list[float | ModelOutputInvalid]:
        """As `probability`, one run of each network for all; what is wrong with one is in its place."""
        return [
            score
            if isinstance(score, ModelOutputInvalid)
            else float(probabilities(score, self._calibration))
            for score in self._scores(faces)
        ]

    def score(self, image: Image, box: Box) -> float:
        """Mean of both networks' share for "live", 0..1, not calibrated. Raises `ModelOutputInvalid`."""
        (score,) = self._scores([(image, box)])
        if isinstance(score, ModelOutputInvalid):
            raise score
        return score

    def _scores(self, faces: Sequence[tuple[Image, Box]]) -> list[float | ModelOutputInvalid]:
        shares: list[list[float]] = [[] for _ in faces]
        wrong: dict[int, ModelOutputInvalid] = {}
        for name, scale, network in self._networks:
            cuts = {}
            for at, (image, box) in enumerate(faces):
                try:
                    cuts[at] = _cut(image, box, scale)
                except ModelOutputInvalid as error:
                    wrong[at] = error
            if not cuts:
                continue
            told = network.run_many({"input": np.stack(list(cuts.values()))}, finite=False)
            for at, logits in zip(cuts, told["logits"], strict=True):
                try:
                    shares[at].append(live_share(logits[np.newaxis], name))
                except ModelOutputInvalid as error:
                    wrong[at] = error
        return [
            wrong[at] if at in wrong else sum(some) / len(some) for at, some in enumerate(shares)
        ]


def _cut(image: Image, box: Box, scale: float) -> npt.NDArray[np.float32]:
    """(3, 80, 80) float32 BGR, 0..255. Raises `ModelOutputInvalid`."""
    left, top, right, bottom = surroundings(box, image.shape[1], image.shape[0], scale)
    cut = np.ascontiguousarray(image[top : bottom + 1, left : right + 1, ::-1])
    sized = cv2.resize(cut, (INPUT_PX, INPUT_PX)).astype(np.float32)
    return np.asarray(sized.transpose(2, 0, 1), np.float32)
