"""The observations of a recording, one by one: what data frames are made of.

Of a recording's rows only the hosts' reports are read. What else a judge consumed (the policy,
what the candidate is allowed) is not for everybody who analyses, and is left where it is.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from proctor.domain.errors import Conflict
from proctor.domain.recordings import Row

REPORT = "consume"
SKIP = "skip"
_APART = ("observed_ms", "kind", "producers", "frame_digest")


class RecordingUnreadable(Conflict):
    """A recording holds a report that cannot be read."""

    code = "recording/unreadable"


class Observed(NamedTuple):
    """One observation and where it stands. A tuple, because an exam has hundreds of thousands.

    Attributes:
        take: 1, 2, 3 ...: the judge's memory that consumed it; more than one only after a loss.
        row: The row of that take.
        epoch: The connection that it came over.
        seq: The report that it came in.
        observed_ms: When it was seen or heard, session time.
        kind: `faces_seen`, `speech_heard` ...
        models: `name@version` of what looked, in order.
        frame_digest: sha256 of the picture that was judged; None for what is no picture.
        probability: The observation's own, where it has one.
        values: All that is particular to the kind, as a JSON object.
    """

    take: int
    row: int
    epoch: int
    seq: int
    observed_ms: int
    kind: str
    models: tuple[str, ...]
    frame_digest: str | None
    probability: float | None
    values: str


def observed(takes: Iterable[Sequence[Row]]) -> Iterator[Observed]:
    """Every observation, in the order of its consumption.

    Raises:
        RecordingUnreadable: A report cannot be read, and the judge that consumed it could.
    """
    for take, rows in enumerate(takes, start=1):
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            if row.kind != REPORT:
                continue
            try:
                found = list(_of_report(take, row))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if following is not None and following.kind == SKIP:
                    continue  # nonsense that its judge refused as well
                said = f"Row {row.no} of take {take} cannot be read; tell the operator."
                raise RecordingUnreadable(said) from error
            yield from found


def _of_report(take: int, row: Row) -> Iterator[Observed]:
    report = json.loads(row.text)["report"]
    for each in report["observations"]:
        chance = each.get("probability")
        yield Observed(
            take=take,
            row=row.no,
            epoch=int(report["epoch"]),
            seq=int(report["seq"]),
            observed_ms=int(each["observed_ms"]),
            kind=str(each["kind"]),
            models=tuple(_name(producer) for producer in each.get("producers", ())),
            frame_digest=each.get("frame_digest"),
            probability=None if chance is None else float(chance),
            values=json.dumps(
                {name: value for name, value in each.items() if name not in _APART},
                separators=(",", ":"),
            ),
        )


def _name(producer: dict[str, Any]) -> str:
    return f"{producer['model']}@{producer['version']}"
