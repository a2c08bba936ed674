"""A mailbox opens its object once, notices when its loop ends, and callers see our errors only."""

import asyncio
import pickle

import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from actors.mailbox import Mailboxes, MailboxSpec, NoAnswer, Owned, answered
from proctor.domain.errors import (
    Conflict,
    InvalidInput,
    NoCapacity,
    PerceptionUnavailable,
    Unavailable,
)
from tests.fakes.actors import FakeActors

SPEC = MailboxSpec(name="proctor-host-0", version="v1")


class Loop:
    """An object whose loop ends when it is told to."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.is_closed = False

    async def run(self) -> None:
        await self.end.wait()
        raise RuntimeError("the loop broke")

    async def close(self) -> None:
        self.is_closed = True


async def test_an_owned_object_opens_by_itself_and_is_well_while_its_loop_runs() -> None:
    inside = Loop()

    async def factory(spec: MailboxSpec) -> Loop:
        assert spec == SPEC
        return inside

    owned = Owned(factory, SPEC)
    assert await owned.get() is inside
    await owned.check()

    inside.end.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await owned.check()

    await owned.close()
    assert inside.is_closed


async def test_a_factory_that_fails_makes_every_call_fail() -> None:
    async def factory(_spec: MailboxSpec) -> Loop:
        raise Conflict("another shard has taken over")

    owned = Owned(factory, SPEC)
    for _ in range(2):
        with pytest.raises(Conflict):
            await owned.get()


class Raising:
    """An actor that answers with an error, as Ray hands it to the caller."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def call(self) -> None:
        raise self._error


def wrapped(error: Exception) -> RayTaskError:
    """As it arrives: pickled there and back, in a class that Ray makes on the spot."""
    travelled = pickle.loads(pickle.dumps(error))
    return RayTaskError(
        "call", "traceback", travelled, "title", 1, "127.0.0.1"
    ).as_instanceof_cause()


async def test_the_callee_s_own_error_keeps_its_code_and_status() -> None:
    sent = InvalidInput("the offer has no video", "webrtc/no-video", 422)
    actors = FakeActors(a=Raising(wrapped(sent)))

    with pytest.raises(InvalidInput) as caught:
        await Mailboxes(actors.find).ask("a", "call", within_s=1)
    assert (caught.value.code, caught.value.status, caught.value.detail) == (
        "webrtc/no-video",
        422,
        "the offer has no video",
    )


async def test_a_dead_actor_is_away_and_is_looked_up_again() -> None:
    actors = FakeActors(a=Raising(ActorDiedError()))
    mailboxes = Mailboxes(actors.find)

    for _ in range(2):
        with pytest.raises(Unavailable):
            await mailboxes.ask("a", "call", within_s=1)
    assert actors.lookups == ["a", "a"]


class Slow:
    """An actor that notes what it is told and never answers."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def call(self, what: str) -> None:
        self.told.append(what)
        await asyncio.Event().wait()


async def test_an_actor_that_is_too_slow_is_told_apart_from_a_dead_one() -> None:
    actors = FakeActors(a=Slow())
    mailboxes = Mailboxes(actors.find)
    for _ in range(2):
        with pytest.raises(NoAnswer):
            await mailboxes.ask("a", "call", "this", within_s=0.01)
    assert actors.lookups == ["a", "a"]


async def test_telling_an_actor_waits_for_nothing() -> None:
    slow = Slow()
    mailboxes = Mailboxes(FakeActors(a=slow).find)
    await mailboxes.tell("a", "call", "this")
    await asyncio.sleep(0)
    assert slow.told == ["this"]
    with pytest.raises(Unavailable):
        await mailboxes.tell("nobody", "call")


async def test_an_unknown_actor_is_away() -> None:
    with pytest.raises(Unavailable):
        await Mailboxes(FakeActors().find).ask("nobody", "call", within_s=1)


async def test_a_handle_is_remembered_while_the_actor_answers() -> None:
    class Answering:
        async def call(self) -> int:
            return 7

    actors = FakeActors(a=Answering())
    mailboxes = Mailboxes(actors.find)
    assert [await mailboxes.ask("a", "call", within_s=1) for _ in range(3)] == [7, 7, 7]
    assert actors.lookups == ["a"]


async def test_a_refusal_does_not_forget_the_handle() -> None:
    actors = FakeActors(a=Raising(wrapped(NoCapacity("full"))))
    mailboxes = Mailboxes(actors.find)
    for _ in range(2):
        with pytest.raises(NoCapacity):
            await mailboxes.ask("a", "call", within_s=1)
    assert actors.lookups == ["a"]


async def test_a_slow_answer_is_told_as_the_error_that_was_asked_for() -> None:
    with pytest.raises(PerceptionUnavailable, match="model group face did not answer"):
        await answered(
            asyncio.sleep(5), who="model group face", within_s=0.01, away=PerceptionUnavailable
        )


async def test_a_timeout_inside_the_callee_is_a_bug_and_stays_one() -> None:
    async def call() -> None:
        raise wrapped(TimeoutError("inside"))

    with pytest.raises(RayTaskError):
        await answered(call(), who="a", within_s=1)
