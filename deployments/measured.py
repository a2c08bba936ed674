"""A perception replica that says how busy it is, for those groups whose number of replicas follows it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deployments.perception import PerceptionReplica
from deployments.scaling import BUSY, BusyMeter
from proctor.adapters.clock import SystemClock
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


class MeasuredReplica(PerceptionReplica):
    """Counts the time that calls are open; Serve collects it from `record_autoscaling_stats`."""

    def __init__(self, groups: tuple[str, ...]) -> None:
        super().__init__(groups)
        self._clock = SystemClock()
        self._busy = BusyMeter(self._clock.monotonic_ms())

    async def faces(self, asks: Sequence[FaceAsk], trace: str = "") -> Sequence[FaceAnswer]:
        """See `PerceptionReplica`."""
        with self._open():
            return await super().faces(asks, trace)

    async def bodies(self, asks: Sequence[BodyAsk], trace: str = "") -> Sequence[BodyAnswer]:
        """See `PerceptionReplica`."""
        with self._open():
            return await super().bodies(asks, trace)

    async def speech(self, asks: Sequence[SpeechAsk], trace: str = "") -> Sequence[SpeechAnswer]:
        """See `PerceptionReplica`."""
        with self._open():
            return await super().speech(asks, trace)

    async def speakers(
        self, asks: Sequence[SpeakersAsk], trace: str = ""
    ) -> Sequence[SpeakersAnswer]:
        """See `PerceptionReplica`."""
        with self._open():
            return await super().speakers(asks, trace)

    async def words(self, asks: Sequence[WordsAsk], trace: str = "") -> Sequence[WordsAnswer]:
        """See `PerceptionReplica`."""
        with self._open():
            return await super().words(asks, trace)

    async def objects(self, asks: Sequence[ObjectsAsk], trace: str = "") -> Sequence[ObjectsAnswer]:
        """See `PerceptionReplica`."""
        with self._open():
            return await super().objects(asks, trace)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Mean calls open since Serve last asked."""
        return {BUSY: self._busy.take(self._clock.monotonic_ms())}

    @contextmanager
    def _open(self) -> Iterator[None]:
        self._busy.began(self._clock.monotonic_ms())
        try:
            yield
        finally:
            self._busy.ended(self._clock.monotonic_ms())
