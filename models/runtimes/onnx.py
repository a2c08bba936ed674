"""ONNX Runtime on the CPU: one thread, no spinning; one session shared by all calling threads."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from models.errors import ModelOutputInvalid

ERRORS_ONLY = 3


class OnnxModel:
    """An ONNX model run by name.

    ONNX Runtime's arena grows with the largest batch it has seen and never shrinks (MODELS.md 6),
    so callers keep to `batch_limit`.

    Attributes:
        batch_limit: Most items a caller may put in one run.
    """

    def __init__(self, name: str, content: bytes, batch_limit: int = 8) -> None:
        """Load the model from its verified bytes."""
        import onnxruntime as ort
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = ERRORS_ONLY
        self._name = name
        self._session = ort.InferenceSession(
            content, sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._refusals = (state.RuntimeException, state.InvalidArgument, state.Fail)
        self.batch_limit = batch_limit

    def run(
        self, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Run once; the answers by output name.

        Values are not checked here: one bad item of a batch must not spoil the others.

        Raises:
            ModelOutputInvalid: The runtime refused the inputs.
        """
        try:
            answers = self._session.run(self._outputs, dict(inputs))
        except self._refusals as error:
            raise ModelOutputInvalid(
                f"{self._name} could not be run: {_first_line(error)}"
            ) from error
        return dict(zip(self._outputs, answers, strict=True))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
