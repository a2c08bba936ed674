"""Lists that come in pages, as iterators: the next page is asked for when it is needed."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, TypeVar

from pydantic import BaseModel

from proctor_client.models import Page
from proctor_client.plans import Plan
from proctor_client.senders import AsyncSender, Sender

M = TypeVar("M", bound=BaseModel)


class Pages(Generic[M]):
    """Every item of a list. Iterating again asks again."""

    def __init__(self, sender: Sender, plan: Callable[[str | None], Plan[Page[M]]]) -> None:
        self._sender = sender
        self._plan = plan

    def pages(self, after: str | None = None) -> Iterator[Page[M]]:
        """Page by page; `after` is the `next` of a page that was had before."""
        while True:
            page = self._sender.send(self._plan(after))
            yield page
            if page.next is None or page.next == after:
                return
            after = page.next

    def __iter__(self) -> Iterator[M]:
        for page in self.pages():
            yield from page.items


class AsyncPages(Generic[M]):
    """The same with `async for`."""

    def __init__(self, sender: AsyncSender, plan: Callable[[str | None], Plan[Page[M]]]) -> None:
        self._sender = sender
        self._plan = plan

    async def pages(self, after: str | None = None) -> AsyncIterator[Page[M]]:
        """Page by page; `after` is the `next` of a page that was had before."""
        while True:
            page = await self._sender.send(self._plan(after))
            yield page
            if page.next is None or page.next == after:
                return
            after = page.next

    async def __aiter__(self) -> AsyncIterator[M]:
        async for page in self.pages():
            for item in page.items:
                yield item
