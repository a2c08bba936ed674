"""ONNX networks that a Triton server runs, over gRPC, with the interface of the local engines.

`proctor models export-triton DIR` writes the repository that the server is started with. The server says
which bytes each version holds (`sha256.<version>` among its parameters), so an answer is signed with what
really ran: every request names the version that was compared, and after a lost connection it is compared
again.
"""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ModelFileError, ModelOutputInvalid
from models.runtimes.placement import Tensor
from models.sources import digest_of
from proctor.domain.errors import PerceptionUnavailable

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
_RENEWED = frozenset({"StatusCode.UNAVAILABLE", "StatusCode.NOT_FOUND"})
"""What a server says that restarts, or that serves this version no more."""


def triton_name(name: str) -> str:
    """A manifest id as a Triton model's name."""
    return f"proctor-{name}"


def digest_key(version: str) -> str:
    """The parameter of a configuration that holds the sha256 of one version's network.

    One configuration stands for every version in the folder, so each is named: whichever of them the
    server has loaded, its digest is its own.
    """
    return f"sha256.{version}"


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
        self._digest = digest_of(content)
        self._version = ""
        self._compare = Lock()
        self._renewed = self._connected = False
        self._channel = self._client._channel  # the client tells nobody that it connected anew
        config = self._config()
        self._channel.subscribe(self._watch)
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
        answer = self._twice(asked)
        answers = [answer.as_numpy(output.name) for output in self.outputs]
        for output, array in zip(self.outputs, answers, strict=True):
            if array is None:
                raise ModelOutputInvalid(f"{self._name} answered without {output.name}")
        return answers

    def close(self) -> None:
        """End the connection."""
        self._channel.unsubscribe(self._watch)
        self._client.close()

    def _config(self) -> Any:
        from tritonclient.utils import InferenceServerException

        try:
            return self._compared(LOAD_WITHIN_S)
        except InferenceServerException as error:
            if error.status() in _AWAY:
                raise ModelFileError(
                    f"no Triton server answers at {self._url}: start it, or unset PROCTOR_TRITON_URL"
                ) from error
            raise ModelFileError(
                f"the Triton server at {self._url} does not serve {self._name} "
                f"({_one_line(error)}): run `proctor models export-triton DIR`"
            ) from error

    def _compared(self, within_s: float) -> Any:
        """The configuration of the version that answers from now on: it holds the right bytes."""
        name = triton_name(self._name)
        versions = self._client.get_model_metadata(name, client_timeout=within_s).versions
        version = max(versions, key=int, default="")
        config = self._client.get_model_config(name, version, client_timeout=within_s).config
        key = digest_key(version)
        served = config.parameters[key].string_value if key in config.parameters else "none"
        if served != self._digest:
            raise ModelFileError(
                f"the Triton server at {self._url} serves other bytes as {self._name} (sha256 "
                f"{served[:12]}): run `proctor models export-triton DIR` again and restart it"
            )
        self._version = version
        return config

    def _watch(self, state: Any) -> None:
        """A connection that was there and is there no more may lead to another server next."""
        ready = state.name == "READY"
        if self._connected and not ready:
            self._renewed = True
        self._connected = ready

    def _compare_if_renewed(self) -> None:
        with self._compare:
            if not self._renewed:
                return
            self._renewed = False  # before it is asked: what is lost meanwhile counts
            try:
                self._compared(self._within_s)
            except BaseException:
                self._renewed = True
                raise

    def _twice(self, asked: Sequence[Any]) -> Any:
        from tritonclient.utils import InferenceServerException

        for left in reversed(range(TRIES)):
            try:
                self._compare_if_renewed()
                return self._client.infer(
                    triton_name(self._name), asked, self._version, client_timeout=self._within_s
                )
            except ModelFileError as error:
                raise PerceptionUnavailable(error.detail) from error
            except InferenceServerException as error:
                if error.status() not in _AWAY | _RENEWED:
                    raise ModelOutputInvalid(
                        f"{self._name} could not be run by Triton: {_one_line(error)}"
                    ) from error
                self._renewed |= error.status() in _RENEWED
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
