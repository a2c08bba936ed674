"""Rows of a recording as an Arrow file (IPC, zstd): one row per thing consumed, readable anywhere.

`pyarrow.ipc.open_file`, pandas, polars and DuckDB read it; `arguments` is the exact JSON for a replay.
"""

import io
from collections.abc import Mapping, Sequence
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

    kind = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema(
        [
            ("no", pa.int64()),
            ("kind", kind),
            ("consumed", pa.int64()),
            ("epoch", pa.int32()),
            ("seq", pa.int64()),
            ("session_ms", pa.int64()),
            ("alert_seq", pa.int64()),
            ("observations", pa.list_(pa.string())),
            ("ticks_before", pa.int64()),
            ("ticked_ms", pa.int64()),
            ("silent_ms", pa.int64()),
            ("arguments", pa.string()),
        ],
        metadata={"format": FORMAT, **(about or {})},
    )
    columns = [
        pa.array([row.no for row in rows], pa.int64()),
        pa.array([row.kind for row in rows]).dictionary_encode(),
        pa.array([row.consumed for row in rows], pa.int64()),
        pa.array([row.epoch for row in rows], pa.int32()),
        pa.array([row.seq for row in rows], pa.int64()),
        pa.array([row.session_ms for row in rows], pa.int64()),
        pa.array([row.alert_seq for row in rows], pa.int64()),
        pa.array([list(row.seen) for row in rows], pa.list_(pa.string())),
        pa.array([row.ticks for row in rows], pa.int64()),
        pa.array([row.ticked_ms for row in rows], pa.int64()),
        pa.array([row.silent_ms for row in rows], pa.int64()),
        pa.array([row.text for row in rows], pa.string()),
    ]
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, schema, options=options) as writer:
        writer.write_table(pa.table(columns, schema=schema))
    return sink.getvalue()


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
