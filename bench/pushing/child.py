"""Processes that are killed: a shard that raises alerts, and a dispatcher that delivers them.

    python -m bench.pushing.child shard FOLDER URL SEED COUNT
    python -m bench.pushing.child dispatcher FOLDER URL PORT

Each prints a line `ready` once it works, and works until it is killed.
"""

import asyncio
import sys
from pathlib import Path

from bench.pushing.scene import commit, dispatching, registry_for, script
from proctor.adapters.clock import SystemClock
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.ids import new_id


async def shard(url: str, seed: int, count: int) -> None:
    """Raise the seed's alerts from the first on; what stands already is repeated without effect."""
    stores = SqlStores(url, 5.0)
    print("ready", flush=True)
    for alert in script(seed, count):
        await commit(stores, [alert])
        print(alert.alert_id, flush=True)
    await stores.close()


async def dispatch(folder: Path, url: str, port: int) -> None:
    """Publish and deliver until killed."""
    registry = registry_for(port, folder / "ca.pem", SystemClock())
    stores = SqlStores(url, 5.0)
    async with dispatching(stores, registry, folder / "keys.json", new_id("dsp")):
        print("ready", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """As the module says."""
    what, folder, url, *rest = sys.argv[1:]
    if what == "shard":
        asyncio.run(shard(url, int(rest[0]), int(rest[1])))
    else:
        asyncio.run(dispatch(Path(folder), url, int(rest[0])))


if __name__ == "__main__":
    main()
