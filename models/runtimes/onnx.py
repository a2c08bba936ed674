"""ONNX Runtime on the CPU: one thread, no spinning; one session shared by all calling threads."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from models.errors import ModelFileError, ModelOutputInvalid

ERRORS_ONLY = 3


class OnnxModel:
    """An ONNX model run by name.

    ONNX Runtime's arena grows with the largest batch it has seen and never shrinks (MODELS.md 6),
    so callers keep to `batch_limit`.

    Attributes:
        batch_limit: Most items a caller may put in one run; the file's own batch when it fixes one.
        inputs: Shape of each input by name; None where the size is free.
        outputs: Names of the outputs, in the file's order.
    """

    def __init__(self, name: str, content: bytes, batch_limit: int = 8) -> None:
        """Load the model from its verified bytes.

        Raises:
            ModelFileError: The bytes are no whole ONNX model, or one that cannot be run here.
        """
        import onnxruntime as ort
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = ERRORS_ONLY
        self._name = name
        self._refusals = (state.RuntimeException, state.InvalidArgument, state.Fail)
        unreadable = (state.InvalidProtobuf, state.InvalidGraph, state.NotImplemented)
        try:
            self._session = ort.InferenceSession(
                content, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except (*self._refusals, *unreadable) as error:
            raise ModelFileError(
                f"{name} is no ONNX model that can be run: {_first_line(error)}"
            ) from error
        self.inputs: dict[str, tuple[int | None, ...]] = {
            each.name: tuple(size if isinstance(size, int) else None for size in each.shape)
            for each in self._session.get_inputs()
        }
        self.outputs = tuple(output.name for output in self._session.get_outputs())
        first = next(iter(self.inputs.values()), ())
        self.batch_limit = (first[0] if first else None) or batch_limit

    def run(
        self, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Run once; the answers by output name.

        Values are not checked here: one bad item of a batch must not spoil the others.

        Raises:
            ModelOutputInvalid: The runtime refused the inputs.
        """
        try:
            answers = self._session.run(self.outputs, dict(inputs))
        except self._refusals as error:
            raise ModelOutputInvalid(
                f"{self._name} could not be run: {_first_line(error)}"
            ) from error
        return dict(zip(self.outputs, answers, strict=True))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
