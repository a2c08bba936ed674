"""A replica that answers nobody and keeps loops running: the dispatcher's, the reconciler's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from actors.mailbox import MailboxSpec, Owned, Runs


class Loop(Protocol):
    """Something that works until it is cancelled."""

    async def run(self) -> None:
        """Work."""
        ...


class Loops:
    """Several loops in one process, because each alone would be a process of its own."""

    def __init__(self, *loops: Loop) -> None:
        self._loops = loops

    async def run(self) -> None:
        """Work; when one loop fails, all end, and Serve replaces the replica."""
        async with asyncio.TaskGroup() as together:
            for loop in self._loops:
                together.create_task(loop.run())

    async def close(self) -> None:
        """Nothing stays open."""


class Keeper:
    """Runs what its factory makes; Serve replaces the replica when the loop has ended."""

    def __init__(self, factory: Callable[..., Awaitable[Runs]], *arguments: Any) -> None:
        self._factory = factory
        self._arguments = arguments
        name = factory.__name__.removeprefix("build_")
        self._owned = Owned(self._make, MailboxSpec(name=name, version=""))

    async def _make(self, _spec: MailboxSpec) -> Runs:
        return await self._factory(*self._arguments)

    async def check_health(self) -> None:
        """Raises when the loop has ended, or could not begin."""
        await self._owned.check()

    async def close(self) -> None:
        """End the loop."""
        await self._owned.close()
