"""Everything a judge consumes, numbered, so that the same judgement can be had from it again.

A step that is marked `@recorded` (`proctor.fusion.steps`) makes a row. Turns of the timer that change
nothing but the time are counted with the next row. Rows go into the shard's checkpoint together with
the state they led to, and from there, in segments that are always cut at the same rows, to the recordings.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from pydantic import BaseModel, ConfigDict, TypeAdapter

from proctor.domain.ids import SessionId
from proctor.domain.recordings import BEGIN, END, RESTORED, TICKS, RecordingKey, Row, Segment
from proctor.domain.reports import TickReport
from proctor.domain.sessions import SessionSpec
from proctor.fusion.memory import Body, Mark
from proctor.fusion.steps import Step, Taped

SEGMENT_BYTES = 256 * 1024
"""About a minute of a session; a few kB once compressed."""

TAPE = "/tape/"
_EMPTY = b"{}"


class Beginning(BaseModel):
    """How a take begins.

    Attributes:
        spec: The session's particulars, policy included.
        mark: How far its judge had come; None for a session that begins, or whose memory is lost.
        body: What it remembered.
    """

    model_config = ConfigDict(extra="forbid")

    spec: SessionSpec
    mark: Mark | None = None
    body: Body | None = None


_Plain = tuple[int, str, int, int, int, int, int, int, int, int, tuple[str, ...], bytes]
"""A `Row` as a bare tuple: the collector of garbage passes over thousands that wait."""


class Tape:
    """One take of one session: rows that are new, rows that are in the checkpoint, rows that are gone.

    Args:
        spec: Whose.
        take: Its name; later ones of a session sort behind.
        segment: The number of the segment that comes next.
        waiting: Rows that are in the checkpoint already.
        last_no: The number of the last row in past segments.
        consumed: What the judge had consumed by then.
        alert_seq: The number of the last alert by then.
        ended_ms: The session's length, when its end was among them.

    Attributes:
        spec: Whose.
        take: Its name.
        waiting_bytes: What the checkpoint holds of it.
        ended_ms: The session's length once its end is recorded.
        alert_seq: The number of the last alert by the last row.
        is_stopped: Nothing more is recorded on this tape.
    """

    def __init__(
        self,
        spec: SessionSpec,
        take: str,
        *,
        segment: int = 0,
        waiting: Iterable[Row] = (),
        last_no: int = 0,
        consumed: int = 0,
        alert_seq: int = 0,
        ended_ms: int | None = None,
    ) -> None:
        self.spec = spec
        self.take = take
        self._segment = segment
        self._waiting: list[_Plain] = [row[:] for row in waiting]
        self._new: list[_Plain] = []
        self._keys: list[tuple[str, int]] = []
        last = Row._make(self._waiting[-1]) if self._waiting else None
        self._last_no = last_no if last is None else last.no
        self._consumed = consumed if last is None else last.consumed
        self.alert_seq = alert_seq if last is None else last.alert_seq
        self._flushed = (consumed, alert_seq)
        self._is_headed = last_no > 0 or segment > 0 or bool(self._waiting)
        self._quiet: tuple[int, int, int] = (0, 0, 0)
        self._passed: tuple[Mark, int] = (Mark(), 0)
        self.ended_ms = ended_ms
        for row in map(Row._make, self._waiting):
            self._note_end(row.kind, row.text)
        self.is_stopped = False
        self.waiting_bytes = _size(self._waiting)

    @property
    def key(self) -> RecordingKey:
        """Whose recording it is part of."""
        spec = self.spec
        return RecordingKey(
            tenant_id=spec.tenant_id, exam_id=spec.exam_id, session_id=spec.session_id
        )

    @property
    def last_no(self) -> int:
        """How many rows it has had."""
        return self._last_no

    @property
    def consumed(self) -> int:
        """What the judge had consumed by the last row: a state that is ahead of it was not recorded."""
        return self._consumed

    @property
    def is_flushed(self) -> bool:
        """Whether every row is in a segment that was taken."""
        return not (self._waiting or self._new)

    def begin(self, mark: Mark | None = None, body: Body | None = None) -> None:
        """The first row: the session's particulars, and the memory when it does not begin empty."""
        beginning = Beginning(spec=self.spec, mark=mark, body=body)
        alert_seq = 0 if body is None else body.engine.alert_seq
        self._append(BEGIN, beginning.model_dump_json().encode(), (), mark or Mark(), alert_seq)

    def restored(self, judge: Taped) -> None:
        """A shard has read the memory back."""
        self._append(RESTORED, _EMPTY, (), judge.mark, judge.alert_seq)

    def add(self, step: Step, arguments: Mapping[str, object], judge: Taped) -> None:
        """The judge has taken a step."""
        report = arguments.get("report")
        seen: tuple[str, ...] = ()
        if isinstance(report, TickReport):
            seen = tuple([one.kind for one in report.observations])
            if report.spec is not None and report.spec.policy_text == self.spec.policy_text:
                spec = replace(report.spec, policy_text="")  # it stands in the first row
                arguments = {**arguments, "report": replace(report, spec=spec)}
        self._append(step.name, step.write(arguments), seen, judge.mark, judge.alert_seq)

    def let_pass(self, now_ms: int, silent_ms: int, judge: Taped) -> None:
        """The timer turned and nothing but the time changed."""
        self._quiet = (self._quiet[0] + 1, now_ms, silent_ms)
        self._passed = (judge.mark, judge.alert_seq)

    def _append(
        self, kind: str, text: bytes, seen: tuple[str, ...], mark: Mark, alert_seq: int
    ) -> None:
        if self.is_stopped:
            return
        ticks, ticked_ms, silent_ms = self._quiet
        self._quiet = (0, 0, 0)
        self._last_no += 1
        self._consumed, self.alert_seq = mark.consumed, alert_seq
        self._note_end(kind, text)
        numbers = (mark.consumed, mark.epoch, mark.seq, mark.now_ms, alert_seq)
        self._new.append((self._last_no, kind, ticks, ticked_ms, silent_ms, *numbers, seen, text))

    def _note_end(self, kind: str, text: bytes) -> None:
        if kind == END and self.ended_ms is None:
            self.ended_ms = max(0, int(json.loads(text)["end_ms"]))

    def unsaved(self) -> dict[str, bytes]:
        """What belongs into the checkpoint beside the state as it is now: entries by their ending."""
        if self._quiet[0]:
            self._append(TICKS, _EMPTY, (), *self._passed)
        if not self._new:
            return {}
        found = {f"{TAPE}{self.take}/{self._new[0][0]}": write_rows(self._new)}
        if not self._is_headed:
            found[f"{TAPE}{self.take}"] = self.head()
        return found

    def saved(self, entries: Mapping[str, bytes]) -> None:
        """The checkpoint holds what `unsaved` gave."""
        if self._new and (key := f"{TAPE}{self.take}/{self._new[0][0]}") in entries:
            self._is_headed = True
            self._keys.append((key, self._new[-1][0]))
            self.waiting_bytes += _size(self._new)
            self._waiting += self._new
            self._new = []

    def head(self) -> bytes:
        """Where the checkpoint's part of the take begins, as JSON."""
        first = self._waiting[0][0] if self._waiting else self._last_no - len(self._new) + 1
        head = Head(
            segment=self._segment,
            first=first,
            consumed=self._flushed[0],
            alert_seq=self._flushed[1],
            ended_ms=self.ended_ms,
            spec=replace(self.spec, policy_text=""),
        )
        return head.model_dump_json().encode()

    def cut(self, to_the_end: bool = False) -> Segment | None:
        """The next segment if it is complete, or what there is. Always the same rows make it up."""
        if self.waiting_bytes < SEGMENT_BYTES and not to_the_end:
            return None
        size = 0
        for count, row in enumerate(self._waiting, 1):
            size += len(row[-1])
            if size >= SEGMENT_BYTES:
                return self._segment_of(count)
        return self._segment_of(len(self._waiting)) if to_the_end and self._waiting else None

    def _segment_of(self, count: int) -> Segment:
        rows = tuple(map(Row._make, self._waiting[:count]))
        return Segment(key=self.key, take=self.take, number=self._segment, rows=rows)

    def flushed(self, segment: Segment) -> None:
        """The recordings hold this segment."""
        self._segment = segment.number + 1
        self._flushed = (segment.rows[-1].consumed, segment.rows[-1].alert_seq)
        self._waiting = self._waiting[len(segment.rows) :]
        self.waiting_bytes -= _size(segment.rows)

    def stop(self) -> None:
        """Record nothing more."""
        self.is_stopped = True

    def end_here(self) -> None:
        """Its judge is gone: what no checkpoint holds goes with the last segment all the same."""
        self.stop()
        self.waiting_bytes += _size(self._new)
        self._waiting += self._new
        self._new = []

    def gone(self) -> list[str]:
        """The endings of the checkpoint's entries whose rows all lie in segments that were taken."""
        first = self._waiting[0][0] if self._waiting else self._last_no + 1
        return [key for key, last in self._keys if last < first]

    def forget(self, gone: Iterable[str]) -> None:
        """The checkpoint holds these entries no more."""
        dropped = frozenset(gone)
        self._keys = [(key, last) for key, last in self._keys if key not in dropped]

    def remember(self, keys: Iterable[tuple[str, int]]) -> None:
        """The entries in which the waiting rows were found: (ending, last number)."""
        self._keys += keys


class Head(BaseModel):
    """What stands in the checkpoint beside the rows of a take.

    Attributes:
        segment: The number of the segment that comes next.
        first: The first row that is in no segment yet.
        consumed: What the judge had consumed by the row before.
        alert_seq: The number of the last alert by then.
        ended_ms: The session's length, when its end was before that.
        spec: The session's particulars without the policy.
    """

    segment: int
    first: int
    consumed: int
    alert_seq: int
    ended_ms: int | None
    spec: SessionSpec


_Fields = tuple[int, str, int, int, int, int, int, int, int, int, tuple[str, ...]]


@cache
def _fields() -> TypeAdapter[_Fields]:
    return TypeAdapter(_Fields)


def _size(rows: Iterable[_Plain]) -> int:
    return sum(len(row[-1]) for row in rows)


def write_rows(rows: Iterable[_Plain]) -> bytes:
    """Rows as lines: their fields as a JSON list, a tab, the arguments as JSON."""
    return b"\n".join([_line(*row) for row in rows])


def _line(
    no: int,
    kind: str,
    ticks: int,
    ticked: int,
    silent: int,
    consumed: int,
    epoch: int,
    seq: int,
    now: int,
    alert_seq: int,
    seen: tuple[str, ...],
    text: bytes,
) -> bytes:
    kinds = '"' + '","'.join(seen) + '"' if seen else ""
    numbers = f"{ticks},{ticked},{silent},{consumed},{epoch},{seq},{now},{alert_seq}"
    return f'[{no},"{kind}",{numbers},[{kinds}]]\t'.encode() + text


def read_rows(text: bytes) -> Iterator[Row]:
    """The rows that were written. Raises `ValueError` when they cannot be read."""
    for line in text.split(b"\n"):
        fields, _, arguments = line.partition(b"\t")
        yield Row(*_fields().validate_json(fields), arguments)


def read_tapes(
    entries: Mapping[SessionId, bytes],
) -> tuple[dict[SessionId, list[Tape]], dict[SessionId, bytes], list[SessionId]]:
    """The tapes in a shard's checkpoint.

    Returns:
        The takes of each session, oldest first; the entries that are no tape's; the entries of takes
        that cannot be read (another version wrote them): their sessions begin another.
    """
    rest = {key: text for key, text in entries.items() if TAPE not in key}
    parts: dict[tuple[SessionId, str], dict[str, bytes]] = {}
    for key in entries.keys() - rest.keys():
        session, _, place = key.partition(TAPE)
        take, _, no = place.partition("/")
        parts.setdefault((SessionId(session), take), {})[no] = entries[key]
    tapes: dict[SessionId, list[Tape]] = {}
    broken: list[SessionId] = []
    for (session_id, take), chunks in sorted(parts.items()):
        try:
            tape = _read_tape(take, dict(chunks))
        except (ValueError, KeyError):
            names = [f"{take}/{no}" if no else take for no in chunks]
            broken += [SessionId(f"{session_id}{TAPE}{name}") for name in names]
        else:
            tapes.setdefault(session_id, []).append(tape)
    return tapes, rest, broken


def _read_tape(take: str, chunks: dict[str, bytes]) -> Tape:
    head = Head.model_validate_json(chunks.pop(""))
    rows: list[Row] = []
    keys: list[tuple[str, int]] = []
    for no in sorted(chunks, key=int):
        found = list(read_rows(chunks[no]))
        rows += [row for row in found if row.no >= head.first]
        keys.append((f"{TAPE}{take}/{no}", found[-1].no))
    if [row.no for row in rows] != list(range(head.first, head.first + len(rows))):
        raise ValueError("rows are missing")
    tape = Tape(
        head.spec,
        take,
        segment=head.segment,
        waiting=rows,
        last_no=head.first - 1,
        consumed=head.consumed,
        alert_seq=head.alert_seq,
        ended_ms=head.ended_ms,
    )
    tape.remember(keys)
    return tape
