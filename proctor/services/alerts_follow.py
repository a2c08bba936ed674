"""What every reader of the feed does: read after a position, wait for news, read on; and stop in time.

WebSocket, SSE and gRPC differ in how they write a page and in how they tell the end. Nothing of theirs
says whether a reader reads: a proxy in between takes all that it is given. So what may be under way to
a reader is counted here (`Window`) and not left to the connection.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from proctor.domain.alerts import FeedItem
from proctor.domain.errors import Unauthorized
from proctor.domain.ids import ExamId, SessionId
from proctor.domain.roles import Principal
from proctor.ports import Clock, LiveState, Subscription
from proctor.services.alerts import Alerts, alerts_channel
from proctor.services.live_readers import note_caught_up
from proctor.services.tickets import revoked_key

LOOK_S = 5.0
PAGE = 100
MOST_QUESTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a reader asks for.

    Attributes:
        after: The last feed position that it has; 0 for everything.
        session_id: Only this session's alerts.
        exam_id: Only this exam's alerts.
    """

    after: int = 0
    session_id: SessionId | None = None
    exam_id: ExamId | None = None


class Reading(Protocol):
    """What readers need of the product."""

    @property
    def alerts(self) -> Alerts:
        """The feed."""
        ...

    @property
    def live(self) -> LiveState:
        """News of the feed, and revocations."""
        ...

    @property
    def clock(self) -> Clock:
        """Time, for the end of a token."""
        ...


class Following:
    """One reader's place in its tenant's feed.

    Attributes:
        position: The position of the last alert that was given out.
    """

    def __init__(
        self,
        reading: Reading,
        caller: Principal,
        wanted: Wanted,
        *,
        page: int = PAGE,
        look_s: float = LOOK_S,
        has: Callable[[], int | None] = lambda: None,
        came: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Begun by `following`.

        Args:
            reading: The feed and its news.
            caller: Whose tenant's feed; the reading ends with their token.
            wanted: Where to begin, and which alerts.
            page: How many alerts are read from the store at once.
            look_s: How often the reader looks by itself, for what a lost notification did not tell.
            has: Up to which position the reader says to have its feed, while it goes on saying so; None
                when it does not, or cannot. What was only given to it is no reason to leave a sink that
                stands in (`fallback_for: live`) idle: the connection may be dead, or a proxy's.
            came: Told of each alert that came while the reader waited how long ago it was raised, in s.
        """
        self._reading = reading
        self._caller = caller
        self._wanted = wanted
        self._page = page
        self._look_s = look_s
        self._has = has
        self._came = came
        self._news = asyncio.Event()
        self._is_at_head = False
        self.position = wanted.after

    async def next(self) -> Sequence[FeedItem]:
        """The next alerts; none when the head is reached, and whenever `look_s` brought no news.

        Raises:
            CursorAhead: The reader has seen more than there is.
            Unauthorized: The token has expired (auth/expired) or was revoked (auth/revoked).
            Unavailable: A store is away.
        """
        if self._is_at_head:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._news.wait()
        # Before the store is read: what is published from here on wakes the next call.
        self._news.clear()
        await require_token(self._reading, self._caller)
        wanted = self._wanted
        items = await self._reading.alerts.after(
            self._caller.tenant_id, self.position, self._page, wanted.session_id, wanted.exam_id
        )
        if self._is_at_head and items:
            now = self._reading.clock.now()
            for item in items:
                self._came(max((now - item.alert.raised_at).total_seconds(), 0.0))
        self._is_at_head = not items
        if items:
            self.position = items[-1].position
        elif (
            wanted.session_id is None
            and wanted.exam_id is None
            and (has := self._has()) is not None
        ):
            await note_caught_up(self._reading.live, self._caller.tenant_id, has)
        return items

    async def hear(self, subscription: Subscription) -> None:
        """Note every word of news, until cancelled."""
        async for _ in subscription:
            self._news.set()


@contextlib.asynccontextmanager
async def following(
    reading: Reading,
    caller: Principal,
    wanted: Wanted,
    *,
    page: int = PAGE,
    look_s: float = LOOK_S,
    has: Callable[[], int | None] = lambda: None,
    came: Callable[[float], None] = lambda _: None,
) -> AsyncIterator[Following]:
    """Follow the caller's feed. Arguments as `Following`; raises `Unavailable` without live state."""
    subscription = reading.live.listen(alerts_channel(caller.tenant_id))
    found = Following(reading, caller, wanted, page=page, look_s=look_s, has=has, came=came)
    hearing: asyncio.Task[None] | None = None
    try:
        await (
            subscription.start()
        )  # before the backlog is read: what is published from now on wakes us
        hearing = asyncio.create_task(found.hear(subscription), name="alerts-news")
        yield found
    finally:
        if hearing is not None:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
        await subscription.aclose()


async def require_token(reading: Reading, caller: Principal) -> None:
    """Raises `Unauthorized` once the caller's token has expired (auth/expired) or was revoked."""
    if reading.clock.now() >= caller.expires_at:
        raise Unauthorized("The token has expired; get a new one.", "auth/expired")
    if await reading.live.get(revoked_key(caller.token_id)) is not None:
        raise Unauthorized("The token was revoked; get a new one.", "auth/revoked")


class Window:
    """How much may be under way to a reader that cannot be seen reading.

    A reader that answers our questions in their order (the pongs of a WebSocket) gets its room back with
    each answer; one that cannot answer (SSE, gRPC) gets one window, and comes back with its position.

    Attributes:
        given: The feed position up to which alerts were given to the connection.
        has: The one up to which the reader says to have them: by its cursor, then by its answers.
    """

    def __init__(self, most_bytes: int, after: int = 0) -> None:
        self._most = most_bytes
        self._sent = 0
        self._seen = 0
        self._asked: deque[tuple[int, int]] = deque()
        self.given = self.has = after

    def send(self, size: int) -> bool:
        """So many bytes were given to the connection; whether more may follow."""
        self._sent += size
        return not self.is_full

    def ask(self) -> None:
        """A question followed all that was sent so far."""
        if (
            len(self._asked) < MOST_QUESTIONS
        ):  # one that never answers is let go by size, not by count
            self._asked.append((self._sent, self.given))

    def answer(self) -> bool:
        """The oldest question was answered; False when there is none."""
        if not self._asked:
            return False
        self._seen, self.has = self._asked.popleft()
        return True

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be sent now."""
        return self._sent - self._seen >= self._most

    @property
    def owes_question(self) -> bool:
        """Whether half of it is under way with no question behind it."""
        last = self._asked[-1][0] if self._asked else self._seen
        return self._sent - last >= self._most // 2

    @property
    def is_asked(self) -> bool:
        """Whether a question is behind every alert that was given."""
        return self.given <= (self._asked[-1][1] if self._asked else self.has)
