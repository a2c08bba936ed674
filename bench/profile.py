"""Where the time goes: py-spy on the busiest process of each kind while everybody is there."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from bench.window import Look, ProcessRow

RATE_HZ = 50
WATCH_S = 3.0
LEAST_SHARE = 0.01
"""A kind that takes less of a core than this is not looked into."""
MOST_KINDS = 6
LEAST_S = 3.0


def busiest(
    before: Sequence[ProcessRow], after: Sequence[ProcessRow], seconds: float
) -> dict[str, int]:
    """The process of each kind that took the most processor time between two looks.

    Returns:
        Process id by kind, the kind whose process took the most first; not more than `MOST_KINDS`.
    """
    earlier = {row.pid: row.cpu_s for row in before}
    found: dict[str, tuple[float, int]] = {}
    for row in after:
        took_s = row.cpu_s - earlier.get(row.pid, row.cpu_s)
        if took_s >= LEAST_SHARE * seconds and took_s > found.get(row.kind, (0.0, 0))[0]:
            found[row.kind] = (took_s, row.pid)
    ranked = sorted(found.items(), key=lambda item: -item[1][0])
    return {kind: pid for kind, (_, pid) in ranked[:MOST_KINDS]}


def profiler(
    look: Look, folder: Path, say: Callable[[str], None]
) -> Callable[[float], Coroutine[Any, Any, None]]:
    """What `run_load` does on its plateau: a speedscope file of each kind in `folder`."""

    async def profile(seconds: float) -> None:
        command = shutil.which("py-spy", path=_search_path())
        if command is None:
            say("no profile: py-spy is not installed; pip install py-spy")
            return
        before = await asyncio.to_thread(look)
        await asyncio.sleep(WATCH_S)
        chosen = busiest(before, await asyncio.to_thread(look), WATCH_S)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        lasts_s = max(LEAST_S, (seconds - WATCH_S) / max(1, len(chosen)) - 1)
        for (
            kind,
            pid,
        ) in chosen.items():  # one after another: sampling all at once would be the load
            await _record(command, kind, pid, int(lasts_s), folder, say)

    return profile


def _search_path() -> str:
    """Beside the interpreter first: a virtual environment need not be activated."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


async def _record(
    command: str, kind: str, pid: int, seconds: int, folder: Path, say: Callable[[str], None]
) -> None:
    file = folder / f"{kind}.speedscope.json"
    process = await asyncio.create_subprocess_exec(
        command,
        *("record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(RATE_HZ)),
        *("--nonblocking", "--format", "speedscope", "--output", str(file)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    if process.returncode:
        lines = told.decode(errors="replace").splitlines()
        why = next((line for line in lines if line.startswith("Error")), "it is no Python process")
        say(f"no profile of {kind}: {why}")
    else:
        say(f"profile of {kind}: {file}")
