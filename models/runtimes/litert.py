"""LiteRT on the CPU: one thread, one interpreter per calling thread, outputs checked.

An interpreter is not thread-safe but lets go of the GIL, and batching brings nothing on a CPU
(MODELS.md 2), so a batch is a loop and two threads are two interpreters over the same bytes.
"""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ModelOutputInvalid

Floats = npt.NDArray[np.float32]


class LitertModel:
    """A .tflite model with one float32 input and one or more float32 outputs.

    Attributes:
        input_shape: The fixed shape of the input, batch of one first.
    """

    def __init__(self, name: str, content: bytes, outputs: Sequence[tuple[int, ...]]) -> None:
        """Load and check the model.

        Args:
            name: Manifest id, for messages.
            content: The file's verified bytes.
            outputs: Shapes of the outputs that are read, in the order in which `run` returns them;
                each must be the shape of exactly one output of the model.

        Raises:
            ModelOutputInvalid: An output of that shape does not exist.
        """
        self._name = name
        self._content = content
        self._outputs = tuple(outputs)
        self._local = threading.local()
        details = self._interpreter().get_input_details()
        self.input_shape: tuple[int, ...] = tuple(int(n) for n in details[0]["shape"])

    def _interpreter(self) -> Any:
        interpreter = getattr(self._local, "interpreter", None)
        if interpreter is None:
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_content=self._content, num_threads=1)
            interpreter.allocate_tensors()
            self._local.input = interpreter.get_input_details()[0]["index"]
            self._local.outputs = [self._index_of(interpreter, shape) for shape in self._outputs]
            self._local.interpreter = interpreter
        return interpreter

    def _index_of(self, interpreter: Any, shape: tuple[int, ...]) -> int:
        found = [
            int(detail["index"])
            for detail in interpreter.get_output_details()
            if tuple(detail["shape"]) == shape
        ]
        if len(found) != 1:
            raise ModelOutputInvalid(f"{self._name} has {len(found)} outputs of shape {shape}")
        return found[0]

    def run(self, image: Floats) -> tuple[Floats, ...]:
        """Run once on (1, h, w, 3) float32.

        Raises:
            ModelOutputInvalid: An output holds NaN or infinity.
        """
        interpreter = self._interpreter()
        interpreter.set_tensor(self._local.input, image)
        interpreter.invoke()
        answers = tuple(interpreter.get_tensor(index) for index in self._local.outputs)
        for answer in answers:
            if not np.isfinite(answer).all():
                raise ModelOutputInvalid(f"{self._name} answered with numbers that are not finite")
        return answers
