"""The judge's steps as data: each with its arguments as JSON, and back.

A method of the judge that is marked `@recorded` tells its tape what it was called with, but for the wall
time, which decides nothing. Whoever adds a step marks it; a test compares.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from inspect import signature
from operator import attrgetter
from typing import Annotated, Any, Concatenate, ParamSpec, Protocol, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Discriminator, TypeAdapter, create_model

from proctor.domain.observations import Observation
from proctor.domain.reports import TickReport
from proctor.fusion.memory import Mark

WALL_TIME = "raised_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedReport(TickReport):
    """A report that is read back: told by their `kind`, observations are read five times faster."""

    observations: tuple[Annotated[Observation, Discriminator("kind")], ...]


class Step:
    """One kind of step: its arguments as JSON and back."""

    def __init__(self, step: Callable[..., object]) -> None:
        self.name = step.__name__
        self.takes_wall_time = WALL_TIME in signature(step).parameters
        self._step = step
        self.names = [name for name in signature(step).parameters if name not in ("self",)]
        self._writers: dict[str, TypeAdapter[Any]] = {}
        self._reader: type[BaseModel] | None = None

    def _hints(self) -> dict[str, Any]:
        hints = get_type_hints(self._step)
        return {name: hints[name] for name in self.names if name != WALL_TIME}

    def write(self, arguments: Mapping[str, object]) -> bytes:
        """The arguments as JSON, without the wall time."""
        if not self._writers:
            self._writers = {name: TypeAdapter(hint) for name, hint in self._hints().items()}
        parts = [
            b'"%b":%b' % (name.encode(), _json(writer, arguments[name]))
            for name, writer in self._writers.items()
            if name in arguments
        ]
        return b"{%b}" % b",".join(parts)

    def read(self, text: bytes) -> dict[str, Any]:
        """The arguments that were written. Raises `ValueError` for a text of another version."""
        if self._reader is None:
            fields: dict[str, Any] = {
                name: (RecordedReport if hint is TickReport else hint, ...)
                for name, hint in self._hints().items()
            }
            self._reader = create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)
        read = self._reader.model_validate_json(text)
        return {name: getattr(read, name) for name in self._reader.model_fields}


def _json(writer: TypeAdapter[Any], value: object) -> bytes:
    """Whatever it is: a report that breaks its judge must not break its recording, too."""
    return writer.dump_json(value, warnings=False, fallback=str)


_but_time = attrgetter(
    *(each.name for each in fields(Mark) if each.name not in ("now_ms", "consumed"))
)
"""All of a mark that a turn of the timer leaves alone when it changes nothing but the time."""

STEPS: dict[str, Step] = {}
"""Every step that is recorded, by the name of its method."""


class _Tape(Protocol):
    def add(self, step: Step, arguments: Mapping[str, object], judge: "Taped") -> None: ...

    def let_pass(self, now_ms: int, silent_ms: int, judge: "Taped") -> None: ...


class Taped(Protocol):
    """What a tape has to know of its judge."""

    @property
    def tape(self) -> _Tape | None:
        """Its tape."""
        ...

    @property
    def mark(self) -> Mark:
        """How far it has come."""
        ...

    @property
    def alert_seq(self) -> int:
        """The number of the last alert."""
        ...


class _Judgement(Protocol):
    @property
    def is_empty(self) -> bool: ...


P = ParamSpec("P")
J = TypeVar("J", bound=Taped)
T = TypeVar("T")
R = TypeVar("R", bound=_Judgement)


def recorded(step: Callable[Concatenate[J, P], T]) -> Callable[Concatenate[J, P], T]:
    """Mark a step of the judge: what it consumes is recorded, also when it fails."""
    kind = STEPS[step.__name__] = Step(step)

    @wraps(step)
    def taken(judge: J, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return step(judge, *args, **kwargs)
        finally:
            if judge.tape is not None:
                arguments = dict(zip(kind.names, args, strict=False)) | kwargs
                judge.tape.add(kind, arguments, judge)

    return taken


def recorded_if_felt(step: Callable[Concatenate[J, P], R]) -> Callable[Concatenate[J, P], R]:
    """Mark the timer's step: one that changed nothing but the time is only counted."""
    kind = STEPS[step.__name__] = Step(step)

    @wraps(step)
    def taken(judge: J, /, *args: P.args, **kwargs: P.kwargs) -> R:
        before = None if judge.tape is None else _but_time(judge.mark)
        judgement = step(judge, *args, **kwargs)
        if judge.tape is not None:
            arguments: dict[str, Any] = dict(zip(kind.names, args, strict=False)) | kwargs
            if judgement.is_empty and _but_time(judge.mark) == before:
                judge.tape.let_pass(arguments["now_ms"], arguments["silent_ms"], judge)
            else:
                judge.tape.add(kind, arguments, judge)
        return judgement

    return taken
