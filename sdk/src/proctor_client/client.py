"""The two clients: `Client` for threads, `AsyncClient` for coroutines. They offer the same."""

import os

import httpx

from proctor_client import calls
from proctor_client.alerts import Alerts, AsyncAlerts
from proctor_client.async_resources import (
    AsyncCandidates,
    AsyncExams,
    AsyncIncidents,
    AsyncSessions,
)
from proctor_client.errors import ClientError
from proctor_client.evidence import AsyncEvidence, Evidence
from proctor_client.models import Joined, StaffToken
from proctor_client.resources import Candidates, Exams, Incidents, Sessions
from proctor_client.retries import Retries
from proctor_client.senders import AGENT, AsyncSender, Sender, Token
from proctor_client.whip import AsyncWhip, Whip

HEADERS = {"User-Agent": AGENT, "Accept": "application/json"}
TIMEOUT_S = 30.0
CALM = Retries()


def from_environment() -> tuple[str, str]:
    """PROCTOR_URL and PROCTOR_TOKEN. Raises `ClientError` when one is missing."""
    found = os.environ.get("PROCTOR_URL"), os.environ.get("PROCTOR_TOKEN")
    if not found[0] or not found[1]:
        raise ClientError("Set PROCTOR_URL and PROCTOR_TOKEN (`proctor token --role ...`).")
    return found[0], found[1]


class Client:
    """A RayProctor server, from threads. Close it, or use it with `with`.

    Args:
        url: The server's address, `https://proctor.example`.
        token: A bearer token, or a function that gives one for each call; None for `join` alone.
        timeout_s: For connecting, and for each wait for bytes.
        retries: How patient; see `Retries`.
        http: A configured httpx client to use in place of an own one; it is not closed.
    """

    def __init__(
        self,
        url: str,
        token: Token = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: Retries = CALM,
        http: httpx.Client | None = None,
    ) -> None:
        self._owns = http is None
        self._http = http or httpx.Client(base_url=url, headers=HEADERS, timeout=timeout_s)
        if http is not None:
            http.base_url = httpx.URL(url)
        self._sender = Sender(self._http, token, retries)
        self.exams = Exams(self._sender)
        self.candidates = Candidates(self._sender)
        self.sessions = Sessions(self._sender)
        self.incidents = Incidents(self._sender)
        self.evidence = Evidence(self._sender)
        self.alerts = Alerts(self._sender)

    @classmethod
    def from_env(cls) -> "Client":
        """As PROCTOR_URL and PROCTOR_TOKEN say."""
        return cls(*from_environment())

    def join(self, ticket: str) -> Joined:
        """Exchange a candidate's one-time ticket for a token of its session."""
        return self._sender.send(calls.join(ticket))

    def sign_in(self, ticket: str) -> StaffToken:
        """Exchange a sign-in ticket for a staff member's token."""
        return self._sender.send(calls.sign_in(ticket))

    def whip(self, joined: Joined) -> Whip:
        """The media connections of a joined candidate."""
        return Whip(self._sender, joined)

    def close(self) -> None:
        """Let go of the connections."""
        if self._owns:
            self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """A RayProctor server, from coroutines. Close it, or use it with `async with`.

    Args:
        url: The server's address, `https://proctor.example`.
        token: A bearer token, or a function that gives one for each call; None for `join` alone.
        timeout_s: For connecting, and for each wait for bytes.
        retries: How patient; see `Retries`.
        http: A configured httpx client to use in place of an own one; it is not closed.
    """

    def __init__(
        self,
        url: str,
        token: Token = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: Retries = CALM,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._owns = http is None
        self._http = http or httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=timeout_s)
        if http is not None:
            http.base_url = httpx.URL(url)
        self._sender = AsyncSender(self._http, token, retries)
        self.exams = AsyncExams(self._sender)
        self.candidates = AsyncCandidates(self._sender)
        self.sessions = AsyncSessions(self._sender)
        self.incidents = AsyncIncidents(self._sender)
        self.evidence = AsyncEvidence(self._sender)
        self.alerts = AsyncAlerts(self._sender)

    @classmethod
    def from_env(cls) -> "AsyncClient":
        """As PROCTOR_URL and PROCTOR_TOKEN say."""
        return cls(*from_environment())

    async def join(self, ticket: str) -> Joined:
        """Exchange a candidate's one-time ticket for a token of its session."""
        return await self._sender.send(calls.join(ticket))

    async def sign_in(self, ticket: str) -> StaffToken:
        """Exchange a sign-in ticket for a staff member's token."""
        return await self._sender.send(calls.sign_in(ticket))

    def whip(self, joined: Joined) -> AsyncWhip:
        """The media connections of a joined candidate."""
        return AsyncWhip(self._sender, joined)

    async def aclose(self) -> None:
        """Let go of the connections."""
        if self._owns:
            await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
