"""Rows of a recording as an Arrow file (IPC, zstd): one row per thing consumed, readable anywhere.

`pyarrow.ipc.open_file`, pandas, polars and DuckDB read it; `arguments` is the exact JSON for a replay.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from proctor.domain.errors import InvalidInput
from proctor.domain.recordings import Row

FORMAT = "rayproctor-recording/1"


def write_arrow(rows: Sequence[Row], about: Mapping[str, str] | None = None) -> bytes:
    """The rows as a file. The same rows and words give the same bytes.

    Args:
        rows: In order.
        about: Words for the file's metadata: whose, which take.
    """
    import pyarrow as pa

    kinds = list(dict.fromkeys(row.kind for row in rows))
    columns = {
        "no": integers([row.no for row in rows], pa.int64()),
        "kind": pa.DictionaryArray.from_arrays(
            integers([kinds.index(row.kind) for row in rows], pa.int32()), texts(kinds)
        ),
        "consumed": integers([row.consumed for row in rows], pa.int64()),
        "epoch": integers([row.epoch for row in rows], pa.int32()),
        "seq": integers([row.seq for row in rows], pa.int64()),
        "session_ms": integers([row.session_ms for row in rows], pa.int64()),
        "alert_seq": integers([row.alert_seq for row in rows], pa.int64()),
        "observations": pa.ListArray.from_arrays(
            offsets([len(row.seen) for row in rows]),
            texts([kind for row in rows for kind in row.seen]),
        ),
        "ticks_before": integers([row.ticks for row in rows], pa.int64()),
        "ticked_ms": integers([row.ticked_ms for row in rows], pa.int64()),
        "silent_ms": integers([row.silent_ms for row in rows], pa.int64()),
        "arguments": texts([row.text for row in rows]),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    batch = batch.replace_schema_metadata({"format": FORMAT, **(about or {})})
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def integers(values: Sequence[int], kind: Any) -> Any:
    """An array from its buffer: `pyarrow.array` would load pandas, 58 MB and half a second of a shard."""
    import numpy as np
    import pyarrow as pa

    data = np.asarray(values, dtype=np.int32 if kind == pa.int32() else np.int64)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(data)])


def offsets(lengths: Sequence[int]) -> Any:
    """Where lists of these lengths begin, and where the last one ends."""
    import pyarrow as pa

    return integers([0, *accumulate(lengths)], pa.int32())


def texts(values: Sequence[bytes | str]) -> Any:
    """An array of strings from its buffers."""
    import pyarrow as pa

    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    places = offsets([len(text) for text in encoded]).buffers()[1]
    data = pa.py_buffer(b"".join(encoded))
    return pa.Array.from_buffers(pa.string(), len(encoded), [None, places, data])


def read_arrow(data: bytes) -> list[Row]:
    """The rows of a file. Raises `InvalidInput` (`recording/unreadable`) for anything else."""
    import pyarrow as pa

    try:
        with pa.ipc.open_file(pa.BufferReader(data)) as reader:
            if (reader.schema.metadata or {}).get(b"format") != FORMAT.encode():
                raise ValueError("not a recording of this version")
            table = reader.read_all()
        arguments = table["arguments"].cast(pa.binary())
        table = table.set_column(table.schema.get_field_index("arguments"), "arguments", arguments)
        columns: dict[str, list[Any]] = table.to_pydict()
        return [
            Row._make((*values[:-2], tuple(values[-2]), values[-1]))
            for values in zip(*(columns[name] for name in _NAMES), strict=True)
        ]
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        raise InvalidInput(f"no recording: {error}", "recording/unreadable") from error


_NAMES = (
    "no",
    "kind",
    "ticks_before",
    "ticked_ms",
    "silent_ms",
    "consumed",
    "epoch",
    "seq",
    "session_ms",
    "alert_seq",
    "observations",
    "arguments",
)
"""In the order of `Row`."""
