"""Tensors out of a checkpoint of torch before 1.6, without torch and without running anything in it.

Such a file is a row of pickles (magic number, protocol, machine, the object, the keys of its
storages) and then the storages: for each key, in that order, a little-endian count and raw floats.
The pickles may name three things only: an ordered dictionary, a float storage and the function that
makes a tensor of one. A pickle that names anything else is refused before that is even looked up.
"""

import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ModelFileAltered

Floats = npt.NDArray[np.float32]

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
COUNT_BYTES = 8
FLOAT_BYTES = 4


def read_state(content: bytes, entry: str) -> dict[str, Floats]:
    """The float tensors of one state dictionary of a checkpoint, by name.

    Args:
        content: The file.
        entry: Under which key of the checkpoint the state dictionary is.

    Raises:
        ModelFileAltered: It is no such checkpoint, ends early, or holds more than tensors.
    """
    file = io.BytesIO(content)
    try:
        if _Tensors(file).load() != MAGIC or _Tensors(file).load() != PROTOCOL:
            raise ModelFileAltered("this is no checkpoint of torch's format before 1.6")
        machine = _Tensors(file).load()
        if not machine["little_endian"]:
            raise ModelFileAltered("the checkpoint was written on a big-endian machine")
        checkpoint = _Tensors(file).load()
        storages = _storages(file, pickle_keys=_Tensors(file).load())
        state = checkpoint[entry]
        return {name: part.take(storages) for name, part in state.items()}
    except ModelFileAltered:
        raise
    except (
        pickle.UnpicklingError,
        EOFError,
        struct.error,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        UnicodeDecodeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise ModelFileAltered(
            f"the checkpoint ends early or is damaged ({type(error).__name__})"
        ) from error


def _storages(file: io.BytesIO, pickle_keys: list[str]) -> dict[str, Floats]:
    found = {}
    for key in pickle_keys:
        (count,) = struct.unpack("<q", file.read(COUNT_BYTES))
        raw = file.read(count * FLOAT_BYTES) if count >= 0 else b""
        if len(raw) != count * FLOAT_BYTES:
            raise EOFError
        found[key] = np.frombuffer(raw, "<f4").astype(np.float32)
    return found


@dataclass(frozen=True, slots=True)
class _Storage:
    """Floats that follow later in the file."""

    key: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A tensor as a view of a storage; offset, shape and strides count floats."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def take(self, storages: Mapping[str, Floats]) -> Floats:
        """The values. Only contiguous tensors are known here: checkpoints hold no others."""
        rows = [int(np.prod(self.shape[at + 1 :])) for at in range(len(self.shape))]
        if list(self.strides) != rows:
            raise ValueError("a tensor is not contiguous")
        count = int(np.prod(self.shape))
        values = storages[self.storage.key][self.offset :][:count]
        return values.reshape(self.shape)


def _rebuild(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    _requires_grad: bool,
    _hooks: object,
) -> _Part:
    """Stands for `torch._utils._rebuild_tensor_v2`."""
    return _Part(storage, offset, shape, strides)


_FLOATS = object()
_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "FloatStorage"): _FLOATS,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
}


class _Tensors(pickle.Unpickler):
    """Reads one pickle that may hold plain values and float tensors."""

    def find_class(self, module: str, name: str) -> Any:
        found = _KNOWN.get((module, name))
        if found is None:
            raise ModelFileAltered(f"the checkpoint holds more than tensors: {module}.{name}"[:160])
        return found

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _location, _count, view = pid
        if kind != "storage" or storage is not _FLOATS or view is not None:
            raise ModelFileAltered("the checkpoint holds a storage of another kind than floats")
        return _Storage(str(key))
