"""One story in spans: from a call to the models to the delivery of the alert that came of it."""

from dataclasses import replace

from proctor.domain.reports import TickReport, TracedReport
from proctor.fusion.judge import SessionJudge
from proctor.fusion.steps import Step
from proctor.services.host.rounds import Group
from tests.contract.sink_samples import sink
from tests.fakes import facts
from tests.fakes.delivering import House
from tests.fakes.perception import Scene
from tests.fakes.sinks import FakeAlertSink
from tests.fakes.tracer import FakeSpan, FakeTracer
from tests.proctor.services.host.room import Room
from tests.proctor.services.host.test_with_a_shard import Court

NAMES = {
    "host.join",
    "perception.call",
    "host.report",
    "shard.judge",
    "alert.raised",
    "shard.commit",
    "delivery.send",
}


def trace_of(context: str) -> str:
    return context.split("-")[1]


def of_trace(tracer: FakeTracer, context: str) -> dict[str, FakeSpan]:
    return {s.name: s for s in tracer.spans if trace_of(s.context) == trace_of(context)}


async def test_a_frame_can_be_followed_to_the_delivery_of_its_alert() -> None:
    tracer = FakeTracer()
    async with Court(tracer=tracer) as court:
        court.room.perception.scenes = [
            Scene(from_ms=0, people=("ana",)),
            Scene(from_ms=4_000, people=()),
        ]
        await court.room.join()
        await court.room.watch(9_000)
    opened = [a for a in court.incidents.database.alerts.values() if a.rule_id == "no_face"]
    alert = min(opened, key=lambda each: each.seq)

    delivered = of_trace(tracer, tracer.of_alert(alert.alert_id))
    assert set(delivered) == {"alert.raised", "shard.commit"}
    causes = [of_trace(tracer, cause) for cause in delivered["alert.raised"].links]
    [frame] = [each for each in causes if each["perception.call"].facts["group"] == Group.FACE]
    assert set(frame) >= {"perception.call", "host.report", "shard.judge"}
    assert frame["perception.call"].facts["outcome"] == "answered"
    assert frame["host.report"].parent == frame["perception.call"].context
    assert frame["shard.judge"].parent == frame["perception.call"].context
    assert frame["shard.judge"].links == [delivered["alert.raised"].context]
    assert all(span.has_ended and not span.error for span in tracer.spans)
    assert {span.name for span in tracer.spans} <= NAMES

    house = House(database=court.incidents.database, tracer=tracer)
    receiver = FakeAlertSink()
    await house.feed.publish_pending(100)
    worker = await house.worker(receiver, replace(sink(), tenant_id=alert.tenant_id))
    worker.tell(await house.feed.head(alert.tenant_id))
    await worker.step()
    assert alert.alert_id in {item.alert.alert_id for item in receiver.delivered}
    sent = of_trace(tracer, tracer.of_alert(alert.alert_id))["delivery.send"]
    assert sent.parent == delivered["alert.raised"].context
    assert sent.facts["outcome"] == "delivered"


async def test_what_is_not_chosen_still_leaves_the_alerts_their_traces() -> None:
    tracer = FakeTracer(takes_roots=False)
    async with Court(tracer=tracer) as court:
        court.room.perception.scenes = [Scene(from_ms=0, people=())]
        await court.room.join()
        await court.room.watch(8_000)
    assert {span.name for span in tracer.spans} == {"alert.raised", "shard.commit"}
    assert all(not span.links for span in tracer.spans)


async def test_nobody_who_did_not_ask_gets_another_report() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000)
    assert {type(report) for report in room.reports()} == {TickReport}


def test_a_recording_does_not_keep_the_trace() -> None:
    plain = facts.report(7, 1_400)
    said = {name: getattr(plain, name) for name in TickReport.__dataclass_fields__}
    traced = TracedReport(**said, traces=("00-" + "a" * 32 + "-" + "b" * 16 + "-01",))
    step = Step(SessionJudge.consume)
    assert step.write({"report": traced}) == step.write({"report": plain})
