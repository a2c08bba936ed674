"""What a judge remembers of a session, as JSON in two parts (never pickle: TRUST S5).

The mark moves with every report and is tiny; the body changes only when something happens. So a quiet
session costs a shard a hundred bytes per report, and whatever was acknowledged can be recovered.
"""

from dataclasses import dataclass, field
from functools import cache

from pydantic import ConfigDict, TypeAdapter

from proctor.domain.coverage import Modality
from proctor.fusion.coverage import LedgerState
from proctor.fusion.engine import EngineState
from proctor.fusion.ordering import OpenOrder
from proctor.fusion.priority import PriorityState
from proctor.sensing.suite import SuiteState


@dataclass(slots=True, kw_only=True)
class Mark:
    """How far the judge has come: small, and new with every report.

    Attributes:
        epoch: The connection that is judged.
        seq: Its last report.
        now_ms: Session time, the latest that anybody said.
        heard_ms: Session time of the last report.
        consumed: Everything taken so far.
        closer_until_ms: Until when the host was asked to look closer.
        face_ms: When a face was last confirmed.
        ranked_ms: When the review priority was last worked out.
    """

    epoch: int = 0
    seq: int = 0
    now_ms: int = 0
    heard_ms: int = 0
    consumed: int = 0
    closer_until_ms: int = 0
    face_ms: int | None = None
    ranked_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Body:
    """What the judge remembers of a session.

    Attributes:
        is_closed: The last report said that the peer left: no host owes a report.
        ended_ms: The session's length once it has ended.
        unspoken: Modalities of which the media path has said nothing since this memory began in the
            middle of a connection; facts of theirs say that media come.
        suite: The sensors.
        engine: The rules.
        ledger: The coverage.
        priority: The review priority.
        orders: Evidence that was ordered and that the host is not done with.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    is_closed: bool
    ended_ms: int | None
    unspoken: list[Modality]
    suite: SuiteState
    engine: EngineState
    ledger: LedgerState
    priority: PriorityState = field(default_factory=PriorityState)
    orders: list[OpenOrder] = field(default_factory=list)


def nothing_yet() -> Body:
    """The memory of a session that begins."""
    return Body(
        is_closed=False,
        ended_ms=None,
        unspoken=[],
        suite=SuiteState(),
        engine=EngineState(),
        ledger=LedgerState(),
    )


@cache
def _marks() -> TypeAdapter[Mark]:
    return TypeAdapter(Mark)


@cache
def _bodies() -> TypeAdapter[Body]:
    return TypeAdapter(Body)


def write_mark(mark: Mark) -> bytes:
    """The mark as JSON."""
    return _marks().dump_json(mark)


def read_mark(text: bytes) -> Mark:
    """The mark that was written. Raises `ValueError` when it cannot be read."""
    return _marks().validate_json(text)


def write_body(body: Body) -> bytes:
    """The body as JSON."""
    return _bodies().dump_json(body)


def read_body(text: bytes) -> Body:
    """The body that was written. Raises `ValueError` when it cannot be read."""
    return _bodies().validate_json(text)
