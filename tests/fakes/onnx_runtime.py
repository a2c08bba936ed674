"""An ONNX Runtime with a GPU that is none: its sessions run on the CPU and say otherwise."""

from collections.abc import Sequence
from typing import Any

from models.runtimes.engines import InstalledRuntime
from models.runtimes.providers import CPU, CUDA


class FakeGpuRuntime:
    """`OnnxRuntime` with the providers that the test says.

    Attributes:
        providers: What the build has.
        is_broken: The GPU fails whatever is asked of it, loading included.
        refuses: Sessions come up on the CPU although the GPU was asked for, as with a missing cuDNN.
        opened: Providers of every session that was opened on the GPU, with their options.
        runs: Batch of every run on the GPU.
    """

    def __init__(self, providers: Sequence[str] = (CUDA, CPU)) -> None:
        self.providers = list(providers)
        self.is_broken = False
        self.refuses = False
        self.opened: list[list[tuple[str, dict[str, Any]]]] = []
        self.runs: list[int] = []

    def available(self) -> Sequence[str]:
        return self.providers

    def open(self, content: bytes, providers: Sequence[Any]) -> Any:
        session = InstalledRuntime().open(content, [CPU])
        if list(providers) == [CPU]:
            return session
        self._check()
        self.opened.append(list(providers))
        return _GpuSession(self, session, [name for name, _ in providers])

    def _check(self) -> None:
        if self.is_broken:
            raise RuntimeError(
                "CUDA failure 700: an illegal memory access was encountered\n; GPU=0"
            )


class _GpuSession:
    def __init__(self, runtime: FakeGpuRuntime, session: Any, providers: list[str]) -> None:
        self._runtime = runtime
        self._session = session
        self._providers = providers

    def get_providers(self) -> list[str]:
        return [CPU] if self._runtime.refuses else self._providers

    def run(self, names: Any, inputs: Any) -> Any:
        self._runtime._check()
        answers = self._session.run(names, inputs)
        self._runtime.runs.append(max(array.shape[0] for array in inputs.values() if array.ndim))
        return answers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)
