"""Asks of several callers become one batch: while one is being read, those who come wait for the next.

Nothing waits for a batch to fill: on an idle GPU an ask is read at once, under load batches grow by
themselves until the limit.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class _Caller(Generic[Ask, Answer]):
    asks: Sequence[Ask]
    answers: "asyncio.Future[list[Answer]]"


class Gathering(Generic[Ask, Answer]):
    """One model group's asks, from whoever comes.

    Args of the constructor:
        read: Reads a batch, answers in the order of the asks. Runs on `thread`.
        most: Most asks of one batch; a caller with more has them to himself.
        thread: Where batches are read, one at a time.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Ask]], Sequence[Answer]],
        most: int,
        thread: Executor,
    ) -> None:
        self._read = read
        self._most = most
        self._thread = thread
        self._callers: deque[_Caller[Ask, Answer]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def answers(self, asks: Sequence[Ask]) -> list[Answer]:
        """As many answers as asks. Raises what reading the batch raised."""
        if not asks:
            return []
        caller = _Caller[Ask, Answer](asks, asyncio.get_running_loop().create_future())
        self._callers.append(caller)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._go_on())
        return await caller.answers

    async def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next():
            asks = [ask for caller in batch for ask in caller.asks]
            try:
                answers = await loop.run_in_executor(self._thread, self._read, asks)
                if len(answers) != len(asks):
                    raise ValueError(f"{len(asks)} asks had {len(answers)} answers")
            except Exception as error:  # noqa: BLE001  # it is the callers' to handle
                for caller in batch:
                    if not caller.answers.done():
                        caller.answers.set_exception(error)
                continue
            rest = iter(answers)
            for caller in batch:
                its = [next(rest) for _ in caller.asks]
                if not caller.answers.done():
                    caller.answers.set_result(its)

    def _next(self) -> list[_Caller[Ask, Answer]]:
        """Those whose asks go together; who gave up meanwhile is left out."""
        batch: list[_Caller[Ask, Answer]] = []
        room = self._most
        while self._callers:
            if self._callers[0].answers.done():
                self._callers.popleft()
                continue
            size = len(self._callers[0].asks)
            if batch and size > room:
                break
            batch.append(self._callers.popleft())
            room -= size
        return batch
