"""A span goes along to the actor and to the replica; without one, calls are as they always were."""

from collections.abc import Sequence

from actors.mailbox import Mailboxes
from actors.perception import ServePerception
from deployments.perception import ANSWER, PerceptionReplica
from proctor.domain.perception import BodyAnswer, BodyAsk
from tests.fakes.actors import FakeActors, FakeHandle
from tests.fakes.tracer import FakeTracer


class Actor:
    """Writes down how it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    async def join(self, *arguments: object, **along: object) -> str:
        self.calls.append((*arguments, along))
        return "answer"

    async def leave(self, *arguments: object, **along: object) -> None:
        self.calls.append((*arguments, along))


async def test_a_join_takes_the_present_span_along_and_nothing_else_does() -> None:
    actors, actor, tracer = FakeActors(), Actor(), FakeTracer()
    actors.inside["proctor-host-0"] = actor
    mailboxes = Mailboxes(actors.find, tracer)
    await mailboxes.ask("proctor-host-0", "join", "spec", "offer", within_s=1)
    with tracer.root("session.offer") as span:
        await mailboxes.ask("proctor-host-0", "join", "spec", "offer", within_s=1)
        await mailboxes.ask("proctor-host-0", "leave", "ses_1", within_s=1)
    assert actor.calls == [
        ("spec", "offer", {}),
        ("spec", "offer", {"trace": span.context}),
        ("ses_1", {}),
    ]


class Models:
    """What a replica holds."""

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        return [BodyAnswer(points=None, producers=(), fault=None) for _ in asks]


async def test_a_replica_answers_within_the_span_of_the_call() -> None:
    tracer = FakeTracer()
    replica = PerceptionReplica.__new__(PerceptionReplica)
    vars(replica).update(_perception=Models(), _tracer=tracer)
    perception = ServePerception({"body": FakeHandle(replica)}, within_s=1, tracer=tracer)
    await perception.bodies([BodyAsk(picture=b"")])
    assert tracer.spans == []
    with tracer.root("perception.call") as span:
        await perception.bodies([BodyAsk(picture=b"")])
    [_, answer] = tracer.spans
    assert (answer.name, answer.parent) == (ANSWER, span.context)
