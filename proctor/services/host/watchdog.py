"""Watches the media themselves, per track; what ICE says about the connection is no proof of anything.

A frozen camera leaves a connection `connected` for over a minute (RAY.md 3, TRUST.md D2). So the only
question here is when a picture, a sound or an answer came last.
"""

from proctor.domain.media import AUDIO_RATE_HZ

MISSING_AFTER_MS = 2_500
SILENT_AFTER_MS = 10_000
SILENT_PEAK = 2 / 32_768
SETTLED_AFTER_MS = 10_000


class TrackWatch:
    """Whether the media of one track keep coming.

    Blindness must be known within 3 s (TRUST.md 5), and a tick and a report lie in between: media
    count as missing after 2.5 s.
    """

    def __init__(self, joined_ms: int) -> None:
        self._last_ms: int | None = None
        self._joined_ms = joined_ms

    def arrived(self, at_ms: int) -> bool:
        """Take a picture or a packet; True when media had been missing before it."""
        was_missing = self.missing_since(at_ms) is not None
        self._last_ms = at_ms
        return was_missing

    def missing_since(self, now_ms: int) -> int | None:
        """Session time of the last media when they are missing, else None."""
        if self._last_ms is None:
            return self._joined_ms
        return self._last_ms if now_ms - self._last_ms > MISSING_AFTER_MS else None


class SilenceWatch:
    """Whether the sound is digital silence: a muted microphone, not a quiet room.

    No sample beyond two steps of 16 bits; a microphone's own noise is above that.
    """

    def __init__(self) -> None:
        self._since_ms: int | None = None
        self._ended_ms = 0
        self._heard_since_ms = 0

    def hear(self, peak: float, start_ms: int, samples: int) -> None:
        """Take a stretch of sound with its largest absolute sample."""
        self._ended_ms = start_ms + samples * 1000 // AUDIO_RATE_HZ
        if peak > SILENT_PEAK:
            if self._since_ms is not None:
                self._heard_since_ms = start_ms
            self._since_ms = None
        elif self._since_ms is None:
            self._since_ms = start_ms

    @property
    def heard_since_ms(self) -> int:
        """When a silence last ended."""
        return self._heard_since_ms

    @property
    def silent_since_ms(self) -> int | None:
        """Start of the silence once it has lasted 10 s, else None."""
        if self._since_ms is None or self._ended_ms - self._since_ms < SILENT_AFTER_MS:
            return None
        return self._since_ms


class AnswerWatch:
    """Whether one model group answers this session."""

    def __init__(self, limit_ms: int) -> None:
        self._limit_ms = limit_ms
        self._unanswered: tuple[int, int] | None = None

    def asked(self, captured_ms: int, now_ms: int) -> None:
        """A question went out; what counts is the oldest one without an answer since."""
        if self._unanswered is None:
            self._unanswered = (captured_ms, now_ms)

    def answered(self) -> None:
        """An answer came."""
        self._unanswered = None

    def overdue_since(self, now_ms: int) -> int | None:
        """Capture time of the oldest unanswered question once the limit has passed, else None."""
        if self._unanswered is None or now_ms - self._unanswered[1] < self._limit_ms:
            return None
        return self._unanswered[0]


class FallbackWatch:
    """Whether a model group makes do with a CPU although a GPU was asked for.

    A group has several replicas, and one may have its GPU while another has not: it is over when no
    answer has said so for ten seconds, two rounds of the slowest group.
    """

    def __init__(self) -> None:
        self._last_ms: int | None = None

    def answered(self, fallback: bool, at_ms: int) -> bool:
        """Take an answer and its capture time; return whether the group makes do."""
        if fallback:
            self._last_ms = max(at_ms, self._last_ms or 0)
        elif self._last_ms is not None and at_ms - self._last_ms >= SETTLED_AFTER_MS:
            self._last_ms = None
        return self._last_ms is not None
