"""The Kafka sink against librdkafka's mock cluster, read by a consumer in another process (F27, F28)."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer

from bench.mock_kafka import MockKafka
from proctor.adapters.sinks.kafka import KafkaSink
from proctor.adapters.sinks.kafka_options import producer_config
from proctor.alerting.envelope import CONTENT_TYPE, cloud_event
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome, Sent
from proctor.domain.errors import InvalidInput
from proctor.ports import AlertSink
from tests.contract.samples import alert

ROOT = Path(__file__).resolve().parents[4]
TOPIC = "alerts"


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    cluster = MockKafka()
    cluster.create_topic(TOPIC)
    yield cluster
    cluster.close()


def items(count: int, sessions: int = 3, first: int = 1) -> list[FeedItem]:
    """Alerts of several sessions in turn, numbered 1, 2, 3 ... within each."""
    return [
        FeedItem(
            position=number, alert=alert((number - 1) // sessions + 1, f"ses_{number % sessions}")
        )
        for number in range(first, first + count)
    ]


def sink_of(
    kafka: MockKafka, deadline_s: float = 5.0, options: Mapping[str, str] | None = None
) -> KafkaSink:
    return KafkaSink(bootstrap=kafka.bootstrap, topic=TOPIC, options=options, deadline_s=deadline_s)


class Receiver:
    """The consumer's process."""

    def __init__(self, kafka: MockKafka, wanted: int) -> None:
        module = "tests.proctor.adapters.sinks.kafka_reader"
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, kafka.bootstrap, TOPIC, str(wanted)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )

    def records(self) -> list[dict[str, Any]]:
        """All that it read, once it has as many as it wanted."""
        told, _ = self._process.communicate(timeout=90)
        assert self._process.returncode == 0
        return [json.loads(line) for line in told.splitlines()]


def in_order(records: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """Session -> its seqs as they came, doubles of an id left out."""
    found: dict[str, list[int]] = {}
    seen: set[str] = set()
    for record in records:
        event = record["event"]
        if event["id"] not in seen:
            seen.add(event["id"])
            found.setdefault(record["key"], []).append(event["data"]["seq"])
    return found


async def deliver(sink: AlertSink, batch: Sequence[FeedItem]) -> list[Sent]:
    """As the dispatcher does: what is to be tried again is, until all arrived; every answer on the way."""
    told, left = list[Sent](), list(batch)
    async with asyncio.timeout(60):
        while left:
            answers = await sink.send(left)
            assert [answer.alert_id for answer in answers] == [item.alert.alert_id for item in left]
            told += answers
            pairs = zip(left, answers, strict=True)
            left = [item for item, answer in pairs if answer.outcome is Outcome.RETRY]
    return told


def codes(told: Sequence[Sent]) -> set[str]:
    return {answer.code for answer in told if answer.code}


async def test_every_alert_arrives_as_the_event_that_it_is_in_its_session_s_order(
    kafka: MockKafka,
) -> None:
    sink, batch = sink_of(kafka), items(60)
    receiver = Receiver(kafka, 60)
    told = await sink.send(batch)
    await sink.close()
    assert {answer.outcome for answer in told} == {Outcome.DELIVERED} and codes(told) == set()
    records = receiver.records()
    assert in_order(records) == {f"ses_{n}": list(range(1, 21)) for n in range(3)}
    by_id = {item.alert.alert_id: item for item in batch}
    for record in records:
        event = record["event"]
        assert event == cloud_event(by_id[event["id"]])
        assert record["key"] == event["partitionkey"] == event["data"]["session_id"]
        assert record["headers"] == {"content-type": CONTENT_TYPE}
    assert len(records) == 60, "nothing twice while nothing fails"


async def test_a_broker_that_is_away_for_five_seconds_gets_all_of_it_afterwards(
    kafka: MockKafka,
) -> None:
    sink, batch = sink_of(kafka, deadline_s=1.5), items(90)
    receiver = Receiver(kafka, 90)
    assert codes(await sink.send(batch[:3])) == set()
    kafka.set_down()
    threading.Timer(5.0, kafka.set_up).start()
    began = time.monotonic()
    told = await deliver(sink, batch[3:])
    assert time.monotonic() - began >= 4.5
    await sink.close()
    assert codes(told) <= {"kafka/msg-timed-out", "kafka/unknown-topic"} and codes(told)
    assert in_order(receiver.records()) == {f"ses_{n}": list(range(1, 31)) for n in range(3)}


async def test_a_call_ends_within_its_deadline_and_does_not_stop_the_event_loop(
    kafka: MockKafka,
) -> None:
    sink = sink_of(kafka, deadline_s=1.0)
    await sink.send(items(1))
    kafka.set_down()
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.create_task(beat())
    began = time.monotonic()
    told = await sink.send(items(5, first=2))
    took_s = time.monotonic() - began
    beating.cancel()
    await sink.close()
    assert {answer.outcome for answer in told} == {Outcome.RETRY}
    assert 0.5 < took_s < 2.5
    assert beats > 20


async def test_not_enough_replicas_is_tried_again_within_the_call(kafka: MockKafka) -> None:
    sink = sink_of(kafka)
    receiver = Receiver(kafka, 30)
    kafka.push_errors(*[KafkaError.NOT_ENOUGH_REPLICAS] * 3)
    told = await sink.send(items(30))
    await sink.close()
    assert {answer.outcome for answer in told} == {Outcome.DELIVERED}
    assert in_order(receiver.records()) == {f"ses_{n}": list(range(1, 11)) for n in range(3)}


async def test_not_enough_replicas_for_long_is_told_and_nothing_is_lost(kafka: MockKafka) -> None:
    sink = sink_of(kafka, deadline_s=1.0)
    receiver = Receiver(kafka, 30)
    kafka.push_errors(*[KafkaError.NOT_ENOUGH_REPLICAS] * 12)
    await deliver(sink, items(30))
    await sink.close()
    assert in_order(receiver.records()) == {f"ses_{n}": list(range(1, 11)) for n in range(3)}


async def test_what_failed_is_not_taken_for_arrived_because_what_came_behind_it_arrived() -> None:
    """One partition, a slow broker that refuses now and then: with several requests under way at once,
    librdkafka says `delivered` of records that the broker never took."""
    with closing(MockKafka()) as cluster:
        cluster.create_topic(TOPIC, partitions=1)
        cluster.set_rtt(50)
        sink = sink_of(cluster)
        receiver = Receiver(cluster, 400)
        for first in range(1, 401, 100):
            cluster.push_errors(KafkaError.NOT_ENOUGH_REPLICAS, 0, KafkaError.NOT_ENOUGH_REPLICAS)
            told = await sink.send(items(100, sessions=400, first=first))
            assert {answer.outcome for answer in told} == {Outcome.DELIVERED}
        await sink.close()
        assert len(in_order(receiver.records())) == 400


async def test_a_slow_broker_is_waited_for(kafka: MockKafka) -> None:
    sink = sink_of(kafka)
    kafka.set_rtt(300)
    told = await sink.send(items(3))
    await sink.close()
    assert {answer.outcome for answer in told} == {Outcome.DELIVERED}


async def test_a_full_queue_is_an_answer_and_loses_nothing(kafka: MockKafka) -> None:
    """librdkafka's own queue holds 100, the broker is away, 150 sessions have news: BufferError."""
    sink = sink_of(kafka, 1.0, {"queue.buffering.max.messages": "100"})
    batch = items(300, sessions=150)
    receiver = Receiver(kafka, 300)
    kafka.set_down()
    first = await sink.send(batch)
    assert {answer.outcome for answer in first} == {Outcome.RETRY}
    full = [answer for answer in first if answer.code == "kafka/queue-full"]
    assert len(full) == 100, "two alerts of each of the fifty sessions that found no room"
    kafka.set_up()
    await deliver(sink, batch)
    await sink.close()
    assert in_order(receiver.records()) == {f"ses_{n}": [1, 2] for n in range(150)}


async def test_a_record_that_is_refused_for_good_does_not_hold_up_the_rest(
    kafka: MockKafka,
) -> None:
    sink = sink_of(kafka, options={"message.max.bytes": "4000"})
    batch = items(9)
    batch[3] = replace(batch[3], alert=replace(batch[3].alert, reason="x" * 5_000))
    receiver = Receiver(kafka, 8)
    told = await sink.send(batch)
    await sink.close()
    assert [answer.outcome for answer in told] == [
        Outcome.REFUSED if n == 3 else Outcome.DELIVERED for n in range(9)
    ]
    assert told[3].code == "kafka/msg-size-too-large"
    assert in_order(receiver.records()) == {"ses_0": [1, 2, 3], "ses_1": [1, 3], "ses_2": [1, 2, 3]}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, Outcome.REFUSED),
        (KafkaError.INVALID_RECORD, Outcome.REFUSED),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Outcome.RETRY),
        (KafkaError.POLICY_VIOLATION, Outcome.RETRY),
    ],
)
async def test_what_the_broker_says_decides_whether_it_is_tried_again(
    kafka: MockKafka, code: int, outcome: Outcome
) -> None:
    sink = sink_of(kafka, deadline_s=2.0)
    await sink.send(items(1, sessions=1))
    kafka.push_errors(code)
    behind = items(6, sessions=1, first=2)
    told = await sink.send(behind)
    assert told[0].outcome is outcome and told[0].code.startswith("kafka/")
    held = {answer.outcome for answer in told[1:]}
    assert held == ({Outcome.RETRY} if outcome is Outcome.RETRY else {Outcome.DELIVERED})
    if outcome is Outcome.RETRY:  # none of those behind it went ahead of it
        receiver = Receiver(kafka, 7)
        await deliver(sink, behind)
        seqs = [record["event"]["data"]["seq"] for record in receiver.records()]
        assert seqs == [1, *(item.alert.seq for item in behind)]
    await sink.close()


async def test_an_alert_that_is_sent_again_has_the_same_id_and_the_same_bytes(
    kafka: MockKafka,
) -> None:
    (item,) = items(1, sessions=1)
    for _ in range(2):  # a dispatcher that died before it noted the first answer
        sink = sink_of(kafka)
        await sink.send([item])
        await sink.close()
    receiver = Receiver(kafka, 2)
    (last,) = items(1, sessions=1, first=2)
    sink = sink_of(kafka)
    await sink.send([last])
    await sink.close()
    events = [record["event"] for record in receiver.records()]
    assert events == [cloud_event(item), cloud_event(item), cloud_event(last)]


async def test_f28_a_poison_record_is_put_aside_by_the_receiver_and_the_rest_flows(
    kafka: MockKafka,
) -> None:
    sink = sink_of(kafka)
    foreign = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    newer = {**cloud_event(items(1)[0]), "dataschema": "urn:rayproctor:schema:alert:2"}
    await sink.send(items(3))
    for poison in (b"\x80\x04pickle", b"[]", json.dumps(newer).encode()):
        foreign.produce(TOPIC, key="ses_1", value=poison)
    assert foreign.flush(10) == 0
    await sink.send(items(3, first=4))
    await sink.close()
    records = Receiver(kafka, 9).records()
    assert sum("aside" in record for record in records) == 3
    whole = [record for record in records if "event" in record]
    assert in_order(whole) == {f"ses_{n}": [1, 2] for n in range(3)}


async def test_close_ends_a_call_that_is_going_on_and_is_idempotent(kafka: MockKafka) -> None:
    sink = sink_of(kafka, deadline_s=30.0)
    await sink.send(items(1))
    kafka.set_down()
    sending = asyncio.create_task(sink.send(items(1, first=2)))
    await asyncio.sleep(0.2)
    async with asyncio.timeout(5):
        await sink.close()
        assert [answer.outcome for answer in await sending] == [Outcome.RETRY]
    await sink.close()


async def test_what_cannot_be_opened_is_an_answer_that_tells_no_secret(
    kafka: MockKafka, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "us",
        "sasl.password": "canary-5ecret",
        "ssl.ca.location": str(tmp_path / "none.pem"),
    }
    sink = sink_of(kafka, 1.0, options)
    told = await sink.send(items(2))
    await sink.close()
    assert {answer.outcome for answer in told} == {Outcome.RETRY}
    heard = capsys.readouterr()
    assert "canary" not in heard.out + heard.err + repr(told)


def test_options_are_a_closed_list_and_certificates_are_always_checked() -> None:
    for wrong in ("enable.ssl.certificate.verification", "acks", "plugin.library.paths", "x"):
        with pytest.raises(InvalidInput, match="no such option"):
            producer_config("127.0.0.1:9092", {wrong: "canary"}, 10)
    with pytest.raises(InvalidInput, match=r"security\.protocol"):
        producer_config("127.0.0.1:9092", {"security.protocol": "trust"}, 10)
    for wrong in ("", " ", "a:1,,b:2"):
        with pytest.raises(InvalidInput, match="host:port"):
            producer_config(wrong, {}, 10)
    far = producer_config("kafka.example:9092,10.0.0.1:9092", {}, 10)
    assert (far["security.protocol"], far["ssl.endpoint.identification.algorithm"]) == (
        "ssl",
        "https",
    )
    near = producer_config("127.0.0.1:1,[::1]:2,localhost:3", {}, 10)
    assert near["security.protocol"] == "plaintext"
    assert producer_config("h:1", {"security.protocol": "PLAINTEXT"}, 10)["security.protocol"] == (
        "plaintext"
    )
    settled = producer_config("h:1", {"linger.ms": "5"}, 10)
    assert (settled["acks"], settled["enable.idempotence"], settled["linger.ms"]) == (
        "all",
        True,
        "5",
    )
    Producer({**near, "log_level": 0})  # librdkafka knows every name
