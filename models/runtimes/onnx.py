"""An ONNX network by its manifest name: on the CPU, on a GPU or on a Triton server, answers checked.

Where it runs is decided by whoever loads the readers (models/runtimes/placement.py).
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from models.convert.free_batch import with_free_batch
from models.errors import ModelFileError, ModelOutputInvalid
from models.runtimes.engines import open_engine
from models.runtimes.onnx_file import require_whole
from models.runtimes.placement import Serving, here


class OnnxModel:
    """An ONNX model run by name. One instance is shared by all threads.

    ONNX Runtime's arena grows with the largest batch it has seen and never shrinks (MODELS.md 6),
    so callers keep to `batch_limit`.

    Attributes:
        batch_limit: Most items a caller may put in one run; the file's own batch when it fixes one.
        inputs: Shape of each input by name; a name or None where a side is free.
        outputs: Names of the outputs, in the model's order.
    """

    def __init__(self, name: str, content: bytes, batch_limit: int | None = None) -> None:
        """Load the model from its verified bytes.

        Args:
            name: Manifest id, for messages and for how it is served.
            content: The file's verified bytes.
            batch_limit: Most items of one run; None: what the manifest says for where it runs.

        Raises:
            ModelFileError: The bytes are no network that can be run or not all of it, or a Triton server
                has another.
        """
        require_whole(name, content)
        placement, fallbacks = here()
        serving = placement.serving.get(name, Serving())
        self._name = name
        far = placement.batches and serving.gpu
        if far:
            content = with_free_batch(name, content)
        self._engine = open_engine(name, content, placement, fallbacks)
        self._outputs = self._engine.outputs
        self.outputs = tuple(tensor.name for tensor in self._outputs)
        if batch_limit is None:
            batch_limit = serving.batch_gpu if far else serving.batch_cpu
        batch_limit = min(batch_limit, self._engine.batch_limit or batch_limit)
        first = next((tensor.shape[0] for tensor in self._engine.inputs if tensor.shape), None)
        self.batch_limit: int = first if isinstance(first, int) else batch_limit
        self.inputs: dict[str, tuple[int | str | None, ...]] = {
            tensor.name: tensor.shape for tensor in self._engine.inputs
        }
        # where height or width are free, exporters leave the outputs' sides as they were when they
        # exported (SCRFD does), so only rank can be held against them
        self._sides_hold = all(tensor.has_free_batch_only for tensor in self._engine.inputs)
        self._batch_of: dict[int | str | None, str] = {
            tensor.shape[0]: tensor.name
            for tensor in self._engine.inputs
            if tensor.shape and isinstance(tensor.shape[0], str)
        }

    def run(
        self,
        inputs: Mapping[str, npt.NDArray[np.generic]],
        *,
        finite: bool = True,
        borrow: bool = False,
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Run once; the answers by output name.

        Args:
            inputs: By name.
            finite: Refuse an answer with a number that is not finite. A caller that says False looks
                at each item by itself: one bad item of a batch must not spoil the others.
            borrow: Large answers may lie in buffers that this thread's next `run` overwrites, and
                are read-only: for callers that decode at once.

        Raises:
            ModelOutputInvalid: The runtime refused the inputs, or an answer has another shape than the
                model declares, or is not finite.
        """
        answers = self._engine.run(inputs, borrow=borrow)
        told = {}
        for tensor, answer in zip(self._outputs, answers, strict=True):
            self._check_shape(tensor.name, tensor.shape, answer.shape, inputs)
            if finite and answer.dtype.kind == "f" and not np.isfinite(answer).all():
                raise ModelOutputInvalid(
                    f"{self._name} answered {tensor.name} with numbers that are not finite"
                )
            told[tensor.name] = answer
        return told

    def run_many(
        self, inputs: Mapping[str, npt.NDArray[np.generic]], *, finite: bool = True
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Run for any number of items, in as few runs as the limit allows; items are the first side.

        Raises:
            ModelOutputInvalid: As `run`; or an answer has not one row per item.
        """
        count = len(next(iter(inputs.values())))
        told = []
        for start in range(0, count, self.batch_limit):
            some = {name: each[start : start + self.batch_limit] for name, each in inputs.items()}
            rows = len(next(iter(some.values())))
            answer = self.run(some, finite=finite)
            if any(each.shape[:1] != (rows,) for each in answer.values()):
                shapes = [each.shape for each in answer.values()]
                raise ModelOutputInvalid(f"{self._name} answered {rows} items in shapes {shapes}")
            told.append(answer)
        return {name: np.concatenate([each[name] for each in told]) for name in self.outputs}

    def require(
        self,
        inputs: Mapping[str, npt.NDArray[np.generic]],
        outputs: Mapping[str, tuple[int, ...]],
    ) -> None:
        """Run once, at start: refuse a network that is not the one that its reader reads.

        Args:
            inputs: As the reader will give them; zeros will do.
            outputs: Shape of each output that the reader will use, for these inputs.

        Raises:
            ModelFileError: It takes other inputs, or answers otherwise. Values are not looked at.
        """
        try:
            told = self.run(inputs, finite=False)
        except ModelOutputInvalid as error:
            raise ModelFileError(f"{self._name} is another network: {error.detail}") from error
        for name, shape in outputs.items():
            if name not in told or told[name].shape != shape:
                got = f"answers {told[name].shape}" if name in told else "has no such output"
                raise ModelFileError(
                    f"{self._name} is another network: {name} should be {shape}, it {got}"
                )

    def _check_shape(
        self,
        output: str,
        declared: tuple[int | str | None, ...],
        got: tuple[int, ...],
        inputs: Mapping[str, npt.NDArray[np.generic]],
    ) -> None:
        if not declared:
            return  # a scalar, or a model that declares nothing
        wrong = len(declared) != len(got)
        if not wrong and self._sides_hold:
            # so do they with a batch of one that they exported with (insightface's recognisers do)
            first = 1 if declared[0] == 1 and self._batch_of else 0
            wrong = any(
                isinstance(want, int) and want != have
                for want, have in zip(declared[first:], got[first:], strict=True)
            )
        if not wrong and declared[0] in self._batch_of:
            wrong = got[0] != inputs[self._batch_of[declared[0]]].shape[0]
        if wrong:
            raise ModelOutputInvalid(f"{self._name} answered {output} in shape {got}")
