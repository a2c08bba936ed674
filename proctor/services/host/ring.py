"""The newest stretch of received media as it came, never more than so many bytes.

Video is kept in runs that begin with a key picture, so that what is left can always be decoded from its
beginning. Senders of WebRTC make a key only when asked, so one is asked for when the newest is old: rarely,
since a key changes every pixel a little, and a stopped camera would look alive (docs/evidence-capture.md).
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import zip_longest

from proctor.domain.media import CodedPicture, CodedSound, Strip

KEY_EVERY_MS = 30_000
ASK_AGAIN_MS = 1_000
RUNS_AT_LEAST = 3
"""A run that fills more than a third is ended by a key: dropping one must not empty the ring."""

VIDEO_HZ = 90_000
SOUND_HZ = 48_000
JUMP_MS = 2_000
"""A sender's clock that is farther off than this from when its media came has begun anew."""

PACKET_BYTES = 220
"""What keeping a picture or a packet costs besides its bytes (measured with tracemalloc)."""

RUN_BYTES = 400
"""What a run costs besides its pictures: a sender of nothing but keys holds no more than others."""


class Timeline:
    """Places media of one stream in session time by the sender's own clock; it only goes forward."""

    def __init__(self, ticks_hz: int) -> None:
        self._ticks_hz = ticks_hz
        self._ticks = 0
        self._exact_ms: float | None = None
        self._last_ms = -1

    def place(self, ticks: int, received_ms: int) -> int:
        """When it was captured: after all before it, by the sender's clock from when its first came.

        What comes earlier than that clock says proves that the first was late: the lag is made up for by
        and by, so that sound is not crowded.
        """
        if self._exact_ms is None:
            self._exact_ms = float(received_ms)
        else:
            step = (ticks - self._ticks) & 0xFFFFFFFF
            step -= (1 << 32) if step >= 1 << 31 else 0
            step_ms = step * 1000 / self._ticks_hz
            exact_ms = self._exact_ms + step_ms
            if abs(exact_ms - received_ms) > JUMP_MS:
                exact_ms = float(received_ms)
            elif exact_ms > received_ms:
                exact_ms = max(float(received_ms), self._exact_ms + step_ms / 2)
            self._exact_ms = exact_ms
        self._ticks = ticks
        self._last_ms = max(self._last_ms + 1, round(self._exact_ms))
        return self._last_ms


@dataclass(slots=True)
class _Run:
    """Pictures from one key to the next."""

    pictures: list[tuple[int, CodedPicture]]
    size: int
    shape: tuple[str, int, int]

    @property
    def start_ms(self) -> int:
        return self.pictures[0][0]


@dataclass(slots=True)
class _Sounds:
    packets: deque[tuple[int, CodedSound]] = field(default_factory=deque)
    size: int = 0

    def drop(self) -> None:
        self.size -= _cost(self.packets.popleft()[1])


class MediaRing:
    """A `MediaTap`. Times are session time.

    Args:
        limit_bytes: The most that is kept.
        span_ms: How far back it should reach.
        offset_ms: Session time less the host's monotonic time.
        with_sound: Whether sound is kept.

    Attributes:
        wants_sound: The same.
    """

    def __init__(self, limit_bytes: int, span_ms: int, offset_ms: int, with_sound: bool) -> None:
        self.wants_sound = with_sound
        self._limit_bytes = limit_bytes
        self._span_ms = span_ms
        self._offset_ms = offset_ms
        self._runs: deque[_Run] = deque()
        self._sounds = _Sounds()
        self._video, self._audio = Timeline(VIDEO_HZ), Timeline(SOUND_HZ)
        self._asked_ms: int | None = None
        self._key_ms: int | None = None
        self._size = 0

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return self._size + self._sounds.size

    def on_coded_picture(self, picture: CodedPicture, received_ms: int) -> None:
        """Keep a picture; one that nothing kept leads to is passed over."""
        at_ms = self._video.place(picture.ticks, max(0, received_ms + self._offset_ms))
        shape = (picture.codec, picture.width, picture.height)
        if picture.is_key:
            self._runs.append(_Run([], 0, shape))
            self._key_ms, self._asked_ms = at_ms, None
        elif self._key_ms is None or self._runs[-1].shape != shape:
            self._key_ms = None  # nor may what follows it be kept
            return
        run, cost = self._runs[-1], _cost(picture) + (RUN_BYTES if picture.is_key else 0)
        run.pictures.append((at_ms, picture))
        run.size += cost
        self._size += cost
        self._let_go(at_ms)

    def on_coded_sound(self, sound: CodedSound, received_ms: int) -> None:
        """Keep a packet of sound, if sound is kept."""
        if self.wants_sound:
            at_ms = self._audio.place(sound.ticks, max(0, received_ms + self._offset_ms))
            self._sounds.packets.append((at_ms, sound))
            self._sounds.size += _cost(sound)
            self._let_go(at_ms)

    def wants_key(self, now_ms: int) -> bool:
        """Whether to ask the sender for a key picture now; `now_ms` is the host's monotonic time."""
        now_ms += self._offset_ms
        is_old = self._key_ms is None or now_ms - self._key_ms >= KEY_EVERY_MS
        is_large = bool(self._runs) and self._runs[-1].size * RUNS_AT_LEAST > self._limit_bytes
        if not (is_old or is_large) or (
            self._asked_ms is not None and now_ms - self._asked_ms < ASK_AGAIN_MS
        ):
            return False  # or it was asked for a moment ago
        self._asked_ms = now_ms
        return True

    def cut(self, from_ms: int, pivot_ms: int, until_ms: int, with_sound: bool) -> list[Strip]:
        """What was received in a stretch, in strips of one codec and size.

        It begins at the key nearest to `from_ms` of those up to `pivot_ms`, else at the first there is.

        Args:
            from_ms: First moment wanted.
            pivot_ms: What must be seen.
            until_ms: Last moment.
            with_sound: Whether sound is wanted, too.
        """
        keys = [run.start_ms for run in self._runs if run.start_ms <= pivot_ms]
        start_ms = min(keys, key=lambda at: abs(at - from_ms), default=from_ms)
        strips: list[list[tuple[int, CodedPicture]]] = []
        shape = None
        for run in self._runs:
            shown = [each for each in run.pictures if start_ms <= each[0] <= until_ms]
            if shown and run.start_ms >= start_ms:
                if run.shape != shape:
                    strips.append([])
                    shape = run.shape
                strips[-1] += shown
        return [
            Strip(tuple(pictures), self._heard(pictures, following, until_ms) if with_sound else ())
            for pictures, following in zip_longest(strips, strips[1:])
        ]

    def _heard(
        self,
        pictures: list[tuple[int, CodedPicture]],
        following: list[tuple[int, CodedPicture]] | None,
        until_ms: int,
    ) -> tuple[tuple[int, CodedSound], ...]:
        from_ms = pictures[0][0]
        end_ms = until_ms + 1 if following is None else following[0][0]
        return tuple(each for each in self._sounds.packets if from_ms <= each[0] < end_ms)

    def clear(self) -> None:
        """Let go of everything."""
        self._runs.clear()
        self._sounds = _Sounds()
        self._size = 0
        self._key_ms = None

    def _let_go(self, now_ms: int) -> None:
        """What is older than the span goes, run by run; and as much as the bytes ask for."""
        oldest_ms = now_ms - self._span_ms
        while len(self._runs) > 1 and self._runs[1].start_ms <= oldest_ms:
            self._drop_run()
        self._drop_sounds(oldest_ms)
        while self.size > self._limit_bytes:
            if self._runs:
                self._drop_run()
                self._drop_sounds(oldest_ms)
            else:
                self._sounds.drop()

    def _drop_sounds(self, oldest_ms: int) -> None:
        """Sound is kept as far back as pictures are, and alone as far as the span."""
        kept_ms = self._runs[0].start_ms if self._runs else oldest_ms
        while self._sounds.packets and self._sounds.packets[0][0] < kept_ms:
            self._sounds.drop()

    def _drop_run(self) -> None:
        self._size -= self._runs.popleft().size
        if not self._runs:
            self._key_ms = None  # what follows has nothing to begin with: ask


def _cost(media: CodedPicture | CodedSound) -> int:
    return len(media.data) + PACKET_BYTES
