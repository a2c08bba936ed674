"""LiteRT on the CPU: one thread, one interpreter per calling thread, outputs checked.

An interpreter is not thread-safe but lets go of the GIL, and batching brings nothing on a CPU
(MODELS.md 2), so a batch is a loop and two threads are two interpreters over the same bytes.
"""

import io
import threading
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ModelFileError, ModelOutputInvalid

Floats = npt.NDArray[np.float32]
IDENTIFIER = b"TFL3"


class LitertModel:
    """A .tflite model with one float32 input and one or more float32 outputs.

    Attributes:
        input_shape: The fixed shape of the input, batch of one first.
    """

    def __init__(self, name: str, content: bytes, outputs: Sequence[tuple[int, ...]]) -> None:
        """Load and check the model, and run it once on zeros.

        Args:
            name: Manifest id, for messages.
            content: The file's verified bytes.
            outputs: Shapes of the outputs that are read, in the order in which `run` returns them;
                each must be the shape of exactly one output of the model.

        Raises:
            ModelFileError: The bytes are no LiteRT model that can be run here, it has no output of
                such a shape, or its weights give numbers that are not finite.
        """
        self._name = name
        self._content = content
        self._outputs = tuple(outputs)
        self._local = threading.local()
        details = self._interpreter().get_input_details()
        self.input_shape: tuple[int, ...] = tuple(int(n) for n in details[0]["shape"])
        try:
            self.run(np.zeros(self.input_shape, np.float32))
        except (ModelOutputInvalid, ValueError, RuntimeError) as error:
            raise ModelFileError(f"{name} cannot be used: {_first_line(error)}") from error

    def _interpreter(self) -> Any:
        interpreter = getattr(self._local, "interpreter", None)
        if interpreter is None:
            interpreter = _opened(self._name, self._content)
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
            raise ModelFileError(f"{self._name} has {len(found)} outputs of shape {shape}, not one")
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


def _opened(name: str, content: bytes) -> Any:
    """An interpreter that is ready to run. Raises `ModelFileError`."""
    from ai_edge_litert.interpreter import Interpreter

    if content[4:8] != IDENTIFIER:
        raise ModelFileError(f"{name} is no LiteRT model: it does not begin like one")
    try:
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelFileError(
            f"{name} is no LiteRT model that can be run: {_first_line(error)}"
        ) from error
    return interpreter


def require_finite(name: str, content: bytes) -> None:
    """Refuse a network, or a bundle of networks (.task), that gives NaN or infinity for zeros.

    For networks that another library runs and whose own answers cannot be looked at: a score that is
    not a number is under every threshold, and would read as "nobody there".

    Raises:
        ModelFileError: Such a network, or bytes that are neither.
    """
    networks = {name: content}
    # a network with metadata has a zip at its end, too
    if content[4:8] != IDENTIFIER and zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            members = [each for each in bundle.namelist() if each.endswith(".tflite")]
            networks = {f"{name}/{each}": bundle.read(each) for each in members}
        if not networks:
            raise ModelFileError(f"{name} is a bundle without a network")
    for each, network in networks.items():
        interpreter = _opened(each, network)
        for tensor in interpreter.get_input_details():
            interpreter.set_tensor(tensor["index"], np.zeros(tensor["shape"], tensor["dtype"]))
        interpreter.invoke()
        for tensor in interpreter.get_output_details():
            answer = interpreter.get_tensor(tensor["index"])
            if answer.dtype.kind == "f" and not np.isfinite(answer).all():
                raise ModelFileError(f"{each} answers zeros with numbers that are not finite")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
