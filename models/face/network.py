"""A network that takes pictures of one size and gives some answers for each of them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from models.errors import ModelFileError, ModelOutputInvalid
from models.pictures import Floats
from models.runtimes.onnx import OnnxModel

Answer = TypeVar("Answer")

CHANNELS = 3


class PictureNetwork:
    """An ONNX file with one input (n, 3, side, side), whose batch may be free or fixed.

    Values are not checked: what is wrong with one picture's answer is its own affair.
    """

    def __init__(self, name: str, content: bytes, side_px: int) -> None:
        """Load from verified bytes.

        Raises:
            ModelFileError: It is no ONNX model, or takes in something else.
        """
        self.name = name
        self._model = OnnxModel(name, content)
        shapes = list(self._model.inputs.values())
        if len(shapes) != 1 or not _fits(shapes[0], (CHANNELS, side_px, side_px)):
            told = ", ".join(map(_told, shapes))
            raise ModelFileError(f"{name} takes {told}, not one (n, 3, {side_px}, {side_px})")
        (self._input,) = self._model.inputs
        batch = shapes[0][0]
        self._fixed_batch = batch if isinstance(batch, int) else None

    def answers(self, pictures: Sequence[Floats]) -> list[list[Floats]]:
        """Every answer to every (1, 3, side, side) picture, each with a first side of one.

        Raises:
            ModelOutputInvalid: The runtime refused the pictures, or there are not as many answers.
        """
        found: list[list[Floats]] = []
        limit = self._fixed_batch or self._model.batch_limit
        for start in range(0, len(pictures), limit):
            some = np.concatenate(pictures[start : start + limit])
            count = len(some)
            if self._fixed_batch is not None and count < limit:
                some = np.concatenate([some, some[-1:].repeat(limit - count, axis=0)])
            outputs = list(self._model.run({self._input: some}, finite=False).values())
            if any(output.ndim < 2 or len(output) != len(some) for output in outputs):
                shapes = ", ".join(_told(output.shape) for output in outputs)
                raise ModelOutputInvalid(f"{self.name} answers {len(some)} pictures with {shapes}")
            found.extend([output[at : at + 1] for output in outputs] for at in range(count))
        return found


def checked(
    decode: Callable[[Sequence[Floats]], Answer], answers: Sequence[Floats]
) -> Answer | ModelOutputInvalid:
    """What the answers to one picture say, or what is wrong with them."""
    try:
        return decode(answers)
    except ModelOutputInvalid as error:
        return error


def _fits(shape: Sequence[int | str | None], wanted: Sequence[int]) -> bool:
    return len(shape) == 1 + len(wanted) and all(
        not isinstance(size, int) or size == want
        for size, want in zip(shape[1:], wanted, strict=True)
    )


def _told(shape: Sequence[int | str | None]) -> str:
    return "(" + ", ".join(str(size) if isinstance(size, int) else "n" for size in shape) + ")"
