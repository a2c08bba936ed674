"""Where the networks of a process run: what was asked for, and which of them had to go elsewhere.

Readers open their networks by name and bytes alone. Whoever loads a group of readers says where they are
to run, with `placed`; every ONNX network that is opened inside runs there. LiteRT networks always run
on the CPU and are no fallback.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

logger = logging.getLogger(__name__)

Device = Literal["cpu", "cuda", "tensorrt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How one network is run; from its manifest entry, after the tables of docs/batching.md.

    Attributes:
        batch_cpu: Most items of one run on the CPU.
        batch_gpu: Most items of one run on a GPU or of one request to Triton; the arena grows with
            the largest batch and never shrinks.
        gpu: Whether a GPU brings it anything. False keeps it on the CPU, and that is no fallback.
        half: Whether float16 loses nothing measurable, so that a GPU may use it.
    """

    batch_cpu: int = 8
    batch_gpu: int = 32
    gpu: bool = True
    half: bool = False


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output as a model declares it.

    Attributes:
        name: Its name.
        shape: Its sides; a name or None where a side is free.
        kind: ONNX Runtime's name of the type, `tensor(float)`.
    """

    name: str
    shape: tuple[int | str | None, ...]
    kind: str

    @property
    def has_free_batch_only(self) -> bool:
        """Whether nothing but the first side is free."""
        return all(isinstance(side, int) for side in self.shape[1:])


@dataclass(frozen=True, slots=True)
class Network:
    """One network as it would be served.

    Attributes:
        name: Manifest id.
        content: The bytes that are run: the file's, perhaps made to take any size or batch.
        inputs: What goes in.
        outputs: What comes out.
        serving: How it is run.
    """

    name: str
    content: bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    serving: Serving


class OnnxRuntime(Protocol):
    """The part of the `onnxruntime` package that is used; tests put in one that has a GPU."""

    def available(self) -> Sequence[str]:
        """Names of the providers in this build."""
        ...

    def open(self, content: bytes, providers: Sequence[Any]) -> Any:
        """An `InferenceSession` with these providers; raises what ONNX Runtime raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where networks are to run.

    Attributes:
        device: What was asked for.
        gpu: Number of the GPU among those that the process sees.
        engines: Where TensorRT keeps what it has compiled; None: compiled at every start.
        triton_url: `host:port` of a Triton server's gRPC door, `grpcs://host:port` when it speaks TLS;
            it runs every ONNX network then.
        triton_within_s: Deadline of one request to it.
        exports: Told of every network, which then runs on the CPU.
        serving: By manifest id; a network that is not here is run by the defaults.
        runtime: ONNX Runtime; None: the one that is installed.
        now_s: Monotonic seconds, for when a GPU that failed is tried again.
    """

    device: Device = "cpu"
    gpu: int = 0
    engines: Path | None = None
    triton_url: str | None = None
    triton_within_s: float = 0.8
    exports: Callable[[Network], None] | None = None
    serving: Mapping[str, Serving] = field(default_factory=dict)
    runtime: OnnxRuntime | None = None
    now_s: Callable[[], float] = time.perf_counter

    @property
    def batches(self) -> bool:
        """Whether a batch is more than a loop: on a GPU, or on a server that has one."""
        return self.device != "cpu" or self.triton_url is not None or self.exports is not None


class Fallbacks:
    """The networks of one group that run on the CPU although a GPU was asked for, and why.

    Threads of the group write, anybody reads. Each change is logged once.

    Args of the constructor:
        changed: Told how many there are, at each change.
    """

    def __init__(self, changed: Callable[[int], None] = lambda _count: None) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._reasons)

    @property
    def reasons(self) -> dict[str, str]:
        """Network -> why, in one line."""
        with self._lock:
            return dict(self._reasons)

    def fell(self, network: str, reason: str) -> None:
        """A network runs on the CPU from now on; saying it again changes nothing."""
        with self._lock:
            known = network in self._reasons
            self._reasons[network] = reason
            count = len(self._reasons)
        if not known:
            logger.warning(
                "a network runs on the CPU instead of the GPU",
                extra={"network": network, "reason": reason},
            )
            self._changed(count)

    def rose(self, network: str) -> None:
        """It runs on the GPU again."""
        with self._lock:
            known = self._reasons.pop(network, None) is not None
            count = len(self._reasons)
        if known:
            logger.info("a network runs on the GPU again", extra={"network": network})
            self._changed(count)


@dataclass(frozen=True, slots=True)
class _Here:
    placement: Placement
    fallbacks: Fallbacks


_HERE: ContextVar[_Here | None] = ContextVar("placement", default=None)


@contextmanager
def placed(placement: Placement, fallbacks: Fallbacks) -> Iterator[None]:
    """Networks that are opened inside run as `placement` says and report to `fallbacks`."""
    token = _HERE.set(_Here(placement, fallbacks))
    try:
        yield
    finally:
        _HERE.reset(token)


def here() -> tuple[Placement, Fallbacks]:
    """What holds where this is called; outside of `placed` the CPU."""
    found = _HERE.get()
    return (Placement(), Fallbacks()) if found is None else (found.placement, found.fallbacks)
