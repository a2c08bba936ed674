"""Batches reach their group's replicas in order, cut to size, and once more when a replica died."""

import asyncio
from collections.abc import Sequence

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError

from actors.perception import CALL_LIMIT_BYTES, ServePerception, in_calls, size_bytes
from proctor.domain.errors import InvalidInput, PerceptionUnavailable
from proctor.domain.perception import BodyAnswer, BodyAsk, FaceAnswer, FaceAsk
from tests.fakes.actors import FakeHandle

MEGABYTE = 2**20


class Replica:
    """Answers by the first byte of the picture; dies on its first `deaths` calls."""

    def __init__(self, deaths: Sequence[Exception] = (), delay_s: float = 0.0) -> None:
        self.deaths = list(deaths)
        self.delay_s = delay_s
        self.calls: list[int] = []

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        self.calls.append(len(asks))
        if self.deaths:
            raise self.deaths.pop(0)
        await asyncio.sleep(self.delay_s)
        return [BodyAnswer(points=None, producers=(), fault=None) for _ in asks]

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        self.calls.append(len(asks))
        return [FaceAnswer(faces=(), producers=(), detected=bool(ask.picture[0])) for ask in asks]


def perception(replica: Replica, within_s: float = 1.0) -> ServePerception:
    handle = FakeHandle(replica)
    return ServePerception({"face": handle, "body": handle, "speech": handle}, within_s=within_s)


async def test_answers_come_in_the_order_of_the_asks_across_calls() -> None:
    asks = [FaceAsk(picture=bytes([index % 2]) * MEGABYTE) for index in range(7)]
    replica = Replica()
    answers = await perception(replica).faces(asks)
    assert [answer.detected for answer in answers] == [False, True] * 3 + [False]
    assert len(replica.calls) > 1
    assert sum(replica.calls) == 7


def test_every_call_stays_below_the_limit_and_none_is_empty() -> None:
    asks = [BodyAsk(picture=bytes(size)) for size in (10, MEGABYTE, 2 * MEGABYTE, 30, MEGABYTE)]
    calls = in_calls(asks)
    assert [ask for call in calls for ask in call] == asks
    assert all(0 < sum(map(size_bytes, call)) <= CALL_LIMIT_BYTES for call in calls)


def test_a_picture_that_fits_into_no_message_is_refused() -> None:
    with pytest.raises(InvalidInput):
        in_calls([BodyAsk(picture=bytes(4 * MEGABYTE))])


@pytest.mark.parametrize("death", [ActorDiedError(), ActorUnavailableError("gone", None)])
async def test_a_replica_that_dies_under_the_call_is_asked_again_once(death: Exception) -> None:
    replica = Replica(deaths=[death])
    assert len(await perception(replica).bodies([BodyAsk(picture=b"x")])) == 1
    assert replica.calls == [1, 1]


async def test_a_second_death_is_told() -> None:
    replica = Replica(deaths=[ActorDiedError(), ActorDiedError()])
    with pytest.raises(PerceptionUnavailable):
        await perception(replica).bodies([BodyAsk(picture=b"x")])


async def test_a_replica_that_is_too_slow_is_told() -> None:
    with pytest.raises(PerceptionUnavailable, match="body"):
        await perception(Replica(delay_s=5), within_s=0.02).bodies([BodyAsk(picture=b"x")])


async def test_nothing_asked_makes_no_call() -> None:
    replica = Replica()
    assert await perception(replica).bodies([]) == []
    assert replica.calls == []
