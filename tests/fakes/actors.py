"""Actors without Ray: an object is called through `.method.remote(...)`, as a handle would be."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class FakeMethod:
    """`handle.method`: the call begins at once and its answer is awaited."""

    def __init__(self, method: Callable[..., Awaitable[Any]]) -> None:
        self._method = method

    def remote(self, *arguments: object, **along: object) -> Awaitable[Any]:
        return asyncio.ensure_future(self._method(*arguments, **along))


class FakeHandle:
    """What a named actor's handle is to its caller."""

    def __init__(self, inside: object) -> None:
        self.inside = inside

    def __getattr__(self, name: str) -> FakeMethod:
        return FakeMethod(getattr(self.inside, name))


class FakeActors:
    """Named actors; give `find` to `Mailboxes`."""

    def __init__(self, **inside: object) -> None:
        self.inside: dict[str, object] = {
            name.replace("_", "-"): value for name, value in inside.items()
        }
        self.lookups: list[str] = []

    def find(self, name: str) -> FakeHandle:
        self.lookups.append(name)
        if name not in self.inside:
            raise ValueError(f"no actor named {name}")
        return FakeHandle(self.inside[name])
