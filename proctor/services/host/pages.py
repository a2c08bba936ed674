"""What a host says to candidates' pages, over the live state: send less or more, connect elsewhere."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.ids import SessionId
from proctor.domain.preflights import Rehearsed
from proctor.domain.sending import MediaWish
from proctor.ports import Clock, LiveState
from proctor.services.host.rehearsal import KEPT_S, rehearsal_key, written
from proctor.services.host.sampling import Shed
from proctor.services.host.wishes import Wishes
from proctor.services.judging.page_news import send_key, session_channel

logger = logging.getLogger(__name__)

WISH_KEPT_S = 24 * 3600
MOVING = "moving"
AWAY_MS = 2_000
"""How long nothing is said after the live state did not answer."""


class Pages:
    """Says what is due, one batch at a time, and again when the live state was away.

    Args:
        live: Where pages listen; the last wish is kept there for a page that comes later.
        usual: What pages send when nothing is going on.
        clock: Time.
    """

    def __init__(self, *, live: LiveState, usual: MediaWish, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._wishes = Wishes(usual)
        self._batch: asyncio.Task[None] | None = None
        self._trying: asyncio.Task[None] | None = None
        self._not_before_ms = 0

    def tick(self, looks_hz: Mapping[SessionId, float], shed: Shed, now_ms: int) -> None:
        """Begin to say what is due, unless the batch before is still on its way.

        Args:
            looks_hz: How many pictures a second are looked at, for every session here.
            shed: What the host gives up.
            now_ms: The host's monotonic time.
        """
        is_out = self._batch is not None and not self._batch.done()
        if is_out or now_ms < self._not_before_ms:
            return
        due = self._wishes.due(looks_hz, shed, now_ms)
        if due:
            self._batch = asyncio.create_task(self._say(due))

    def rehearsed(self, tried: Mapping[SessionId, Rehearsed]) -> None:
        """Begin to note what connections that are tried out have shown, unless that goes on already."""
        if tried and (self._trying is None or self._trying.done()):
            self._trying = asyncio.create_task(self._note(tried))

    def connected(self, session_id: SessionId) -> None:
        """A new connection of a session stands: what it is to send is said again."""
        self._wishes.forget(session_id)

    async def move(self, session_ids: Sequence[SessionId]) -> None:
        """Ask pages for a new connection, which will be elsewhere.

        Raises:
            StateStoreUnavailable: Not all of them were asked.
        """
        message = json.dumps({"type": "reconnect", "reason": MOVING})
        for session_id in session_ids:
            await self._live.publish(session_channel(session_id), message)

    async def close(self) -> None:
        """Leave nothing running."""
        for task in (self._batch, self._trying):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _note(self, tried: Mapping[SessionId, Rehearsed]) -> None:
        for name, seen in tried.items():
            try:
                await self._live.put(rehearsal_key(name), written(seen), KEPT_S)
            except StateStoreUnavailable as error:  # the page sees that nothing comes
                logger.warning("a rehearsal could not be noted", extra={"code": error.code})
                return

    async def _say(self, due: Mapping[SessionId, MediaWish]) -> None:
        for session_id, wish in due.items():
            message = json.dumps({"type": "send", **asdict(wish)})
            try:
                await self._live.put(send_key(session_id), message, WISH_KEPT_S)
                await self._live.publish(session_channel(session_id), message)
            except StateStoreUnavailable as error:
                logger.warning("pages could not be told", extra={"code": error.code})
                self._not_before_ms = self._clock.monotonic_ms() + AWAY_MS
                return
            self._wishes.said(session_id, wish, self._clock.monotonic_ms())
