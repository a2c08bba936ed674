"""A candidate's media connection by WHIP (RFC 9725), for tests and kiosks. The SDP is the caller's.

Every offer is a new connection; an offer after a break resumes the session. Calls are made with the
candidate's own token, which came from the join ticket.
"""

from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpx

from proctor_client.errors import AnswerNotUnderstood
from proctor_client.models import Joined
from proctor_client.plans import Plan, nothing
from proctor_client.senders import AsyncSender, Sender

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The server's side of a connection.

    Attributes:
        sdp: The answer.
        url: Where the connection is trickled to and left.
        etag: Names the connection.
    """

    sdp: str = field(repr=False)
    url: str
    etag: str


def _offer(whip_url: str, sdp: str) -> Plan[Answer]:
    """Not repeated by itself: each offer is another connection."""

    def read(response: httpx.Response) -> Answer:
        location = response.headers.get("location")
        if response.status_code != 201 or not location:
            raise AnswerNotUnderstood("The answer to an offer names no connection.")
        url = urljoin(whip_url, location)
        if urlsplit(url)[:2] != urlsplit(whip_url)[:2]:
            raise AnswerNotUnderstood("The connection would be at another server.")
        return Answer(sdp=response.text, url=url, etag=response.headers.get("etag", "*"))

    return Plan(
        method="POST",
        path=whip_url,
        read=read,
        content=sdp.encode(),
        headers={"Content-Type": SDP, "Accept": SDP},
    )


def _trickle(answer: Answer, fragment: str) -> Plan[None]:
    headers = {"Content-Type": FRAGMENT, "If-Match": answer.etag}
    return Plan(
        method="PATCH", path=answer.url, read=nothing, content=fragment.encode(), headers=headers
    )


def _leave(answer: Answer) -> Plan[None]:
    return Plan(method="DELETE", path=answer.url, read=nothing)


class Whip:
    """The connections of one joined candidate, one at a time."""

    def __init__(self, sender: Sender, joined: Joined) -> None:
        self.joined = joined
        self._sender = Sender(sender.http, joined.token, sender.retries)
        self.answer: Answer | None = None

    def offer(self, sdp: str) -> Answer:
        """Offer media; again after a break, to resume."""
        self.answer = self._sender.send(_offer(self.joined.whip_url, sdp))
        return self.answer

    def trickle(self, fragment: str) -> None:
        """Add ICE candidates to the connection of the last offer."""
        self._sender.send(_trickle(_open(self.answer), fragment))

    def leave(self) -> None:
        """Close the connection; the session goes on and may be resumed. Leaving twice is one."""
        if self.answer is not None:
            answer, self.answer = self.answer, None
            self._sender.send(_leave(answer))


class AsyncWhip:
    """The same with `await`."""

    def __init__(self, sender: AsyncSender, joined: Joined) -> None:
        self.joined = joined
        self._sender = AsyncSender(sender.http, joined.token, sender.retries)
        self.answer: Answer | None = None

    async def offer(self, sdp: str) -> Answer:
        """Offer media; again after a break, to resume."""
        self.answer = await self._sender.send(_offer(self.joined.whip_url, sdp))
        return self.answer

    async def trickle(self, fragment: str) -> None:
        """Add ICE candidates to the connection of the last offer."""
        await self._sender.send(_trickle(_open(self.answer), fragment))

    async def leave(self) -> None:
        """Close the connection; the session goes on and may be resumed. Leaving twice is one."""
        if self.answer is not None:
            answer, self.answer = self.answer, None
            await self._sender.send(_leave(answer))


def _open(answer: Answer | None) -> Answer:
    if answer is None:
        raise ValueError("there is no connection yet: offer first")
    return answer
