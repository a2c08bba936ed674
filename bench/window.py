"""Every process of the product at two moments: processor time and memory by kind."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class ProcessRow(Protocol):
    """One process of the product, as the launcher lists them."""

    @property
    def kind(self) -> str:
        """What it is."""
        ...

    @property
    def pid(self) -> int:
        """Its id."""
        ...

    @property
    def pss_mb(self) -> float:
        """Memory with shared pages counted by share."""
        ...

    @property
    def rss_mb(self) -> float:
        """Memory with shared pages counted whole."""
        ...

    @property
    def cpu_s(self) -> float:
        """Processor time so far."""
        ...

    @property
    def descriptors(self) -> int:
        """How many files and sockets it holds open."""
        ...


Look = Callable[[], Sequence[ProcessRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Every process at both ends of a stretch of time.

    Attributes:
        before: At its beginning.
        after: At its end.
        seconds: Its length.
    """

    before: Sequence[ProcessRow]
    after: Sequence[ProcessRow]
    seconds: float

    def cpu_s_by_kind(self) -> dict[str, float]:
        """Processor time within the stretch; a process that began in it counts whole."""
        earlier = {row.pid: row.cpu_s for row in self.before}
        found: dict[str, float] = {}
        for row in self.after:
            found[row.kind] = found.get(row.kind, 0.0) + row.cpu_s - earlier.get(row.pid, 0.0)
        return found

    def rss_mb_by_kind(self) -> dict[str, float]:
        """Sum of the memory of each kind at the end, shared pages counted whole."""
        return rss_mb_by_kind(self.after)

    def memory_mb_by_kind(self) -> dict[str, tuple[int, float, float]]:
        """(processes, sum, largest) of the memory at the end."""
        found: dict[str, tuple[int, float, float]] = {}
        for row in self.after:
            count, total, largest = found.get(row.kind, (0, 0.0, 0.0))
            found[row.kind] = (count + 1, total + row.pss_mb, max(largest, row.pss_mb))
        return found


def rss_mb_by_kind(rows: Iterable[ProcessRow]) -> dict[str, float]:
    """Sum of the memory of each kind, shared pages counted whole."""
    found: dict[str, float] = {}
    for row in rows:
        found[row.kind] = found.get(row.kind, 0.0) + row.rss_mb
    return found
