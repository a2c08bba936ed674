"""The conversion, on a made-up .dat whose answer can be worked out by hand."""

import numpy as np
import pytest

from models.convert.dlib import EMBEDDING, FEATURES, GROUPS, INPUT_PX, dlib_resnet_to_onnx
from models.errors import ModelFileAltered
from models.runtimes.onnx import OnnxModel


def record(values: np.ndarray, k: int = 1) -> bytes:
    """A tensor as dlib writes it: version 2, four sizes, little-endian floats."""

    def number(n: int) -> bytes:
        raw = n.to_bytes((n.bit_length() + 7) // 8, "little")
        return bytes([len(raw)]) + raw

    sizes = (2, values.size // k, k, 1, 1)
    return b"".join(map(number, sizes)) + values.astype("<f4").tobytes()


def convolutions() -> list[tuple[int, int, int]]:
    """(filters, channels, kernel) from input to output."""
    layers, channels = [(32, 3, 7)], 32
    for filters, _, blocks in GROUPS:
        for _ in range(blocks):
            layers += [(filters, channels, 3), (filters, filters, 3)]
            channels = filters
    return layers


def network(last_bias: float, gamma: float, beta: float, last: np.ndarray) -> bytes:
    """All weights zero, so only the last convolution's bias and affine layer reach the output."""
    parts = [b"\x01\x02some settings of dlib"]
    layers = convolutions()
    for at, (filters, channels, kernel) in enumerate(layers):
        is_last = at == len(layers) - 1
        weights = np.zeros(filters * channels * kernel * kernel)
        biases = np.full(filters, last_bias if is_last else 0.0)
        scale = np.full(filters, gamma if is_last else 1.0)
        shift = np.full(filters, beta if is_last else 0.0)
        parts += [record(np.concatenate([weights, biases])), b"\x01\x01 between "]
        parts += [record(np.concatenate([scale, shift]))]
    return b"".join([*parts, record(last, k=EMBEDDING), b"the end"])


def test_bias_affine_padding_average_and_last_layer() -> None:
    last = np.arange(FEATURES * EMBEDDING).reshape(FEATURES, EMBEDDING) / 1e5
    model = OnnxModel("made-up", dlib_resnet_to_onnx(network(3.0, 2.0, 1.0, last)))
    images = np.random.default_rng(0).uniform(0, 255, (3, 3, INPUT_PX, INPUT_PX))
    vectors = model.run({"images": images.astype(np.float32)})["embeddings"]
    # 3 * 2 + 1 at one of four places (the padded rest is zero), averaged, times each column's sum
    expected = np.tile((3.0 * 2.0 + 1.0) / 4 * last.sum(axis=0), (3, 1))
    np.testing.assert_allclose(vectors, expected, rtol=1e-5)


def test_the_same_bytes_in_give_the_same_bytes_out() -> None:
    content = network(1.0, 1.0, 0.0, np.ones((FEATURES, EMBEDDING)))
    assert dlib_resnet_to_onnx(content) == dlib_resnet_to_onnx(content)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_a_file_that_ends_early_is_refused(keep: float) -> None:
    content = network(1.0, 1.0, 0.0, np.ones((FEATURES, EMBEDDING)))
    with pytest.raises(ModelFileAltered):
        dlib_resnet_to_onnx(content[: int(len(content) * keep)])
