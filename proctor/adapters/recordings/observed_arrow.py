"""Observations as an Arrow stream (IPC, zstd), for pandas, polars, DuckDB and the like."""

import io
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from proctor.adapters.recordings.arrow import integers, offsets, texts
from proctor.fusion.observed import Observed

FORMAT = "rayproctor-observations/1"
BATCH_ROWS = 8192


def write_observed(found: Iterable[Observed]) -> bytes:
    """The observations as a stream of batches; none give a stream without rows.

    Columns: take, row, epoch, seq, observed_ms, kind, models (list), frame_digest (or null), probability
    (or null), values (JSON). Raises what reading `found` raises.
    """
    import pyarrow as pa

    rest = iter(found)
    sink = io.BytesIO()
    first = _batch(list(islice(rest, BATCH_ROWS)))
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, first.schema, options=options) as writer:
        writer.write_batch(first)
        while rows := list(islice(rest, BATCH_ROWS)):
            writer.write_batch(_batch(rows))
    return sink.getvalue()


def _batch(rows: Sequence[Observed]) -> Any:
    import pyarrow as pa

    columns = {
        "take": integers([row.take for row in rows], pa.int32()),
        "row": integers([row.row for row in rows], pa.int64()),
        "epoch": integers([row.epoch for row in rows], pa.int32()),
        "seq": integers([row.seq for row in rows], pa.int64()),
        "observed_ms": integers([row.observed_ms for row in rows], pa.int64()),
        "kind": texts([row.kind for row in rows]),
        "models": pa.ListArray.from_arrays(
            offsets([len(row.models) for row in rows]),
            texts([model for row in rows for model in row.models]),
        ),
        "frame_digest": _texts_or_nulls([row.frame_digest for row in rows]),
        "probability": _numbers_or_nulls([row.probability for row in rows]),
        "values": texts([row.values for row in rows]),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    return batch.replace_schema_metadata({"format": FORMAT})


def _valid(values: Sequence[object]) -> Any:
    """The bitmap of what is there."""
    import numpy as np
    import pyarrow as pa

    there = np.array([value is not None for value in values], dtype=bool)
    return pa.py_buffer(np.packbits(there, bitorder="little"))


def _texts_or_nulls(values: Sequence[str | None]) -> Any:
    import pyarrow as pa

    _, places, data = texts([value or "" for value in values]).buffers()
    return pa.Array.from_buffers(pa.string(), len(values), [_valid(values), places, data])


def _numbers_or_nulls(values: Sequence[float | None]) -> Any:
    import numpy as np
    import pyarrow as pa

    data = pa.py_buffer(np.array([value or 0.0 for value in values], dtype=np.float64))
    return pa.Array.from_buffers(pa.float64(), len(values), [_valid(values), data])
