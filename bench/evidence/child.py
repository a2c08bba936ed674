"""A session host's keeper in a process of its own, to be killed: says a line for every order it took."""

import asyncio
import sys
from pathlib import Path

from bench.evidence.scene import Scene, keeping, script


async def main(folder: Path, seed: int, count: int) -> None:
    """Hand over everything, slowly enough to be killed in between."""
    stage = Scene(folder, script(seed, count))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with keeping(stage) as keeper:
        for each in stage.seen:
            await keeper.keep(each.order, each.pieces)
            print(each.number, flush=True)
            await asyncio.sleep(0.02)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
