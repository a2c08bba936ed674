"""ONNX Runtime's sessions: one on the CPU, or one on a GPU that has one on the CPU to fall back to.

On the CPU: one thread and no spinning, because many replicas share the cores (MODELS.md 6). ONNX
Runtime's own fallback is switched off: it prints, and nobody is told.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.errors import ModelFileError, ModelOutputInvalid
from models.runtimes.placement import Fallbacks, Network, OnnxRuntime, Placement, Serving, Tensor
from models.runtimes.providers import CPU, TENSORRT, wanted, with_options

logger = logging.getLogger(__name__)

ERRORS_ONLY = 3
RETRY_S = 60.0
LARGE_BYTES = 256 * 1024

Arrays = Mapping[str, npt.NDArray[np.generic]]


class Engine(Protocol):
    """What runs one network. Called by several threads at once.

    Attributes:
        inputs: As the network declares them.
        outputs: As the network declares them.
        batch_limit: Most items of one run, where the engine has a limit of its own.
    """

    batch_limit: int | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def run(self, inputs: Arrays, *, borrow: bool) -> Sequence[npt.NDArray[Any]]:
        """The answers in the order of `outputs`; see `OnnxModel.run`."""
        ...


class InstalledRuntime:
    """The `onnxruntime` (or `onnxruntime-gpu`) that is installed."""

    def available(self) -> Sequence[str]:
        """Names of the providers in this build."""
        import onnxruntime as ort

        names: Sequence[str] = ort.get_available_providers()
        return names

    def open(self, content: bytes, providers: Sequence[Any]) -> Any:
        """One thread and no spinning; without ONNX Runtime's own fallback."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = ERRORS_ONLY
        return ort.InferenceSession(
            content, sess_options=options, providers=list(providers), enable_fallback=0
        )


INSTALLED = InstalledRuntime()


class CpuEngine:
    """One session on the CPU, shared by all calling threads."""

    batch_limit: int | None = None

    def __init__(self, name: str, content: bytes, runtime: OnnxRuntime = INSTALLED) -> None:
        """Load.

        Raises:
            ModelFileError: The bytes are no network that ONNX Runtime can run.
        """
        self._name = name
        try:
            self._session = runtime.open(content, [CPU])
        except Exception as error:  # its errors share no base class but this one
            raise ModelFileError(
                f"{name} is no ONNX model that can be run: {first_line(error)}"
            ) from error
        self.inputs, self.outputs = declared(self._session)
        self._buffers = Buffers(self._session, self.outputs)

    def run(self, inputs: Arrays, *, borrow: bool) -> Sequence[npt.NDArray[Any]]:
        """See `Engine`. Raises `ModelOutputInvalid` when the inputs are refused."""
        try:
            return self._buffers.run(inputs, borrow=borrow)
        except Exception as error:  # see __init__
            raise ModelOutputInvalid(
                f"{self._name} could not be run: {first_line(error)}"
            ) from error


class GpuEngine:
    """A session on a GPU; the CPU runs what the GPU cannot, and that is told until it is over.

    A GPU that fails is tried again every `RETRY_S` by whichever thread comes then. A build without the
    provider is not: only another installation helps.
    """

    batch_limit: int | None = None

    def __init__(
        self,
        name: str,
        content: bytes,
        placement: Placement,
        fallbacks: Fallbacks,
    ) -> None:
        """Load on the GPU, or on the CPU with a word to `fallbacks`. Raises `ModelFileError`."""
        self._name = name
        self._content = content
        self._placement = placement
        self._fallbacks = fallbacks
        self._runtime = placement.runtime or INSTALLED
        self._serving = placement.serving.get(name, Serving())
        self._lock = threading.Lock()
        self._gpu: Buffers | None = None
        self._retry_at_s: float | None = None
        self._cpu = CpuEngine(name, content, self._runtime)
        self.inputs, self.outputs = self._cpu.inputs, self._cpu.outputs
        self._try_gpu()

    def run(self, inputs: Arrays, *, borrow: bool) -> Sequence[npt.NDArray[Any]]:
        """See `Engine`. Raises `ModelOutputInvalid` when the CPU refuses the inputs as well."""
        gpu = self._gpu
        if gpu is None and self._is_due():
            self._try_gpu()
            gpu = self._gpu
        if gpu is None:
            return self._cpu.run(inputs, borrow=borrow)
        try:
            return gpu.run(inputs, borrow=borrow)
        except Exception as error:  # noqa: BLE001  # its errors share no base class but this one
            answers = self._cpu.run(inputs, borrow=borrow)  # bad inputs end here
            self._leave_gpu(first_line(error))
            return answers

    def _is_due(self) -> bool:
        due = self._retry_at_s
        return due is not None and self._placement.now_s() >= due

    def _leave_gpu(self, reason: str) -> None:
        self._gpu = None
        self._retry_at_s = self._placement.now_s() + RETRY_S
        self._fallbacks.fell(self._name, reason)

    def _try_gpu(self) -> None:
        """Open a session on the GPU and let it run once; one thread at a time, the others go on."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._open_gpu()
        finally:
            self._lock.release()

    def _open_gpu(self) -> None:
        asked = wanted(self._placement)
        usable = [provider for provider in asked if provider in self._runtime.available()]
        if not usable:
            self._fallbacks.fell(
                self._name,
                f"{' and '.join(asked)} is not in this build of ONNX Runtime: "
                "install the extra `gpu` without `onnxruntime`",
            )
            self._retry_at_s = None
            return
        content, half = self._content, self._serving.half
        try:
            if half and usable[0] != TENSORRT:  # TensorRT chooses by itself where float16 is safe
                content = in_half(content)
            options = with_options(usable, self._placement, self._serving, self.inputs)
            session = self._runtime.open(content, options)
            got = session.get_providers()
            if got[0] not in usable:
                raise RuntimeError(f"ONNX Runtime took {got[0]} instead of {usable[0]}")
            gpu = Buffers(session, self.outputs)
            gpu.run(nothing(self.inputs), borrow=False)
        except Exception as error:  # noqa: BLE001  # the converter's and its errors share no other base
            self._leave_gpu(first_line(error))
            return
        if got[0] != asked[0]:
            logger.warning(
                "a network runs on another GPU provider than was asked for",
                extra={"network": self._name, "asked": asked[0], "got": got[0]},
            )
        self._gpu = gpu
        self._fallbacks.rose(self._name)


class Buffers:
    """A session that may write its large answers into buffers of the calling thread.

    A fresh array of some megabytes costs more in page faults than many a network (MODELS.md 6).
    """

    def __init__(self, session: Any, outputs: Sequence[Tensor]) -> None:
        """Around an open session."""
        self._session = session
        self._names = [output.name for output in outputs]
        self._local = threading.local()
        self._varies = False

    def run(self, inputs: Arrays, *, borrow: bool) -> list[npt.NDArray[Any]]:
        """Run; with `borrow` large answers may lie in buffers that the thread's next run overwrites."""
        if not borrow or self._varies:
            return self._plainly(inputs)
        shapes = tuple(array.shape for array in inputs.values())
        known: dict[Any, list[npt.NDArray[Any]]] = self._local.__dict__.setdefault("kept", {})
        kept = known.get(shapes)
        if kept is None:
            answers = self._plainly(inputs)
            if any(answer.nbytes >= LARGE_BYTES for answer in answers):
                known.clear()  # one size at a time: the arena is enough of a hoard
                known[shapes] = [np.empty_like(answer) for answer in answers]
            return answers
        try:
            self._bound(inputs, kept)
        except Exception:  # noqa: BLE001  # answers whose size depends on what is in the picture
            self._varies = True
            return self._plainly(inputs)
        return [_read_only(answer) for answer in kept]

    def _plainly(self, inputs: Arrays) -> list[npt.NDArray[Any]]:
        answers: list[npt.NDArray[Any]] = self._session.run(self._names, dict(inputs))
        return answers

    def _bound(self, inputs: Arrays, answers: Sequence[npt.NDArray[Any]]) -> None:
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(array))
        for name, answer in zip(self._names, answers, strict=True):
            binding.bind_output(name, "cpu", 0, answer.dtype.type, answer.shape, answer.ctypes.data)
        self._session.run_with_iobinding(binding)


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def declared(session: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Inputs and outputs of a session."""

    def read(nodes: Any) -> tuple[Tensor, ...]:
        return tuple(Tensor(node.name, tuple(node.shape), node.type) for node in nodes)

    return read(session.get_inputs()), read(session.get_outputs())


KINDS: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}


def nothing(inputs: Sequence[Tensor], batch: int = 1, side: int = 64) -> dict[str, Any]:
    """Zeros that a network accepts; a free first side becomes `batch`, other free ones `side`."""
    return {
        tensor.name: np.zeros(
            [
                wide if isinstance(wide, int) else (side if at else batch)
                for at, wide in enumerate(tensor.shape)
            ],
            KINDS[tensor.kind],
        )
        for tensor in inputs
    }


def in_half(content: bytes) -> bytes:
    """The network in float16, its inputs and outputs float32 as before."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    made = convert_float_to_float16(onnx.load_from_string(content), keep_io_types=True)
    return bytes(made.SerializeToString())


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    return str(error).partition("\n")[0] or type(error).__name__


def open_engine(name: str, content: bytes, placement: Placement, fallbacks: Fallbacks) -> Engine:
    """The engine that the placement wants for a network.

    Raises:
        ModelFileError: The network cannot be loaded, or the Triton server has another one.
    """
    serving = placement.serving.get(name, Serving())
    if placement.exports is not None:
        engine = CpuEngine(name, content)
        placement.exports(Network(name, content, engine.inputs, engine.outputs, serving))
        return engine
    if serving.gpu and placement.triton_url is not None:
        from models.runtimes.triton import TritonEngine

        return TritonEngine(name, content, placement.triton_url, placement.triton_within_s)
    if placement.device == "cpu" or not serving.gpu:
        return CpuEngine(name, content)
    return GpuEngine(name, content, placement, fallbacks)
