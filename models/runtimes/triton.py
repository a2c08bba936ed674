"""ONNX networks that a Triton server runs, over gRPC, with the interface of the local engines.

`proctor models export-triton DIR` writes the repository that the server is started with. The server says
which bytes it serves (`sha256` among its parameters), so an answer is signed with what really ran.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ModelFileError, ModelOutputInvalid
from models.runtimes.placement import Tensor
from models.sources import digest_of
from proctor.domain.errors import PerceptionUnavailable

DIGEST = "sha256"
TLS = "grpcs://"
TRIES = 2
LOAD_WITHIN_S = 20.0
KINDS: Mapping[str, str] = {
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(double)": "TYPE_FP64",
    "tensor(int64)": "TYPE_INT64",
    "tensor(int32)": "TYPE_INT32",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(int8)": "TYPE_INT8",
    "tensor(bool)": "TYPE_BOOL",
}
_AWAY = frozenset({"StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED"})


def triton_name(name: str) -> str:
    """A manifest id as a Triton model's name."""
    return f"proctor-{name}"


class TritonEngine:
    """One network of a Triton server. gRPC's channel is shared by all threads."""

    def __init__(self, name: str, content: bytes, url: str, within_s: float) -> None:
        """Ask the server what it serves under this name.

        Args:
            name: Manifest id.
            content: The file's verified bytes: the server must serve the same.
            url: `host:port` of its gRPC door, `grpcs://host:port` when it speaks TLS.
            within_s: Deadline of one request, the second try not included.

        Raises:
            ModelFileError: The extra is not installed, the server is away, has no such network or
                has another one.
        """
        try:
            from tritonclient import grpc as triton
        except (ImportError, RuntimeError) as error:
            raise ModelFileError(
                "a Triton server is set, but its client is not installed: "
                "pip install 'rayproctor[triton]'"
            ) from error
        self._triton = triton
        self._client = triton.InferenceServerClient(url.removeprefix(TLS), ssl=url.startswith(TLS))
        self._name = name
        self._url = url
        self._within_s = within_s
        config = self._config()
        served = config.parameters[DIGEST].string_value if DIGEST in config.parameters else "none"
        if served != digest_of(content):
            raise ModelFileError(
                f"the Triton server at {url} serves other bytes as {name} (sha256 {served[:12]}): "
                "run `proctor models export-triton DIR` again and restart it"
            )
        free: tuple[int | str | None, ...] = ("batch",) if config.max_batch_size > 0 else ()
        self.batch_limit: int | None = config.max_batch_size or None
        self.inputs = tuple(_tensor(each, free) for each in config.input)
        self.outputs = tuple(_tensor(each, free) for each in config.output)

    def run(
        self, inputs: Mapping[str, npt.NDArray[np.generic]], *, borrow: bool
    ) -> Sequence[npt.NDArray[Any]]:
        """One request, tried twice when the server is away or late; `borrow` changes nothing.

        Raises:
            PerceptionUnavailable: The server did not answer in time, twice.
            ModelOutputInvalid: The server refused the inputs.
        """
        from tritonclient.utils import np_to_triton_dtype

        asked = []
        for name, array in inputs.items():
            tensor = self._triton.InferInput(
                name, list(array.shape), np_to_triton_dtype(array.dtype)
            )
            tensor.set_data_from_numpy(np.ascontiguousarray(array))
            asked.append(tensor)
        answer = self._twice(
            partial(
                self._client.infer, triton_name(self._name), asked, client_timeout=self._within_s
            )
        )
        answers = [answer.as_numpy(output.name) for output in self.outputs]
        for output, array in zip(self.outputs, answers, strict=True):
            if array is None:
                raise ModelOutputInvalid(f"{self._name} answered without {output.name}")
        return answers

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _config(self) -> Any:
        from tritonclient.utils import InferenceServerException

        try:
            return self._client.get_model_config(
                triton_name(self._name), client_timeout=LOAD_WITHIN_S
            ).config
        except InferenceServerException as error:
            if error.status() in _AWAY:
                raise ModelFileError(
                    f"no Triton server answers at {self._url}: start it, or unset PROCTOR_TRITON_URL"
                ) from error
            raise ModelFileError(
                f"the Triton server at {self._url} does not serve {self._name} "
                f"({_one_line(error)}): run `proctor models export-triton DIR`"
            ) from error

    def _twice(self, ask: Any) -> Any:
        from tritonclient.utils import InferenceServerException

        for left in reversed(range(TRIES)):
            try:
                return ask()
            except InferenceServerException as error:
                if error.status() not in _AWAY:
                    raise ModelOutputInvalid(
                        f"{self._name} could not be run by Triton: {_one_line(error)}"
                    ) from error
                if left == 0:
                    raise PerceptionUnavailable(
                        f"the Triton server at {self._url} did not answer"
                    ) from error
        raise AssertionError("every try returns or raises")


def _tensor(declared: Any, free: tuple[int | str | None, ...]) -> Tensor:
    from tritonclient.grpc import model_config_pb2

    kinds = {triton: onnx for onnx, triton in KINDS.items()}
    kind = kinds.get(model_config_pb2.DataType.Name(declared.data_type), "tensor(float)")
    sides = (None if side < 0 else int(side) for side in declared.dims)
    return Tensor(declared.name, (*free, *sides), kind)


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
