"""A clock that moves only when a test says so."""

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Starts at noon UTC, monotonic 0. `advance` moves both and wakes sleepers in order."""

    def __init__(self) -> None:
        self._start = datetime(2026, 1, 1, 12, tzinfo=UTC)
        self._elapsed_ms = 0
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(milliseconds=self._elapsed_ms)

    def monotonic_ms(self) -> int:
        return self._elapsed_ms

    async def sleep(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed_ms + round(seconds * 1000), waiter))
        await waiter

    def stall(self, milliseconds: int) -> None:
        """The machine was busy: time passes and nobody runs; sleepers wake late at the next advance."""
        self._elapsed_ms += milliseconds

    async def advance(self, milliseconds: int) -> None:
        """Move on; every sleeper that is due wakes at its own moment and runs before the next."""
        target = self._elapsed_ms + milliseconds
        while due := [item for item in self._sleepers if item[0] <= target]:
            due_ms, waiter = min(due, key=lambda item: item[0])
            self._sleepers.remove((due_ms, waiter))
            self._elapsed_ms = max(self._elapsed_ms, due_ms)
            if not waiter.done():
                waiter.set_result(None)
            for _ in range(10):
                await asyncio.sleep(0)
        self._elapsed_ms = target
        for _ in range(10):
            await asyncio.sleep(0)
