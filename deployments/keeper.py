"""A replica that answers nobody and keeps one loop running: the dispatcher, the reconciler."""

from collections.abc import Awaitable, Callable
from typing import Any

from actors.mailbox import MailboxSpec, Owned, Runs


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
