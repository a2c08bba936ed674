"""What a product takes while nobody is there: memory (PSS) and processor time, by kind of process."""

import time

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from bench.window import Look, Window

MEMORY_AIM_MB = 2_500.0
CPU_AIM_SHARE = 0.30


class IdleKind(BaseModel):
    """The processes of one kind."""

    model_config = ConfigDict(frozen=True)

    kind: str
    processes: int
    pss_mb: float
    cpu_share: float


class IdleFigures(BaseModel):
    """The whole product at rest.

    Attributes:
        seconds: Over which time.
        pss_mb: Memory of every process, shared pages counted by share.
        cpu_share: Processor time over wall time; 1.0 is one whole core.
        kinds: The same by kind of process, the largest first.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float
    pss_mb: float
    cpu_share: float
    kinds: tuple[IdleKind, ...]


def measure_idle(look: Look, seconds: float) -> IdleFigures:
    """Look, wait, look again."""
    before, began_s = look(), time.monotonic()
    time.sleep(seconds)
    window = Window(before=before, after=look(), seconds=time.monotonic() - began_s)
    cpu = window.cpu_s_by_kind()
    kinds = [
        IdleKind(kind=kind, processes=count, pss_mb=total, cpu_share=cpu[kind] / window.seconds)
        for kind, (count, total, _largest) in window.memory_mb_by_kind().items()
    ]
    return IdleFigures(
        seconds=window.seconds,
        pss_mb=sum(kind.pss_mb for kind in kinds),
        cpu_share=sum(kind.cpu_share for kind in kinds),
        kinds=tuple(sorted(kinds, key=lambda kind: -kind.pss_mb)),
    )


def print_idle(found: IdleFigures, console: Console) -> None:
    """A table, and the sums against what is aimed for."""
    table = Table("kind", "processes", "MB", "% of a core")
    for kind in found.kinds:
        share = f"{kind.cpu_share * 100:.1f}"
        table.add_row(kind.kind, str(kind.processes), f"{kind.pss_mb:.0f}", share)
    console.print(table)
    console.print(
        f"together {found.pss_mb:.0f} MB (aim {MEMORY_AIM_MB:.0f}) and "
        f"{found.cpu_share * 100:.1f} % of a core (aim {CPU_AIM_SHARE * 100:.0f}) "
        f"over {found.seconds:.0f} s",
        highlight=False,
    )
