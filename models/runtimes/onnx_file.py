"""Whether an ONNX file is whole: its weights in it, and none in files beside it.

ONNX Runtime takes weights that a file says lie elsewhere from the working folder, where no digest covers
them. The file is walked as protobuf without the `onnx` package, which costs every process its import;
weights are stepped over and not read.
"""

from collections.abc import Iterator

from models.errors import ModelFileError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
DATA_LOCATION = 14
TENSOR = "tensor"
PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: TENSOR, 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: TENSOR, 6: "graph", 10: TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: TENSOR, 2: TENSOR},
    TENSOR: {},
}
"""Which fields of onnx.proto3's messages lead to tensors, by number."""


def require_whole(name: str, content: bytes) -> None:
    """Refuse a file with weights elsewhere.

    Raises:
        ModelFileError: It has such weights, or is no ONNX file.
    """
    try:
        elsewhere = _has_weights_elsewhere(content)
    except (IndexError, ValueError) as error:
        raise ModelFileError(
            f"{name} is no ONNX model that can be run: INVALID_PROTOBUF; fetch or add it anew"
        ) from error
    if elsewhere:
        raise ModelFileError(
            f"{name} has weights in another file, which its digest does not cover: "
            "save it with `external_data=False` and add it again"
        )


def _has_weights_elsewhere(content: bytes) -> bool:
    """Raises `IndexError` or `ValueError` where this is no protobuf."""
    left = [("model", memoryview(content))]
    while left:
        kind, message = left.pop()
        parts = PARTS[kind]
        for field, value in _fields(message):
            if isinstance(value, memoryview):
                if field in parts:
                    left.append((parts[field], value))
            elif kind == TENSOR and field == DATA_LOCATION and value & 0xFFFFFFFF:
                return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field; numbers of fixed width are left out."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, wire = tag >> 3, tag & 7
        if not 0 < field < 1 << 29:
            raise ValueError("no field has this number")
        if wire == VARINT:
            value, at = _varint(message, at)
            yield field, value
        elif wire == BYTES:
            size, at = _varint(message, at)
            yield field, message[at : at + size]
            at += size
        elif wire in (FIXED32, FIXED64):
            at += 4 if wire == FIXED32 else 8
        else:
            raise ValueError("ONNX has no groups")
    if at > len(message):
        raise ValueError("cut off")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number of more than ten bytes")
