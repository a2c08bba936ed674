"""How much each page is asked to send: less while the host is pressed, more while it looks closer.

Pure: time comes in as an argument. The size of the picture is never part of it: no threshold was measured
at another one. What is given is pictures a second, and with them bits: a picture stays as sharp as it was.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace

from proctor.domain.ids import SessionId
from proctor.domain.sending import MediaWish
from proctor.services.host.sampling import Shed

SPARE = 1.25
"""A quarter more pictures than looks, so that a look finds one that it has not seen."""

LEAST_FPS = 2
"""Below this, a stopped camera (3 s) is told from a slow one by too few pictures."""

MOST_FPS = 10
CALM_MS = 20_000
SPREAD_MS = 10_000
LESS_AFTER_MS = 10_000


def wish_for(usual: MediaWish, looks_hz: float, is_pressed: bool) -> MediaWish:
    """What to ask for.

    Args:
        usual: What is asked for when nothing is going on.
        looks_hz: How many pictures a second the face group looks at now.
        is_pressed: Whether the host gives looks up.

    Returns:
        At most the usual rate while pressed, at least the usual one otherwise.
    """
    needed = math.ceil(SPARE * looks_hz)
    wanted = min(needed, usual.fps) if is_pressed else max(needed, usual.fps)
    fps = max(min(wanted, MOST_FPS), min(LEAST_FPS, usual.fps))
    kbps = min(usual.max_kbps, round(usual.max_kbps * fps / usual.fps))
    return replace(usual, fps=fps, max_kbps=kbps)


class Wishes:
    """What every page was asked for, and what is to be said now.

    A host that gave up more than bodies is pressed; it counts as calm again for a session 20 to 30 s after
    (each its own moment, so that all do not send more at once). More is said at once, less than was said
    before at most every 10 s. What a new connection sends is said first: another host may have asked else.
    """

    def __init__(self, usual: MediaWish) -> None:
        self._usual = usual
        self._pressed_ms: int | None = None
        self._said: dict[SessionId, tuple[MediaWish, int]] = {}

    def due(
        self, looks_hz: Mapping[SessionId, float], shed: Shed, now_ms: int
    ) -> dict[SessionId, MediaWish]:
        """What is to be said, by session.

        Args:
            looks_hz: How many pictures a second are looked at, for every session here.
            shed: What the host gives up.
            now_ms: The host's monotonic time.
        """
        if shed >= Shed.SMALL_FACES:
            self._pressed_ms = now_ms
        for gone in self._said.keys() - looks_hz.keys():
            del self._said[gone]
        wishes = {
            session_id: wish_for(self._usual, hz, self._is_pressed(session_id, now_ms))
            for session_id, hz in looks_hz.items()
        }
        return {
            session_id: wish
            for session_id, wish in wishes.items()
            if self._is_news(session_id, wish, now_ms)
        }

    def said(self, session_id: SessionId, wish: MediaWish, now_ms: int) -> None:
        """The page was asked for this."""
        self._said[session_id] = (wish, now_ms)

    def forget(self, session_id: SessionId) -> None:
        """Its connection is another one: say again what is wished for."""
        self._said.pop(session_id, None)

    def _is_news(self, session_id: SessionId, wish: MediaWish, now_ms: int) -> bool:
        if session_id not in self._said:
            return True
        before, said_ms = self._said[session_id]
        if wish.fps < before.fps:
            return now_ms - said_ms >= LESS_AFTER_MS
        return wish != before

    def _is_pressed(self, session_id: SessionId, now_ms: int) -> bool:
        if self._pressed_ms is None:
            return False
        part = hashlib.sha256(session_id.encode()).digest()[0] / 256
        return now_ms - self._pressed_ms < CALM_MS + part * SPREAD_MS
