"""What may befall a receiver that reads from Kafka: brokers that are away or refuse, records of others."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from confluent_kafka import Producer

from bench.delivery_play import WARM_S, Playing
from bench.delivery_pushed import TOPIC, OverKafka
from bench.mock_kafka import MockKafka

NOT_ENOUGH_REPLICAS = 19
"""Kafka's error code."""


async def _brokers_hurt(
    hurt: Callable[[MockKafka], Coroutine[Any, Any, None]], playing: Playing
) -> None:
    tasks: list[asyncio.Task[None]] = []
    try:
        kafka = OverKafka(lambda cluster: tasks.append(asyncio.create_task(hurt(cluster))))
        await kafka.receive(playing.place, playing.listener.ear)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def broker_away(playing: Playing) -> None:
    """The only broker closes its port and every connection."""

    async def hurt(cluster: MockKafka) -> None:
        await asyncio.sleep(playing.rng.uniform(0.2, WARM_S))
        cluster.set_down()
        await asyncio.sleep(playing.outage_s)
        cluster.set_up()
        playing.healed()

    await _brokers_hurt(hurt, playing)


async def broker_refuses(playing: Playing) -> None:
    """The broker has not enough replicas, again and again, and answers slowly."""

    async def hurt(cluster: MockKafka) -> None:
        await asyncio.sleep(playing.rng.uniform(0.2, WARM_S))
        cluster.set_rtt(playing.rng.randrange(20, 200))
        until = time.perf_counter() + playing.outage_s
        while time.perf_counter() < until:
            cluster.push_errors(*[NOT_ENOUGH_REPLICAS] * playing.rng.randrange(1, 5))
            await asyncio.sleep(playing.rng.uniform(0.3, 1.0))
        cluster.clear_errors()
        cluster.set_rtt(0)
        playing.healed()

    await _brokers_hurt(hurt, playing)


POISON: Sequence[bytes] = (
    b"\x80\x04pickle",
    b"",
    b"[]",
    b"{}",
    b'{"id": "alr_1", "dataschema": "urn:rayproctor:schema:alert:2"}',
)
"""Records of others in the same topic: no JSON, nothing, no event, another schema."""


async def poisoned(playing: Playing) -> None:
    """Somebody else writes into the topic what no consumer can read, all the time."""

    async def hurt(cluster: MockKafka) -> None:
        foreign = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        await asyncio.sleep(playing.rng.uniform(0.2, WARM_S))
        until = time.perf_counter() + playing.outage_s
        while time.perf_counter() < until:
            key = f"ses_{playing.rng.randrange(100):020d}"
            foreign.produce(TOPIC, key=key, value=playing.rng.choice(POISON))
            foreign.poll(0)
            await asyncio.sleep(playing.rng.uniform(0.02, 0.2))
        if await asyncio.to_thread(foreign.flush, 10):
            raise RuntimeError("the poison did not reach the topic, so nothing would be shown")
        playing.healed()

    await _brokers_hurt(hurt, playing)
