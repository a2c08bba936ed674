"""`Tracer`: what the fake and OpenTelemetry over a real OTLP receiver both do, and `NoTracing` does not."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from proctor.adapters.tracing import OtelTracer, open_tracer
from proctor.ports import Tracer
from proctor.services.no_tracing import OFF
from tests.contract.otlp import receiving
from tests.fakes.tracer import FakeTracer

TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01")


@dataclass(frozen=True)
class Told:
    """A span as whoever receives it sees it."""

    name: str
    context: str
    parent: str
    links: tuple[str, ...]
    facts: dict[str, str]
    error: str


@dataclass(frozen=True)
class Site:
    """A tracer, and what came of it."""

    make: Callable[[float], Tracer]
    told: Callable[[], Sequence[Told]]


@pytest.fixture(params=["fake", "otlp"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    if request.param == "fake":
        fakes: list[FakeTracer] = []

        def fake(ratio: float) -> Tracer:
            fakes.append(FakeTracer(takes_roots=ratio == 1))
            return fakes[-1]

        def of_fakes() -> list[Told]:
            return [
                Told(
                    span.name,
                    span.context,
                    span.parent,
                    tuple(span.links),
                    {name: str(value) for name, value in span.facts.items()},
                    span.error,
                )
                for each in fakes
                for span in each.spans
                if span.has_ended
            ]

        yield Site(fake, of_fakes)
        return
    made: list[OtelTracer] = []
    with receiving() as received:

        def real(ratio: float) -> Tracer:
            exporter = OTLPSpanExporter(f"{received.url}/v1/traces")
            made.append(OtelTracer("test", ratio, SimpleSpanProcessor(exporter)))
            return made[-1]

        def of_spans() -> list[Told]:
            return [
                Told(
                    span.name,
                    written(span.trace_id, span.span_id),
                    written(span.trace_id, span.parent_span_id) if span.parent_span_id else "",
                    tuple(written(link.trace_id, link.span_id) for link in span.links),
                    {
                        one.key.removeprefix("proctor."): one.value.string_value
                        or str(one.value.int_value)
                        for one in span.attributes
                    },
                    span.status.message,
                )
                for span in received.spans
            ]

        yield Site(real, of_spans)
        for each in made:
            each.close()


def written(trace: bytes, span: bytes) -> str:
    return f"00-{trace.hex()}-{span.hex()}-01"


def by_name(site: Site) -> dict[str, Told]:
    return {told.name: told for told in site.told()}


def test_a_part_belongs_to_its_span_also_over_processes(site: Site) -> None:
    here, there = site.make(1), site.make(0)
    with here.root("perception.call") as span:
        span.note(group="face", batch=3)
        assert TRACEPARENT.fullmatch(span.context)
        assert here.current() == span.context
        with here.child("near"):
            pass
        with there.child("far", span.context):  # whoever begins a trace chooses for all
            pass
    assert here.current() == ""
    told = by_name(site)
    assert told["perception.call"].facts == {"group": "face", "batch": "3"}
    assert told["perception.call"].parent == ""
    assert {told["near"].parent, told["far"].parent} == {told["perception.call"].context}


def test_what_is_not_chosen_leaves_nothing_and_neither_do_its_parts(site: Site) -> None:
    tracer = site.make(0)
    with tracer.root("session.offer") as span:
        span.note(outcome="answered")
        assert span.context == tracer.current() == ""
        with tracer.child("host.join"), tracer.child("far", ""):
            pass
    assert site.told() == []


def test_every_alert_has_a_trace_that_any_process_finds(site: Site) -> None:
    shard, dispatcher = site.make(0), site.make(0)
    with site.make(1).root("perception.call") as frame, shard.alert("alt_1", [frame.context, ""]):
        pass
    with dispatcher.child("delivery.send", dispatcher.of_alert("alt_1")):
        pass
    told = by_name(site)
    assert told["alert.raised"].context == shard.of_alert("alt_1") != shard.of_alert("alt_2")
    assert told["alert.raised"].links == (told["perception.call"].context,)
    assert told["delivery.send"].parent == told["alert.raised"].context
    assert TRACEPARENT.fullmatch(shard.of_alert("alt_1"))


def test_a_span_leads_to_another_trace(site: Site) -> None:
    tracer = site.make(1)
    with tracer.root("shard.judge") as span:
        span.leads_to(tracer.of_alert("alt_1"))
        span.leads_to("")
    assert by_name(site)["shard.judge"].links == (tracer.of_alert("alt_1"),)


def test_an_error_is_told_by_its_type_and_nothing_that_it_says(site: Site) -> None:
    tracer = site.make(1)
    with pytest.raises(KeyError), tracer.root("perception.call"):
        raise KeyError("what was sent")
    [told] = site.told()
    assert told.error == "KeyError"
    assert "sent" not in repr(told)


@pytest.mark.parametrize("name", ["session", "session_id", "candidate", "token", "face", "text"])
def test_nobody_is_named(site: Site, name: str) -> None:
    with site.make(1).root("x") as span, pytest.raises(ValueError, match=name):
        span.note(**{name: "somebody"})


async def test_tasks_do_not_mix(site: Site) -> None:
    tracer = site.make(1)

    async def work(name: str) -> None:
        with tracer.root(name):
            await asyncio.sleep(0)
            with tracer.child(f"{name}.part"):
                await asyncio.sleep(0)

    await asyncio.gather(work("a"), work("b"))
    told = by_name(site)
    assert told["a.part"].parent == told["a"].context
    assert told["b.part"].parent == told["b"].context


def test_without_an_endpoint_there_is_nothing() -> None:
    assert open_tracer(None, 1, "test") is OFF
    with OFF.root("a") as span, OFF.child("b", "00-1"), OFF.alert("alt_1", ["x"]):
        span.note(anything="goes")
        span.leads_to("x")
        assert (span.context, OFF.current(), OFF.of_alert("alt_1")) == ("", "", "")
    assert not OFF.is_on
