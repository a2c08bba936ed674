"""Recorded sessions judged again in several processes, each with stores of its own."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

from proctor.bootstrap_evidence import open_recordings
from proctor.bootstrap_stores import open_sql
from proctor.domain.errors import InvalidInput
from proctor.domain.recordings import RecordingKey
from proctor.services.replays import Compared, Replays
from proctor.services.what_if import Rejudged, Skipped, rejudged
from proctor.settings import Settings

MOST_AT_ONCE = 8
"""Sessions that one process is handed at a time: enough to open the stores for, few enough to share."""


@asynccontextmanager
async def open_replays(settings: Settings) -> AsyncIterator[Replays]:
    """What replays read from: the recordings and the database.

    Raises:
        StateStoreUnavailable: The database is away or not migrated.
    """
    stores = open_sql(settings)
    try:
        await stores.open()
        yield Replays(open_recordings(settings), stores.archive, stores.sessions, stores.priorities)
    finally:
        await stores.close()


def compare_all(
    settings: Settings, keys: Sequence[RecordingKey], policy_text: str | None, processes: int
) -> Sequence[Compared]:
    """Judge sessions again; the answers come in the order of the keys, whoever made them.

    Args:
        settings: Where everything is.
        keys: Which sessions.
        policy_text: Another policy; None for each session's own.
        processes: How many work at a time; 1 is this one.
    """
    if processes == 1 or len(keys) == 1:
        return _compare(settings, keys, policy_text)
    size = max(1, min(MOST_AT_ONCE, -(-len(keys) // processes)))
    parts = [keys[start : start + size] for start in range(0, len(keys), size)]
    context = multiprocessing.get_context("spawn")  # the store's threads do not live through a fork
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        answers = [pool.submit(_compare, settings, part, policy_text) for part in parts]
        return [one for answer in answers for one in answer.result()]


def _compare(
    settings: Settings, keys: Sequence[RecordingKey], policy_text: str | None
) -> list[Compared]:
    async def work() -> list[Compared]:
        async with open_replays(settings) as replays:
            return [await replays.compare(key, policy_text) for key in keys]

    return asyncio.run(work())


async def judge_again(
    settings: Settings, keys: Sequence[RecordingKey], policy_text: str
) -> AsyncIterator[Rejudged | Skipped]:
    """Judge recordings by another policy, one after the other, in one process beside this one.

    A process and not a thread: judging is Python from end to end, and would take turns with the event
    loop. It is begun for the work and ended with it.
    """
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=context)
    try:
        for key in keys:
            yield await loop.run_in_executor(pool, _judge_one, settings, key, policy_text)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _judge_one(settings: Settings, key: RecordingKey, policy_text: str) -> Rejudged | Skipped:
    try:
        (compared,) = _compare(settings, [key], policy_text)
    except InvalidInput as error:  # no recording (yet), or one that cannot be read
        return Skipped(key.session_id, error.detail)
    return rejudged(compared)
