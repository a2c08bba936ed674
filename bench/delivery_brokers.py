"""What may befall a receiver that reads from Kafka: brokers that are away or refuse, records of others."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Producer

from bench.delivery import Listener
from bench.delivery_place import Place
from bench.delivery_pushed import TOPIC, OverKafka
from bench.mock_kafka import MockKafka

WARM_S = 2.0
"""Within this a receiver's fault begins, at a moment of its own."""

NOT_ENOUGH_REPLICAS = 19
"""Kafka's error code."""


async def _brokers_hurt(
    hurt: "Callable[[MockKafka], asyncio.Future[None]]", place: Place, listener: Listener
) -> None:
    tasks: list[asyncio.Future[None]] = []
    try:
        await OverKafka(lambda cluster: tasks.append(hurt(cluster))).receive(place, listener.ear)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def broker_away(
    place: Place,
    listener: Listener,
    rng: random.Random,
    outage_s: float,
    healed: Callable[[], None],
) -> None:
    """The only broker closes its port and every connection."""

    async def hurt(cluster: MockKafka) -> None:
        await asyncio.sleep(rng.uniform(0.2, WARM_S))
        cluster.set_down()
        await asyncio.sleep(outage_s)
        cluster.set_up()
        healed()

    await _brokers_hurt(lambda cluster: asyncio.ensure_future(hurt(cluster)), place, listener)


async def broker_refuses(
    place: Place,
    listener: Listener,
    rng: random.Random,
    outage_s: float,
    healed: Callable[[], None],
) -> None:
    """The broker has not enough replicas, again and again, and answers slowly."""

    async def hurt(cluster: MockKafka) -> None:
        await asyncio.sleep(rng.uniform(0.2, WARM_S))
        cluster.set_rtt(rng.randrange(20, 200))
        until = time.perf_counter() + outage_s
        while time.perf_counter() < until:
            cluster.push_errors(*[NOT_ENOUGH_REPLICAS] * rng.randrange(1, 5))
            await asyncio.sleep(rng.uniform(0.3, 1.0))
        cluster.clear_errors()
        cluster.set_rtt(0)
        healed()

    await _brokers_hurt(lambda cluster: asyncio.ensure_future(hurt(cluster)), place, listener)


POISON: Sequence[bytes] = (
    b"\x80\x04pickle",
    b"",
    b"[]",
    b"{}",
    b'{"id": "alr_1", "dataschema": "urn:rayproctor:schema:alert:2"}',
)
"""Records of others in the same topic: no JSON, nothing, no event, another schema."""


async def poisoned(
    place: Place,
    listener: Listener,
    rng: random.Random,
    outage_s: float,
    healed: Callable[[], None],
) -> None:
    """Somebody else writes into the topic what no consumer can read, all the time."""

    async def hurt(cluster: MockKafka) -> None:
        foreign = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        await asyncio.sleep(rng.uniform(0.2, WARM_S))
        until = time.perf_counter() + outage_s
        while time.perf_counter() < until:
            key = f"ses_{rng.randrange(100):020d}"
            foreign.produce(TOPIC, key=key, value=rng.choice(POISON))
            foreign.poll(0)
            await asyncio.sleep(rng.uniform(0.02, 0.2))
        if await asyncio.to_thread(foreign.flush, 10):
            raise RuntimeError("the poison did not reach the topic, so nothing would be shown")
        healed()

    await _brokers_hurt(lambda cluster: asyncio.ensure_future(hurt(cluster)), place, listener)
