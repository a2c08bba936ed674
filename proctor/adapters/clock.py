"""The real clock; the only place that reads the machine's time."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Wall time in UTC, monotonic milliseconds, asyncio sleep."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic_ms(self) -> int:
        """Milliseconds that only move forward."""
        return time.monotonic_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)
