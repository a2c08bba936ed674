"""A graph on torch's GPU as one thing to be timed: copies in, the captured graph, copies back."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.runtimes.torch_graph import TorchGraph

WARM_UP = 3


def cuda() -> tuple[str, str] | None:
    """Name of the GPU and version of torch; None where torch reaches none."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    return torch.cuda.get_device_name(0), str(torch.__version__)


class TorchRun:
    """Called, it runs once and has the answers in the host's memory when it returns.

    On a GPU the graph is captured as a CUDA graph, so that Python's time between kernels is not
    measured, and TF32 is off as in the product.

    Attributes:
        first: The answers to what it was made with, float32.
    """

    def __init__(
        self,
        content: bytes,
        arrays: Mapping[str, npt.NDArray[Any]],
        device: str = "cuda",
        half: bool = False,
    ) -> None:
        """Load, run once and capture.

        Args:
            content: A graph as `plain` gives it.
            arrays: What goes in, by name.
            device: `cuda`, or `cpu` to try the code without one.
            half: In float16.

        Raises:
            UnknownOperator: The graph has an operator that is not run here.
        """
        import torch

        self._torch = torch
        self._on_gpu = device == "cuda"
        graph = TorchGraph(content, device, half)
        there = [torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in graph.inputs]
        if self._on_gpu:
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
            there = [each.pin_memory() for each in there]
        self._there = there
        self._here = [each.to(device) for each in there]
        with torch.no_grad():
            answers = graph.run(*self._here)
            self.first = [each.float().cpu().numpy() for each in answers]
            self._go, self._answers = self._captured(graph)
        self._back = [
            torch.empty(each.shape, dtype=each.dtype, pin_memory=self._on_gpu) for each in answers
        ]

    def _captured(self, graph: TorchGraph) -> tuple[Callable[[], Any], list[Any]]:
        """What runs the graph, and the tensors that its answers lie in (none: it returns them)."""
        torch, here = self._torch, self._here
        if not self._on_gpu:
            return lambda: graph.run(*here), []
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                graph.run(*here)
        torch.cuda.current_stream().wait_stream(stream)
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            answers = graph.run(*here)
        return captured.replay, answers

    def __call__(self) -> None:
        """Run once."""
        for one, other in zip(self._here, self._there, strict=True):
            one.copy_(other, non_blocking=True)
        with self._torch.no_grad():
            told = self._go() or self._answers
        for one, other in zip(self._back, told, strict=True):
            one.copy_(other, non_blocking=True)
        if self._on_gpu:
            self._torch.cuda.synchronize()
