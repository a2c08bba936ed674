"""A shard that records, in a process of its own, for a test that kills it: `python -m` with a home.

Prints the number of the last acknowledged report after every batch; flushes as it goes.
"""

import asyncio
import os
import sys
from dataclasses import replace
from datetime import datetime, timedelta

from actors.mailbox import MailboxSpec
from deployments.wiring import build_shard
from proctor.domain.observations import Observation
from proctor.domain.reports import TickReport
from proctor.fusion import tape
from tests.fakes import facts

LENGTH_MS = 120_000


def reports(started_at: datetime) -> list[TickReport]:
    """Two minutes in which somebody leaves, comes back and looks away, again and again."""
    seen: list[Observation] = facts.media_come()
    for from_ms in range(0, LENGTH_MS, 12_000):
        seen += facts.attentive_face(from_ms, from_ms + 3_000, 0.5, hz=5)
        seen += [facts.faces(at) for at in range(from_ms + 3_000, from_ms + 7_500, 200)]
        seen += facts.attentive_face(from_ms + 7_500, from_ms + 12_000, -24.0, hz=5)
    spec = replace(facts.spec(), started_at=started_at, retention_days=1)
    return [
        replace(each, spec=spec if each.seq == 1 else None)
        for each in facts.reports(seen, LENGTH_MS)
    ]


async def main(started: str, after: int) -> None:
    """Send what comes after a number, end the session, and wait until its recording is closed."""
    tape.SEGMENT_BYTES = 20_000
    started_at = datetime.fromisoformat(started)
    shard = await build_shard(MailboxSpec(name="proctor-shard-0", version=""))
    running = asyncio.create_task(shard.run())
    print("started", flush=True)
    every = reports(started_at)
    place = max(0, after - 3)
    while place < len(every):
        (answer,) = await shard.submit(every[place : place + 4])
        place += 4
        print(answer.seq, flush=True)
        if shard._recorder is not None and place % 8 == 0:
            await shard._recorder.flush()
    spec = replace(facts.spec(), started_at=started_at, retention_days=1)
    await shard.end(spec, started_at + timedelta(milliseconds=LENGTH_MS + 100))
    print("ended", flush=True)
    if shard._recorder is not None:
        await shard._recorder.flush()
    print("closed", flush=True)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(os.environ["STARTED"], int(sys.argv[1])))
