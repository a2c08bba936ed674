"""Processor time and memory as straight lines over sessions, held against what was measured. Pure.

y(N) = fixed + each * N. `fit` finds both by least squares over a sweep, `check` holds the line against each
of its points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class NotPlannable(ValueError):
    """A figure that is needed is missing, or makes no sense."""


@dataclass(frozen=True, slots=True)
class Line:
    """y(N) = fixed + each * N."""

    fixed: float
    each: float

    def at(self, sessions: float) -> float:
        """Y at a number of sessions."""
        return self.fixed + self.each * sessions


@dataclass(frozen=True, slots=True)
class Measured:
    """One point of a sweep.

    Attributes:
        sessions: N.
        cores: Cores that the machine has.
        core_s: Cores busy, by kind of process.
        memory_mb: Memory of all processes.
    """

    sessions: int
    cores: int
    core_s: Mapping[str, float]
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Compared:
    """A prediction against a measurement.

    Attributes:
        sessions: At which N.
        what: `cores` or `memory_mb`.
        predicted: By the line; for cores at most those that the machine has.
        measured: What was.
        is_full: The line asks for more cores than there are: the product was overloaded.
    """

    sessions: int
    what: str
    predicted: float
    measured: float
    is_full: bool = False

    @property
    def relative_error(self) -> float:
        """(predicted - measured) / measured."""
        return (self.predicted - self.measured) / self.measured


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """Least squares through (N, y); neither a negative beginning nor a negative slope makes sense.

    Raises:
        NotPlannable: Fewer than two different N.
    """
    if len({n for n, _ in points}) < 2:
        raise NotPlannable("a line needs two different numbers of sessions")
    mean_n = sum(n for n, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((n - mean_n) ** 2 for n, _ in points)
    each = max(0.0, sum((n - mean_n) * (y - mean_y) for n, y in points) / spread)
    fixed = mean_y - each * mean_n
    if fixed < 0:  # through the origin instead
        each = sum(n * y for n, y in points) / sum(n * n for n, _ in points)
        fixed = 0.0
    return Line(fixed, each)


def lines_of(points: Sequence[Measured]) -> dict[str, Line]:
    """Cores by kind of process, and `memory_mb`, as lines over sessions."""
    kinds = sorted({kind for point in points for kind in point.core_s})
    found = {
        kind: fit([(point.sessions, point.core_s.get(kind, 0.0)) for point in points])
        for kind in kinds
    }
    found["memory_mb"] = fit([(point.sessions, point.memory_mb) for point in points])
    return found


def predicted_cores(lines: Mapping[str, Line], sessions: float) -> float:
    """Cores that all processes together ask for."""
    return sum(line.at(sessions) for name, line in lines.items() if name != "memory_mb")


def check(
    measured: Sequence[Measured], lines: Mapping[str, Line] | None = None
) -> tuple[Compared, ...]:
    """Predictions against measurements.

    Args:
        measured: A sweep.
        lines: What was fitted elsewhere. None: each point is predicted from the others of the sweep.

    Raises:
        NotPlannable: Without `lines`, fewer than three points.
    """
    if lines is None and len(measured) < 3:
        raise NotPlannable("a sweep is held against itself from three numbers of sessions on")
    found: list[Compared] = []
    for point in measured:
        others = [other for other in measured if other is not point]
        by = lines_of(others) if lines is None else lines
        asked = predicted_cores(by, point.sessions)
        is_full = asked > point.cores
        cores = min(asked, float(point.cores))
        used = sum(point.core_s.values())
        found.append(Compared(point.sessions, "cores", cores, used, is_full))
        memory = by["memory_mb"].at(point.sessions)
        found.append(Compared(point.sessions, "memory_mb", memory, point.memory_mb))
    return tuple(found)
