"""What ONNX Runtime is told about a GPU: providers in the order in which they are tried, with options.

Option names and values: onnxruntime.ai/docs/execution-providers, CUDA and TensorRT, as of 1.31.
"""

from collections.abc import Sequence
from typing import Any

from models.runtimes.placement import Placement, Serving, Tensor

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
WORKSPACE_BYTES = 1 << 30


def wanted(placement: Placement) -> tuple[str, ...]:
    """The GPU providers that would do, best first."""
    return {"cpu": (), "cuda": (CUDA,), "tensorrt": (TENSORRT, CUDA)}[placement.device]


def with_options(
    names: Sequence[str], placement: Placement, serving: Serving, inputs: Sequence[Tensor]
) -> list[tuple[str, dict[str, Any]]]:
    """`names` with options, the CPU last for what a GPU has no kernel for."""
    options = {
        CUDA: cuda_options(placement.gpu),
        TENSORRT: tensorrt_options(placement, serving, inputs),
    }
    return [(name, options[name]) for name in names] + [(CPU, {})]


def cuda_options(gpu: int) -> dict[str, Any]:
    """The arena grows by what is needed and not by doubling: replicas share a GPU.

    The exhaustive search for a convolution's algorithm is done anew for each batch size, so the
    heuristic is taken. TF32 rounds as coarsely as float16 and would make a template that was
    enrolled on a CPU differ from what a GPU sees: precision is `Serving.half`'s business alone.
    """
    return {
        "device_id": gpu,
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
        "do_copy_in_default_stream": True,
        "use_tf32": 0,
    }


def tensorrt_options(
    placement: Placement, serving: Serving, inputs: Sequence[Tensor]
) -> dict[str, Any]:
    """One engine for all batch sizes up to the limit, kept on disk: it takes minutes to compile."""
    options: dict[str, Any] = {
        "device_id": placement.gpu,
        "trt_max_workspace_size": WORKSPACE_BYTES,
        "trt_fp16_enable": serving.half,
    }
    if placement.engines is not None:
        options |= {
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(placement.engines),
            "trt_timing_cache_enable": True,
            "trt_timing_cache_path": str(placement.engines),
        }
    free = [t for t in inputs if t.shape and not isinstance(t.shape[0], int)]
    if free and all(tensor.has_free_batch_only for tensor in inputs):
        for which, batch in (("min", 1), ("opt", serving.batch_gpu), ("max", serving.batch_gpu)):
            options[f"trt_profile_{which}_shapes"] = ",".join(
                f"{t.name}:{'x'.join(str(side) for side in (batch, *t.shape[1:]))}" for t in free
            )
    return options
