"""A run's blocks through Ray Data: one actor per core, models loaded once; rows come back, no pixels.

A row of the input is an item's text (a path, an id), so nothing heavy crosses the object store.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from jobs.run_folder import RunFolder
from proctor.adapters.logging import configure
from proctor.domain.errors import ProctorError, Unavailable

Row = dict[str, Any]
Advance = Callable[[int, int], None]
"""Told how many items are finished, of how many."""

IN_FLIGHT = 2
"""Blocks handed to an actor at a time: one to work on, the next at hand."""
TIMES = ("began_s", "ended_s")


class Workman(Protocol):
    """Does the work of one actor."""

    def rows(self, item: str) -> Sequence[Row]:
        """What came of one item, at least one row. May raise: that becomes a row, too."""
        ...

    def failed(self, item: str, reason: str) -> Row:
        """The row of an item that could not be worked on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an actor is made of.

    Attributes:
        open: Makes the workman, in the actor.
        spec: What it is told; no secrets, for Ray keeps it.
        schema: Of the rows.
    """

    open: Callable[[Any], Workman]
    spec: Any
    schema: pa.Schema


@dataclass(frozen=True, slots=True)
class Span:
    """From when the first item was begun until the last block was on disk, on the machine's clock."""

    items: int
    began_s: float
    ended_s: float


class Worker:
    """The actor of Ray Data's pool."""

    def __init__(self, order: Order) -> None:
        configure("warning", "jobs")  # ours leaves out what must not be logged
        self._order = order
        self._workman = order.open(order.spec)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Items in, rows out, in order."""
        began_s = time.perf_counter()
        rows = [
            row | {"item": item, "block": block}
            for item, block, text in zip(
                *(column.to_pylist() for column in batch.columns), strict=True
            )
            for row in attempt(self._workman, text)
        ]
        found = pa.Table.from_pylist(rows, schema=whole_schema(self._order.schema))
        ended_s = time.perf_counter()
        for name, value in zip(TIMES, (began_s, ended_s), strict=True):
            found = found.append_column(name, pa.array([value] * len(rows), pa.float64()))
        return found


def attempt(workman: Workman, item: str) -> Sequence[Row]:
    """An item's rows; whatever goes wrong with it is one row with the reason, by its code or kind only."""
    try:
        return workman.rows(item)
    except ProctorError as error:
        return [workman.failed(item, error.code)]
    except FileNotFoundError:
        return [workman.failed(item, "file_missing")]
    except Exception as error:  # noqa: BLE001  # a task's boundary: one bad item never ends the job
        return [workman.failed(item, f"internal:{type(error).__name__}")]


def whole_schema(schema: pa.Schema) -> pa.Schema:
    """A job's columns behind the item's number and its block's."""
    places = [pa.field("item", pa.int64()), pa.field("block", pa.int64())]
    return pa.schema([*places, *schema])


def run(
    folder: RunFolder, order: Order, actors: int, advance: Advance = lambda _done, _of: None
) -> Span:
    """Do what remains of a run. Ray is connected; the caller finishes the folder.

    Raises:
        Unavailable: The workers or the cluster failed. What is finished is kept.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    blocks = folder.blocks_left()
    done = folder.items - sum(len(block.items) for block in blocks)
    advance(done, folder.items)
    if not blocks:
        return Span(0, 0.0, 0.0)
    context = DataContext.get_current()
    context.enable_progress_bars = False  # ours counts items
    context.print_on_execution_start = False
    tables = [
        pa.table(
            {
                "item": range(block.first, block.first + len(block.items)),
                "block": [block.number] * len(block.items),
                "text": block.items,
            }
        )
        for block in blocks
    ]
    try:
        dataset = ray.data.from_arrow(tables).map_batches(
            Worker,
            fn_constructor_args=(order,),
            batch_size=len(blocks[0].items),
            batch_format="pyarrow",
            compute=ActorPoolStrategy(
                size=min(actors, len(blocks)), max_tasks_in_flight_per_actor=IN_FLIGHT
            ),
            num_cpus=1,
        )
        batches = dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
        began_s = _keep(folder, {b.number: len(b.items) for b in blocks}, batches, advance, done)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        raise Unavailable(f"the job's workers failed: {type(cause).__name__}") from error
    return Span(sum(len(block.items) for block in blocks), began_s, time.perf_counter())


def _keep(
    folder: RunFolder,
    waited_for: dict[int, int],
    batches: Iterable[pa.Table],
    advance: Advance,
    done: int,
) -> float:
    """Write blocks as they become whole; when the first item was begun."""
    began_s = float("inf")
    parts: dict[int, list[pa.Table]] = {}
    for batch in batches:
        began_s = min(began_s, min(batch[TIMES[0]].to_pylist()))
        rows = batch.drop_columns(list(TIMES))
        for number in rows["block"].unique().to_pylist():
            own = rows.filter(pc.equal(rows["block"], number))
            parts.setdefault(number, []).append(own)
            table = pa.concat_tables(parts[number]).sort_by("item")
            if len(table["item"].unique()) == waited_for[number]:
                folder.write(number, table)
                del parts[number]
                done += waited_for[number]
                advance(done, folder.items)
    return began_s
