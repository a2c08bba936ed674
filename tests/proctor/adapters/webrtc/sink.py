"""What a test's connection delivers to."""

import asyncio
from collections.abc import Callable

from proctor.domain.media import Image, PictureOrigin, Samples
from proctor.ports import MediaTap


class RecordingSink:
    """Keeps what it is given; `until` waits for it."""

    def __init__(self) -> None:
        self.pictures: list[Image] = []
        self.sounds: list[tuple[Samples, int]] = []
        self.states: list[str] = []
        self.tap: MediaTap | None = None
        self.on_picture_hook: Callable[[int], None] | None = None
        self._changed = asyncio.Event()

    def on_picture(
        self, image: Image, received_ms: int, origin: PictureOrigin | None = None
    ) -> None:
        self.pictures.append(image)
        if self.on_picture_hook is not None:
            self.on_picture_hook(len(self.pictures) - 1)
        self._changed.set()

    def on_sound(self, samples: Samples, received_ms: int, gap_ms: int) -> None:
        self.sounds.append((samples, gap_ms))
        self._changed.set()

    def on_connection(self, state: str) -> None:
        self.states.append(state)
        self._changed.set()

    @property
    def sound_ms(self) -> float:
        return sum(len(samples) for samples, _ in self.sounds) / 16

    @property
    def gap_ms(self) -> int:
        return sum(gap for _, gap in self.sounds)

    async def until(self, holds: Callable[[], bool], within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()
