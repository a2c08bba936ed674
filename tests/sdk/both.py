"""One suite for two clients: a test says what it wants of a client, and is run with either."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from proctor_client import AsyncClient, Client, Retries

Kind = Literal["threads", "coroutines"]
HASTY = Retries(attempts=4, first_wait_s=0.01, longest_wait_s=2.0)


class Both:
    """A client of one kind, as a coroutine whichever it is."""

    def __init__(self, kind: Kind, url: str, token: Any, retries: Retries = HASTY) -> None:
        self.kind = kind
        self.url = url
        self.client: Any = (Client if kind == "threads" else AsyncClient)(
            url, token, retries=retries, timeout_s=5
        )

    def as_(self, token: Any, retries: Retries = HASTY) -> "Both":
        """The same kind for another caller; the test closes it."""
        return Both(self.kind, self.url, token, retries)

    async def call(self, ask: Callable[[Any], Any]) -> Any:
        """What a call gives."""
        if self.kind == "threads":
            return await asyncio.to_thread(ask, self.client)
        return await ask(self.client)

    async def items(self, ask: Callable[[Any], Any], most: int | None = None) -> list[Any]:
        """What an iterator gives, up to so many; streams are left then."""
        if self.kind == "threads":
            return await asyncio.to_thread(self._gather, ask, most)
        found: list[Any] = []
        iterator = ask(self.client)
        async for item in iterator:
            found.append(item)
            if len(found) == most:
                break
        if hasattr(iterator, "aclose"):
            await iterator.aclose()
        return found

    def _gather(self, ask: Callable[[Any], Any], most: int | None) -> list[Any]:
        found: list[Any] = []
        iterator = ask(self.client)
        for item in iterator:
            found.append(item)
            if len(found) == most:
                break
        if hasattr(iterator, "close"):
            iterator.close()
        return found

    async def close(self) -> None:
        if self.kind == "threads":
            self.client.close()
        else:
            await self.client.aclose()
