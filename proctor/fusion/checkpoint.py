"""How a shard writes down a session: four small entries, each only when it changed.

`<session>` is the body, `<session>/mark` how far it has come, `<session>/spec` the particulars with
the policy's text (written once per connection), `<session>/rows` what the database has not taken yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from pydantic import TypeAdapter

from proctor.domain.ids import SessionId
from proctor.domain.sessions import SessionSpec
from proctor.fusion.judge import SessionJudge
from proctor.fusion.memory import read_body, read_mark
from proctor.fusion.tape import TAPE
from proctor.ports import Judged

MARK, SPEC, ROWS = "/mark", "/spec", "/rows"
NO_ROWS = b"[]"


@cache
def _specs() -> TypeAdapter[SessionSpec]:
    return TypeAdapter(SessionSpec)


@cache
def _rows() -> TypeAdapter[list[Judged]]:
    return TypeAdapter(list[Judged])


@dataclass(slots=True)
class Written:
    """What of one session is written down already: entries by their ending."""

    entries: dict[str, bytes] = field(default_factory=dict)
    spec: SessionSpec | None = None

    def changes(self, judge: SessionJudge, rows: list[Judged]) -> dict[str, bytes]:
        """The entries that must be written, by ending; the body's ending is empty."""
        now = {
            "": judge.export_body(),
            MARK: judge.export_mark(),
            ROWS: _rows().dump_json(rows) if rows else NO_ROWS,
        }
        if judge.spec is not self.spec:
            now[SPEC] = _specs().dump_json(judge.spec)
        if judge.tape is not None:
            now |= judge.tape.unsaved()
        return {ending: text for ending, text in now.items() if self.entries.get(ending) != text}

    def done(self, judge: SessionJudge, changes: Mapping[str, bytes]) -> None:
        """The changes have been written."""
        if judge.tape is not None:
            judge.tape.saved(changes)
        self.entries.update({end: text for end, text in changes.items() if TAPE not in end})
        self.entries.pop(SPEC, None)
        self.spec = judge.spec


def entry_ids(session_id: SessionId) -> list[SessionId]:
    """Every entry of a session."""
    return [SessionId(session_id + ending) for ending in ("", MARK, SPEC, ROWS)]


def read_sessions(
    entries: Mapping[SessionId, bytes],
) -> tuple[list[tuple[SessionJudge, list[Judged]]], list[SessionId]]:
    """What a shard wrote down.

    Args:
        entries: As `Checkpoints.load` returns them.

    Returns:
        The sessions with the rows that the database may not have, and the sessions that cannot be
        read (another version wrote them): their hosts are asked again.
    """
    read: list[tuple[SessionJudge, list[Judged]]] = []
    broken: list[SessionId] = []
    entries = {key: text for key, text in entries.items() if TAPE not in key}
    for session_id in sorted({SessionId(key.partition("/")[0]) for key in entries}):
        body, mark, spec, rows = (entries.get(key) for key in entry_ids(session_id))
        if body is None or mark is None or spec is None:
            broken.append(session_id)
            continue
        try:
            judge = SessionJudge(_specs().validate_json(spec), read_mark(mark), read_body(body))
            read.append((judge, _rows().validate_json(rows or NO_ROWS)))
        except ValueError:
            broken.append(session_id)
    return read, broken
