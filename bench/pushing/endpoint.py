"""F29: a receiver that answers 500, 429 with Retry-After, 301, resets, is silent, and says 410 in the end.

Over real HTTPS, with a clock that jumps from one moment of interest to the next: the schedule of 75 hours
is played to its end in seconds.
"""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from bench.pushing.scene import BEGAN, SINK, TENANT, Tally, commit, desk_for, scene, script
from bench.receiver import OK, Answer, Got, reply
from proctor.adapters.keys import FileKeyRing
from proctor.adapters.sinks.registry import SinkRegistry
from proctor.adapters.sql.stores import SqlStores
from proctor.services.delivering import SinkWorker
from proctor.services.sink_secrets import unseal

ALERTS = 12
BAD: tuple[Answer, ...] = (
    reply(500),
    reply(503, "Retry-After: 600"),
    reply(429, "Retry-After: 120"),
    reply(301, "Location: https://127.0.0.1/elsewhere"),
    reply(400),
    "reset",
    "silence",
)


class JumpClock:
    """Stands until it is told to jump; sleeping is jumping."""

    def __init__(self) -> None:
        self._elapsed = timedelta()

    def now(self) -> datetime:
        """Wall time."""
        return BEGAN + self._elapsed

    def monotonic_ms(self) -> int:
        """Milliseconds since it began."""
        return int(self._elapsed / timedelta(milliseconds=1))

    async def sleep(self, seconds: float) -> None:
        """Jump."""
        self.jump(timedelta(seconds=seconds))

    def jump(self, by: timedelta) -> None:
        """Time passes at once."""
        self._elapsed += by


async def misbehaviour(folder: Path, seed: int, outage_s: float) -> Tally:
    """Bad answers as the seed draws them, one receiver that is gone and comes back, a replay.

    Every third seed has an alert that is never taken: it ends as a dead letter after ten tries.
    """
    alerts, luck, clock = script(seed, ALERTS), random.Random(seed), JumpClock()
    poison = alerts[-1].alert_id if seed % 3 == 0 else ""
    gone_at = luck.randrange(5, 15)
    async with scene(folder) as stage:
        await stage.furnish()
        asked = 0

        def decide(got: Got) -> Answer:
            nonlocal asked
            asked += 1
            if asked == gone_at:
                return reply(410)
            if got.headers["webhook-id"] == poison:
                return reply(422)
            if luck.random() < 0.4:
                return luck.choice(BAD)
            stage.taken.take(got)
            return OK

        stage.receiver.decide = decide
        stores = stage.stores(patience_s=5.0)
        await commit(stores, alerts)
        await stores.feed.publish_pending(1000)
        for _ in range(4):  # the receiver says 410, is enabled again, and dead letters are replayed
            await _work(stores, stage.registry(clock), folder, clock)
            stored = await stores.sinks.get_sink(TENANT, SINK)
            if stored.is_enabled:
                break
            await _enable(stores, clock)
        states = await stores.deliveries.states(SINK, [alert.alert_id for alert in alerts])
        dead = sum(state.value == "dead" for state in states.values())
        if poison:
            assert states[alerts[-1].alert_id].value == "dead"
        await stores.close()
        return stage.taken.tally(alerts, dead)


async def _enable(stores: SqlStores, clock: JumpClock) -> None:
    """What an administrator does after a 410: enable, and send the dead letters again."""
    stored = await stores.sinks.get_sink(TENANT, SINK)
    await stores.sinks.put_sink(replace(stored, is_enabled=True, disabled_by=""))
    await stores.deliveries.replay(TENANT, SINK, clock.now())


async def _work(stores: SqlStores, registry: SinkRegistry, folder: Path, clock: JumpClock) -> None:
    """A worker's life, jumping over its pauses, until nothing is owed or the sink is disabled."""
    stored = await stores.sinks.get_sink(TENANT, SINK)
    sealed = await stores.sinks.sealed_secrets(TENANT, SINK)
    secrets = unseal(FileKeyRing(folder / "keys.json"), TENANT, SINK, sealed)
    sender = registry.open(stored, secrets)
    worker = SinkWorker(stored, sender, desk_for(stores, clock, "one"))
    head = await stores.feed.head(TENANT)
    for _ in range(5000):
        worker.tell(head)
        wait_s = await worker.step()
        if worker.is_stopping:
            break
        owed = await stores.deliveries.backlog(SINK)
        if not owed.pending and (await stores.sinks.get_sink(TENANT, SINK)).cursor == head:
            break
        if wait_s > 0:
            due_at = await stores.deliveries.next_due(SINK, clock.now())
            rests = (await stores.sinks.get_sink(TENANT, SINK)).health.rests_until
            times = [time - clock.now() for time in (due_at, rests) if time is not None]
            ahead = [time for time in times if time > timedelta()]
            clock.jump(min(ahead, default=timedelta(seconds=wait_s)))
    await sender.close()
