"""dlib's face recognition network as ONNX, built from the .dat file with `onnx.helper` alone.

The .dat is dlib's own serialization. A tensor in it is a version (2), four sizes (samples, k, rows,
columns) and raw little-endian floats; the numbers before the floats are dlib's variable-length
integers: one byte with the sign in bit 7 and the count of bytes in the low nibble, then those bytes.
Tensors follow in the order of the layers: each convolution (weights, then biases), then its affine
layer (gamma, then beta), the fully connected layer last. Since the network is known, each record is
looked for by the exact header it must have.

The same bytes in give the same bytes out, so the result has a digest of its own in the manifest.
Equal to dlib's own answers within 4e-7 (MODELS.md 4).
"""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ModelFileAltered

Floats = npt.NDArray[np.float32]

TENSOR_VERSION = 2
INPUT_PX = 150
CHANNEL_MEANS = (122.782, 117.001, 104.298)
INPUT_SCALE = 1 / 256
# (filters, whether the first block halves the picture, number of blocks), from input to output
GROUPS = ((32, False, 3), (64, True, 4), (128, True, 3), (256, True, 3), (256, True, 1))
FEATURES, EMBEDDING = 256, 128
OPSET = 17
IR_VERSION = 8


def dlib_resnet_to_onnx(content: bytes) -> bytes:
    """The bytes of the ONNX model.

    Input `images` (batch, 3, 150, 150) float32 RGB 0..255, output `embeddings` (batch, 128).

    Raises:
        ModelFileAltered: The .dat is not the network this knows.
    """
    return _Builder(_TensorReader(content)).build()


class _TensorReader:
    """Hands out a .dat file's tensors one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def read(self, samples: int, k: int = 1) -> Floats:
        header = b"".join(_varint(n) for n in (TENSOR_VERSION, samples, k, 1, 1))
        found = self._content.find(header, self._at)
        start = found + len(header)
        end = start + samples * k * 4
        if found < 0 or end > len(self._content):
            raise ModelFileAltered("the dlib file does not hold the layers that are expected")
        self._at = end
        return np.frombuffer(self._content, "<f4", samples * k, start).astype(np.float32)

    def convolution(self, filters: int, channels: int, kernel: int) -> tuple[Floats, Floats]:
        """Weights and biases of a convolution with the affine layer after it folded in."""
        count = filters * channels * kernel * kernel
        values = self.read(count + filters)
        affine = self.read(2 * filters)
        gamma, beta = affine[:filters], affine[filters:]
        weights = values[:count].reshape(filters, channels, kernel, kernel)
        return weights * gamma[:, None, None, None], values[count:] * gamma + beta


def _varint(number: int) -> bytes:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "little")
    return struct.pack("B", len(raw)) + raw


class _Builder:
    """Walks the network from input to output and writes one ONNX node after the other."""

    def __init__(self, tensors: _TensorReader) -> None:
        self._tensors = tensors
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._count = 0

    def build(self) -> bytes:
        from onnx import TensorProto, helper

        means = np.array(CHANNEL_MEANS, np.float32).reshape(1, 3, 1, 1)
        x = self._node("Sub", ["images", self._constant(means)])
        x = self._node("Mul", [x, self._constant(np.array(INPUT_SCALE, np.float32))])
        x = self._node("Relu", [self._convolve(x, 32, 3, 7, stride=2)])
        x = self._node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
        channels, side = 32, 35
        for filters, halves, blocks in GROUPS:
            for block in range(blocks):
                down = halves and block == 0
                x, side = self._residual(x, channels, filters, side, down=down)
                channels = filters
        x = self._node("Flatten", [self._node("GlobalAveragePool", [x])], axis=1)
        last = self._tensors.read(FEATURES, EMBEDDING).reshape(FEATURES, EMBEDDING)
        self._nodes.append(
            helper.make_node("MatMul", [x, self._constant(last)], ["embeddings"], name="fc")
        )
        picture: list[str | int | None] = ["batch", 3, INPUT_PX, INPUT_PX]
        graph = helper.make_graph(
            self._nodes,
            "dlib_face_recognition_resnet_model_v1",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, picture)],
            [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", EMBEDDING])],
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="rayproctor",
        )
        return bytes(model.SerializeToString(deterministic=True))

    def _residual(
        self, x: str, channels: int, filters: int, side: int, *, down: bool
    ) -> tuple[str, int]:
        """A block of dlib's `ares` / `ares_down`: the smaller of the two summands is padded with zeros."""
        inner = self._node("Relu", [self._convolve(x, filters, channels, 3, 2 if down else 1)])
        inner = self._convolve(inner, filters, filters, 3, 1)
        skip = x
        if down:
            skip = self._node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
            convolved, pooled = (side - 3) // 2 + 1, (side - 2) // 2 + 1
            inner = self._pad(inner, 0, pooled - convolved)
            skip = self._pad(skip, filters - channels, 0)
            side = pooled
        return self._node("Relu", [self._node("Add", [inner, skip])]), side

    def _convolve(self, x: str, filters: int, channels: int, kernel: int, stride: int) -> str:
        weights, biases = self._tensors.convolution(filters, channels, kernel)
        margin = kernel // 2 if stride == 1 else 0
        return self._node(
            "Conv",
            [x, self._constant(weights), self._constant(biases)],
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[margin] * 4,
        )

    def _pad(self, x: str, channels: int, side: int) -> str:
        if not channels and not side:
            return x
        after = np.array([0, 0, 0, 0, 0, channels, side, side], np.int64)
        return self._node("Pad", [x, self._constant(after)])

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        output = self._name("x")
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _constant(self, values: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = self._name("c")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"
