"""A script: scenes with known times, and what a proctor should hear of each."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.candidate.pictures import FPS, Pictures
from bench.candidate.sounds import RATE_HZ, Sound, Wave
from proctor.domain.media import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An alert that must come.

    Attributes:
        rule_id: Which rule opens.
        within_s: Received at the latest this long after the scene began.
        dwell_s: How long the behaviour must last by sensor and rule before an alert is due.
    """

    rule_id: str
    within_s: float
    dwell_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One thing that happens.

    Attributes:
        name: For people.
        start_s: When, in seconds of the script.
        picture: What the camera sees.
        sound: What the microphone hears.
        expects: Alerts that must open because of it.
        may: Rules that may open as well without being wrong.
    """

    name: str
    start_s: float
    picture: Pictures
    sound: Sound
    expects: tuple[Expected, ...] = ()
    may: frozenset[str] = field(default_factory=frozenset)


class Script:
    """Scenes one after another, from 0 to `length_s`.

    Raises:
        ValueError: No scene at 0, scenes out of order, or an end before the last scene.
    """

    def __init__(self, scenes: Sequence[Scene], length_s: float) -> None:
        starts = [scene.start_s for scene in scenes]
        if not starts or starts[0] != 0 or sorted(set(starts)) != starts or length_s <= starts[-1]:
            raise ValueError(f"scenes must start at 0 and follow one another, got {starts}")
        self.scenes = tuple(scenes)
        self.length_s = length_s
        self._starts = starts

    def scene_at(self, time_s: float) -> Scene:
        """The scene that plays at a moment; the last one after the end."""
        return self.scenes[max(0, bisect_right(self._starts, time_s) - 1)]

    def end_of(self, scene: Scene) -> float:
        """When the next scene begins, in seconds of the script."""
        at = self._starts.index(scene.start_s) + 1
        return self._starts[at] if at < len(self._starts) else self.length_s

    def pictures(self) -> Iterator[tuple[Image, bool]]:
        """Every picture in order, and whether it is the first of its scene."""
        before: Scene | None = None
        for index in range(round(self.length_s * FPS)):
            scene = self.scene_at(index / FPS)
            yield scene.picture.at(index - round(scene.start_s * FPS)), scene is not before
            before = scene

    def sound(self, block: int) -> Iterator[Wave]:
        """All the sound in blocks of `block` samples; a block belongs to the scene it begins in."""
        for start in range(0, round(self.length_s * RATE_HZ), block):
            scene = self.scene_at(start / RATE_HZ)
            yield scene.sound.samples(start - round(scene.start_s * RATE_HZ), block)
