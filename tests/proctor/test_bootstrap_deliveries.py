"""From the settings to an alert at a real receiver: what the dispatcher's process puts together."""

import asyncio
import json
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from bench.receiver import OK, Answer, Got, Receiver, make_certificates, receiving
from proctor.adapters.keys import FileKeyRing
from proctor.adapters.sql.migrate import upgrade
from proctor.bootstrap import build_deliveries, open_sinks
from proctor.bootstrap_stores import open_sql
from proctor.domain.deliveries import Outcome, SinkKind
from proctor.domain.errors import InvalidInput
from proctor.services.sinks import SinkChanges, Sinks
from proctor.settings import KafkaCluster, Settings
from tests.contract.samples import ACME, alert, judged
from tests.fakes.clock import FakeClock
from tests.fakes.live_state import FakeLiveState


def settings(home: Path, **more: object) -> Settings:
    return Settings(home=home, _env_file=None, **more).resolved()  # type: ignore[arg-type]


async def test_an_alert_reaches_a_receiver_that_the_operator_allows(tmp_path: Path) -> None:
    certificates, arrived = make_certificates(tmp_path), asyncio.Event()

    def see(got: Got) -> Answer:
        if json.loads(got.body)["id"] == "alr_ses_1_2":
            arrived.set()
        return OK

    async with receiving(Receiver(decide=see), certificates.tls) as receiver:
        known = settings(
            tmp_path / "home",
            webhook_allow=[f"127.0.0.1/32:{receiver.port}"],
            webhook_ca=certificates.ca,
        )
        known.home.mkdir()
        assert known.database_url is not None and known.key_file is not None
        await asyncio.to_thread(upgrade, known.database_url)
        sql = open_sql(known)
        sinks = Sinks(
            sql.sinks,
            sql.deliveries,
            sql.feed,
            open_sinks(known),
            FileKeyRing(known.key_file),
            FakeClock(),
        )
        url = f"https://127.0.0.1:{receiver.port}/in"
        sink, secret = await sinks.create(ACME, SinkKind.WEBHOOK, "desk", url, SinkChanges())
        assert secret is not None
        assert (await sinks.test(ACME, sink.sink_id)).outcome is Outcome.DELIVERED
        crew = build_deliveries(known, sql, FakeLiveState())
        running = asyncio.create_task(crew.run())
        await sql.incidents.commit([judged(alert(1), alert(2))])
        await sql.feed.publish_pending(10)
        async with asyncio.timeout(20):
            await arrived.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        told = [json.loads(got.body) for got in receiver.got]
        assert told[0]["data"]["title"] == "Test of the delivery"
        assert [event["id"] for event in told[1:]] == ["alr_ses_1_1", "alr_ses_1_2"]
        for got in receiver.got[1:]:
            assert Webhook(secret).verify(got.body, got.headers)
        await sql.close()


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1/8:443", "10.0.0.0/8:99999"])
def test_an_allow_list_that_cannot_be_read_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="no network and port"):
        settings(tmp_path, webhook_allow=[text])


def test_a_cluster_whose_topic_would_mix_tenants_is_refused() -> None:
    with pytest.raises(ValueError, match="tenants never mix"):
        KafkaCluster(bootstrap="kafka:9092", topic="alerts")
    assert KafkaCluster(bootstrap="kafka:9092", topic="alerts", tenants=["acme"]).topic == "alerts"


def test_passwords_of_a_cluster_are_not_shown(tmp_path: Path) -> None:
    cluster = {"bootstrap": "kafka:9092", "options": {"sasl.password": "hidden-one"}}
    known = settings(tmp_path, kafka_clusters={"main": cluster})
    assert "hidden-one" not in repr(known)
    broker = open_sinks(known)._brokers["main"]
    assert broker.options["sasl.password"] == "hidden-one"
    with pytest.raises(InvalidInput):
        broker.topic_of(ACME.__class__("a/b"))  # type: ignore[arg-type]
