"""Waiting no longer than a deadline, by the product's own clock."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from proctor.ports import Clock

T = TypeVar("T")


class TimedOut(Exception):
    """Something did not come within its deadline."""


async def within(clock: Clock, deadline_ms: int, work: Coroutine[Any, Any, T]) -> T:
    """Await `work` for at most `deadline_ms` by the given clock; it is cancelled when late.

    Raises:
        TimedOut: It was late.
    """
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(deadline_ms / 1000))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimedOut(f"no answer within {deadline_ms} ms")
        return await task
    finally:
        for each in (task, alarm):
            each.cancel()
        await asyncio.gather(task, alarm, return_exceptions=True)
