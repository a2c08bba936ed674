"""Each fault of evidence: what fails, for how long, while incidents are told at a steady rate."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from bench.evidence.faulty_s3 import FaultyS3, Mood, faulty_s3
from bench.evidence.scene import BUCKET, Scene, Tally, keeping, scene, script
from proctor.services.evidence.keeper import SpoolingKeeper

INCIDENTS = 24
RATE = 12.0
"""Incidents a second; a session has fewer in an hour."""
SMALL_DISK = "size=1m"
SMALL_SPOOL_BYTES = 700_000

Play = Callable[[Path, int, float], Awaitable[Tally]]
Hurt = Callable[[Scene, FaultyS3, float], Awaitable[None]]


async def _tell_all(stage: Scene, keeper: SpoolingKeeper | None, seed: int) -> None:
    luck = random.Random(seed)
    for each in stage.seen:
        await stage.tell(each, keeper)
        await asyncio.sleep(luck.uniform(0, 2 / RATE))
    await stage.handed()


async def _while_hurt(
    folder: Path, seed: int, outage_s: float, hurt: Hurt, most_bytes: int = 100_000_000
) -> Tally:
    """Incidents are told while something is hurt; then it heals, and everything settles."""
    with faulty_s3(seed, BUCKET) as s3:
        async with scene(folder, script(seed, INCIDENTS)) as stage:
            async with keeping(stage, most_bytes) as keeper:
                telling = asyncio.create_task(_tell_all(stage, keeper, seed))
                await hurt(stage, s3, outage_s)
                s3.heal()
                await telling
                healed_s = await stage.settled()
            return await stage.tally(healed_s)


async def _mood(mood: Mood, _stage: Scene, s3: FaultyS3, outage_s: float) -> None:
    s3.mood = mood
    await asyncio.sleep(outage_s)


async def _keys_away(stage: Scene, _s3: FaultyS3, outage_s: float) -> None:
    await asyncio.sleep(outage_s / 2)
    stage.keys.is_away = True
    await asyncio.sleep(outage_s / 2)
    stage.keys.is_away = False


@contextmanager
def small_disk(disk: Path) -> Iterator[Path]:
    """A disk of 1 MB. Wants root.

    Raises:
        PermissionError: It cannot be mounted.
    """
    disk.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", SMALL_DISK, "tmpfs", str(disk)]
    made = subprocess.run(mount, check=False, capture_output=True, text=True)
    if made.returncode:
        raise PermissionError(f"a small disk cannot be mounted: {made.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


async def disk_full(folder: Path, seed: int, outage_s: float) -> Tally:
    """F25: the disk of the spool is full of other things, while S3 is away."""

    async def hurt(stage: Scene, s3: FaultyS3, outage_s: float) -> None:
        s3.mood = Mood.ERROR
        await asyncio.sleep(outage_s / 4)
        ballast = stage.spool.parent / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        await asyncio.sleep(outage_s / 2)
        ballast.unlink()
        await asyncio.sleep(outage_s / 4)

    with small_disk(folder / "disk") as disk, faulty_s3(seed, BUCKET) as s3:
        async with scene(folder, script(seed, INCIDENTS)) as stage:
            stage.spool = disk / "spool"
            async with keeping(stage) as keeper:
                telling = asyncio.create_task(_tell_all(stage, keeper, seed))
                await hurt(stage, s3, outage_s)
                s3.heal()
                await telling
                healed_s = await stage.settled()
            return await stage.tally(healed_s)


async def host_killed(folder: Path, seed: int, outage_s: float) -> Tally:
    """A host is killed with pieces in its spool and more to come; another host of the machine goes on."""
    with faulty_s3(seed, BUCKET) as s3:
        s3.mood = Mood.ERROR
        async with scene(folder, script(seed, INCIDENTS)) as stage:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.evidence.child", str(folder), str(seed)),
                str(INCIDENTS),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.getcwd()},
            )
            assert child.stdin is not None
            assert child.stdout is not None
            await child.stdout.readline()
            await _tell_all(stage, None, seed)
            child.stdin.write(b"go\n")
            for _ in range(random.Random(seed).randrange(1, INCIDENTS)):
                await child.stdout.readline()
            child.kill()
            await child.wait()
            s3.heal()
            async with keeping(stage):
                healed_s = await stage.settled()
            return await stage.tally(healed_s)


FAULTS: Mapping[str, tuple[str, Play]] = {
    "none": ("nothing fails", partial(_while_hurt, hurt=partial(_mood, Mood.WELL))),
    "F31-500": ("S3 answers 500", partial(_while_hurt, hurt=partial(_mood, Mood.ERROR))),
    "F31-403": ("S3 answers 403", partial(_while_hurt, hurt=partial(_mood, Mood.REFUSE))),
    "F31-hang": ("S3 hangs", partial(_while_hurt, hurt=partial(_mood, Mood.HANG))),
    "F31-slow": ("S3 takes 0.2-1.5 s", partial(_while_hurt, hurt=partial(_mood, Mood.SLOW))),
    "F31-altered": (
        "S3 keeps other bytes",
        partial(_while_hurt, hurt=partial(_mood, Mood.ALTER)),
    ),
    "F25-disk": ("disk of the spool full, S3 away", disk_full),
    "F25-spool": (
        "more waits than may, S3 away",
        partial(_while_hurt, hurt=partial(_mood, Mood.ERROR), most_bytes=SMALL_SPOOL_BYTES),
    ),
    "F35-keys": ("keys away", partial(_while_hurt, hurt=_keys_away)),
    "host-killed": ("SIGKILL between orders, S3 away", host_killed),
}
