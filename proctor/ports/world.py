"""Time, numbers for operators, and the models."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from proctor.domain.perception import (
    BodyAnswer,
    BodyAsk,
    FaceAnswer,
    FaceAsk,
    ObjectsAnswer,
    ObjectsAsk,
    SpeakersAnswer,
    SpeakersAsk,
    SpeechAnswer,
    SpeechAsk,
    WordsAnswer,
    WordsAsk,
)


class Clock(Protocol):
    """Wall time, monotonic time and waiting."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds that only move forward."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Metrics(Protocol):
    """Numbers for operators. Labels come from closed lists; never a session or candidate id."""

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add to a histogram (seconds unless the name says otherwise)."""
        ...


class Perception(Protocol):
    """The models. One call is one batch for one model group; answers come in the order of the asks.

    Raises `PerceptionUnavailable` when no replica answers in time.
    """

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        """Detect, landmark, pose, gaze and (when asked) embed."""
        ...

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        """Joints of the upper body."""
        ...

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """Speech probability per 32 ms."""
        ...

    async def speakers(self, asks: Sequence[SpeakersAsk]) -> Sequence[SpeakersAnswer]:
        """Who spoke when in a window of sound, and the voices' embeddings."""
        ...

    async def words(self, asks: Sequence[WordsAsk]) -> Sequence[WordsAnswer]:
        """What was said."""
        ...

    async def objects(self, asks: Sequence[ObjectsAsk]) -> Sequence[ObjectsAnswer]:
        """Things in a picture."""
        ...
