"""Which sessions a host that is being emptied asks to move, in waves.

Pure: time comes in as an argument.
"""

from collections.abc import Collection
from dataclasses import dataclass

from proctor.domain.ids import SessionId

ASK_AGAIN_MS = 10_000
LET_GO_MS = 30_000


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be done now.

    Attributes:
        ask: Whose pages to ask for a connection elsewhere.
        let_go: Whose connection to close: they were asked long ago and are still here.
    """

    ask: tuple[SessionId, ...]
    let_go: tuple[SessionId, ...]


class Moves:
    """Who was asked and when: each is asked every 10 s, and let go half a minute after the first time.

    A client without a control channel (a plain WHIP client) hears nothing of the wish; that its
    connection is closed in order is what it understands.
    """

    def __init__(self) -> None:
        self._asked: dict[SessionId, tuple[int, int]] = {}

    def turn(self, here: Collection[SessionId], wave: int, now_ms: int) -> Turn:
        """The next wave.

        Args:
            here: The sessions that the host still has.
            wave: How many that were not asked yet may be asked.
            now_ms: The host's monotonic time.
        """
        self._asked = {one: times for one, times in self._asked.items() if one in here}
        overdue = {one for one, (first, _) in self._asked.items() if now_ms - first >= LET_GO_MS}
        again = [
            one
            for one, (_, last) in self._asked.items()
            if one not in overdue and now_ms - last >= ASK_AGAIN_MS
        ]
        fresh = [one for one in here if one not in self._asked][: max(wave, 0)]
        for one in again:
            self._asked[one] = (self._asked[one][0], now_ms)
        for one in fresh:
            self._asked[one] = (now_ms, now_ms)
        return Turn(tuple(again + fresh), tuple(sorted(overdue)))
