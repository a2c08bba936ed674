"""Several hosts ask at once: who comes while a batch is read, goes together with the next."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.gathering import Gathering


class SlowReader:
    """Squares numbers; every batch waits until the test lets it go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def read(self, asks: Sequence[int]) -> list[int]:
        self.batches.append(list(asks))
        self.begun.release()
        self.go.acquire()
        if 13 in asks:
            raise ValueError("unlucky")
        return [ask * ask for ask in asks][: 1 if 99 in asks else None]


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def begun(reader: SlowReader) -> None:
    await asyncio.to_thread(reader.begun.acquire)


async def test_those_who_wait_go_together_up_to_the_limit(thread: ThreadPoolExecutor) -> None:
    reader = SlowReader()
    gathering = Gathering[int, int](reader.read, 4, thread)
    first = asyncio.create_task(gathering.answers([1]))
    await begun(reader)
    others = [asyncio.create_task(gathering.answers(asks)) for asks in ([2, 3], [4], [5, 6], [7])]
    await asyncio.sleep(0)
    for _ in range(3):
        reader.go.release()
    assert await first == [1]
    assert [await other for other in others] == [[4, 9], [16], [25, 36], [49]]
    assert reader.batches == [[1], [2, 3, 4], [5, 6, 7]]
    assert await gathering.answers([]) == []


async def test_a_caller_who_gives_up_costs_nobody_anything(thread: ThreadPoolExecutor) -> None:
    reader = SlowReader()
    gathering = Gathering[int, int](reader.read, 4, thread)
    first = asyncio.create_task(gathering.answers([1]))
    await begun(reader)
    second = asyncio.create_task(gathering.answers([2]))
    third = asyncio.create_task(gathering.answers([3]))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    for _ in range(2):
        reader.go.release()
    assert await third == [9]
    assert reader.batches == [[1], [3]]


@pytest.mark.parametrize("asked", [[13], [99, 1]])
async def test_a_batch_that_fails_fails_its_callers_and_not_the_next(
    thread: ThreadPoolExecutor, asked: list[int]
) -> None:
    reader = SlowReader()
    gathering = Gathering[int, int](reader.read, 4, thread)
    reader.go.release()
    with pytest.raises(ValueError):
        await gathering.answers(asked)
    reader.go.release()
    assert await gathering.answers([2]) == [4]


async def test_a_call_larger_than_the_limit_goes_alone(thread: ThreadPoolExecutor) -> None:
    reader = SlowReader()
    gathering = Gathering[int, int](reader.read, 2, thread)
    reader.go.release()
    assert await gathering.answers([1, 2, 3]) == [1, 4, 9]
    assert reader.batches == [[1, 2, 3]]
