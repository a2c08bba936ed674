"""Plans go out, results come back: once for threads, once for coroutines, the same rules in both."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import httpx

from proctor_client.errors import AnswerNotUnderstood, ConnectionFailed
from proctor_client.plans import Plan, problem_of
from proctor_client.retries import Retries

T = TypeVar("T")
Token = str | Callable[[], str] | None
AGENT = "rayproctor-client/0.1.0"


def token_of(token: Token) -> str | None:
    """The token now: a caller whose tokens end gives a function that makes new ones."""
    return token() if callable(token) else token


def failed(error: httpx.HTTPError) -> ConnectionFailed:
    """What a broken connection is told as; no address, since a query may hold a signature."""
    return ConnectionFailed(f"No whole answer came ({type(error).__name__}).")


def checked(response: httpx.Response, plan: Plan[T]) -> T:
    """The result of an answer that was read. Raises `Problem` or `AnswerNotUnderstood`."""
    if response.is_success:
        return plan.read(response)
    if response.is_redirect:
        raise AnswerNotUnderstood(f"The server sends elsewhere ({response.status_code}).")
    raise problem_of(response)


class Sender:
    """Sends plans and waits for their answers."""

    def __init__(self, http: httpx.Client, token: Token, retries: Retries) -> None:
        self.http = http
        self.retries = retries
        self._token = token

    def send(self, plan: Plan[T]) -> T:
        """The result of the call. Raises `ClientError`s, as errors.py draws them."""
        result: T = self.retries.sync(plan.repeatable)(self.once, plan)
        return result

    def once(self, plan: Plan[T]) -> T:
        """The same in one try."""
        try:
            response = self.http.send(self.request(plan))
        except httpx.HTTPError as error:
            raise failed(error) from error
        return checked(response, plan)

    def request(self, plan: Plan[T]) -> httpx.Request:
        """The plan as a request with the caller's token."""
        return plan.build(self.http, token_of(self._token))

    @contextmanager
    def open(self, plan: Plan[T], timeout: httpx.Timeout | None = None) -> Iterator[httpx.Response]:
        """One try whose body comes piece by piece. Raises `Problem`, `ConnectionFailed`."""
        request = self.request(plan)
        if timeout is not None:
            request.extensions["timeout"] = timeout.as_dict()
        try:
            response = self.http.send(request, stream=True)
            try:
                if not response.is_success:
                    response.read()
                    checked(response, plan)
                yield response
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise failed(error) from error


class AsyncSender:
    """The same for coroutines."""

    def __init__(self, http: httpx.AsyncClient, token: Token, retries: Retries) -> None:
        self.http = http
        self.retries = retries
        self._token = token

    async def send(self, plan: Plan[T]) -> T:
        """The result of the call. Raises `ClientError`s, as errors.py draws them."""
        return await self.retries.asynchronous(plan.repeatable)(self.once, plan)

    async def once(self, plan: Plan[T]) -> T:
        """The same in one try."""
        try:
            response = await self.http.send(self.request(plan))
        except httpx.HTTPError as error:
            raise failed(error) from error
        return checked(response, plan)

    def request(self, plan: Plan[T]) -> httpx.Request:
        """The plan as a request with the caller's token."""
        return plan.build(self.http, token_of(self._token))

    @asynccontextmanager
    async def open(
        self, plan: Plan[T], timeout: httpx.Timeout | None = None
    ) -> AsyncIterator[httpx.Response]:
        """One try whose body comes piece by piece. Raises `Problem`, `ConnectionFailed`."""
        request = self.request(plan)
        if timeout is not None:
            request.extensions["timeout"] = timeout.as_dict()
        try:
            response = await self.http.send(request, stream=True)
            try:
                if not response.is_success:
                    await response.aread()
                    checked(response, plan)
                yield response
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise failed(error) from error
