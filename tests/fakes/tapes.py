"""A judge whose every step is recorded, killed and read back as a shard would be."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from proctor.domain.alerts import Alert
from proctor.domain.coverage import CoverageInterval
from proctor.domain.ids import SessionId
from proctor.domain.incidents import Incident
from proctor.domain.priority import Priority
from proctor.domain.recordings import Row
from proctor.domain.reports import TickReport
from proctor.domain.sessions import SessionSpec
from proctor.fusion.checkpoint import Written, read_sessions
from proctor.fusion.judge import SessionJudge
from proctor.fusion.judgement import Judgement
from proctor.fusion.tape import Tape, read_tapes
from tests.fakes import facts


@dataclass
class Recorded:
    """One session with a tape and a checkpoint of one shard in memory.

    `killed` throws away what was not written down, as the end of a process does.
    """

    spec: SessionSpec = field(default_factory=facts.spec)
    take: str = "20260101T120000000Z"
    alerts: list[Alert] = field(default_factory=list)
    coverage: tuple[CoverageInterval, ...] = ()

    def __post_init__(self) -> None:
        self.checkpoint: dict[SessionId, bytes] = {}
        self.flushed: list[Row] = []
        self.judge = SessionJudge(self.spec)
        self.judge.tape = Tape(self.spec, self.take)
        self.judge.tape.begin()
        self._written = Written()
        self._new: list[Alert] = []
        self._told: tuple[CoverageInterval, ...] | None = None
        self.priority: Priority | None = None
        self._ranked: Priority | None = None
        self.incidents: list[Incident] = []

    @property
    def tape(self) -> Tape:
        assert self.judge.tape is not None
        return self.judge.tape

    def step(self, step: Callable[[SessionJudge], Judgement | None]) -> None:
        judgement = step(self.judge)
        if judgement is not None:
            self._new += judgement.alerts
            self._told = judgement.coverage or self._told
            self._ranked = judgement.priority or self._ranked
            self.incidents += judgement.incidents

    def play(self, reports: Iterable[TickReport]) -> None:
        for report in reports:
            if self.judge.follows(report):
                self.step(lambda judge, each=report: judge.consume(each, facts.BEGAN))  # type: ignore[misc]

    def write_down(self) -> None:
        changes = self._written.changes(self.judge, [])
        self.checkpoint |= {SessionId(self.spec.session_id + end): t for end, t in changes.items()}
        self._written.done(self.judge, changes)
        self.alerts += self._new
        self.coverage = self._told or self.coverage
        self.priority = self._ranked or self.priority
        self._new, self._told, self._ranked = [], None, None

    def flush(self, to_the_end: bool = False) -> None:
        """As the recorder does, but for the order in which a kill may come in between."""
        while (segment := self.tape.cut(to_the_end)) is not None:
            self.flushed += segment.rows
            self.tape.flushed(segment)
            self.checkpoint[SessionId(f"{self.spec.session_id}/tape/{self.take}")] = (
                self.tape.head()
            )
            gone = self.tape.gone()
            for ending in gone:
                del self.checkpoint[SessionId(self.spec.session_id + ending)]
            self.tape.forget(gone)

    def killed(self) -> None:
        tapes, rest, _ = read_tapes(self.checkpoint)
        ((judge, _),), broken = read_sessions(rest)
        assert broken == []
        self.judge = judge
        (self.judge.tape,) = tapes[self.spec.session_id]
        self.judge.tape.restored(judge)
        self._written = Written()
        self._new, self._told, self._ranked = [], None, None

    def rows(self) -> list[Row]:
        """Everything that is written down, in order."""
        tapes, _, _ = read_tapes(self.checkpoint)
        (tape,) = tapes[self.spec.session_id]
        rest = tape.cut(to_the_end=True)
        return self.flushed + list(rest.rows if rest else ())
