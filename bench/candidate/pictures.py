"""What the camera sees at a moment: stills moved as by a webcam, a covered lens, a clip, an album.

Every source is a pure function of the picture's number and its seed: the same script gives the same
pictures, bit for bit. Pictures are (240, 320, 3) RGB uint8, read-only.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from bench.candidate.stills import framed
from proctor.domain.media import Image, frozen

WIDTH, HEIGHT, FPS = 320, 240, 5
_NOISE_SIGMA = 2.2
"""Sensor noise of a webcam in a lit room, in steps of 0..255."""


class Pictures(Protocol):
    """A source of pictures."""

    def at(self, index: int) -> Image:
        """The picture number `index` of a scene, FPS to a second, from 0."""
        ...


def _noisy(picture: np.ndarray, sigma: float, seed: int, index: int) -> Image:
    noise = np.random.default_rng((seed, index)).normal(0.0, sigma, (HEIGHT, WIDTH, 3))
    return frozen(np.clip(picture.astype(np.float32) + noise, 0, 255).astype(np.uint8))


class Moved:
    """A still as a camera would see it: slow pan, zoom and roll, exposure flicker, sensor noise.

    Attributes of the motion: pan up to 2 % of the width, zoom 3 %, roll 1.2 degrees, light 2 %, on
    incommensurate periods of 5 to 13 s, phases by seed.
    """

    def __init__(self, still: Image, seed: int = 0, amount: float = 1.0) -> None:
        self._still = framed(still)
        self._seed = seed
        self._amount = amount
        self._phases = _phases(seed)

    def at(self, index: int) -> Image:
        """See `Pictures`."""
        small, light = _seen(self._still, index, self._phases, self._amount)
        return _noisy(small * light, _NOISE_SIGMA, self._seed, index)


class Seated:
    """People before a camera that stands still: they sway, nod and lean, and the room behind does not.

    A portrait is cut out as a head and shoulders with soft edges (a face in its middle, as press
    photographs and LFW have it). People move as `Moved` pictures do, each by phases of their own.

    Args:
        room: What is behind.
        people: (portrait, middle as a share of the width, height as a share of the picture's), the
            farthest first.
        seed: Of the motion and the noise; one more for each of the people.
    """

    def __init__(
        self, room: Image, people: Sequence[tuple[Image, float, float]], seed: int = 0
    ) -> None:
        self._room = framed(room).astype(np.float32)
        self._seed = seed
        self._people = [
            (*_cut_out(still, self._room.shape, centre, share), _phases(seed + number))
            for number, (still, centre, share) in enumerate(people)
        ]
        self._light = _phases(seed)

    def at(self, index: int) -> Image:
        """See `Pictures`."""
        stage = self._room.copy()
        size = (stage.shape[1], stage.shape[0])
        for person, cover, middle, phases in self._people:
            turn = _motion(index, phases, middle, size)
            mask = cv2.warpAffine(cover, turn, size)[..., None]
            stage += (cv2.warpAffine(person, turn, size) - stage) * mask
        small = cv2.resize(stage, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        light = 1 + 0.02 * _waves(index, self._light)[4]
        return _noisy(small * light, _NOISE_SIGMA, self._seed, index)


def _cut_out(
    still: Image, stage: tuple[int, ...], centre: float, share: float
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """The portrait at its place on an empty stage, how much it covers, and where its neck is."""
    high, wide = stage[:2]
    height = round(high * share)
    width = round(height * still.shape[1] / still.shape[0])
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = across / width - 0.5, down / height
    head = (x / 0.27) ** 2 + ((y - 0.44) / 0.4) ** 2 < 1
    shoulders = (np.abs(x) < 0.47) & (y > 0.74)
    cover = cv2.GaussianBlur((head | shoulders).astype(np.float32), (0, 0), width / 80)
    sized = cv2.resize(still, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    place = np.array([[1, 0, wide * centre - width / 2], [0, 1, high - height]], np.float32)
    person, mask = (
        cv2.warpAffine(each, place, (wide, high), borderMode=cv2.BORDER_REPLICATE)
        if each is sized
        else cv2.warpAffine(each, place, (wide, high))
        for each in (sized, cover)
    )
    return person, mask, (wide * centre, high - height * 0.25)


_PERIODS_S = (7.3, 11.1, 5.9, 13.0, 4.7)
_WANDER, _SLOWER = 2.0, 7.1


def _phases(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 2 * math.pi, 5)


def _waves(index: int, phases: np.ndarray) -> list[float]:
    """-1..1 each, on incommensurate periods that wander by a quarter: nobody moves like a clock.

    Without the wandering the five nearly come again after 66 s, and a product that watches for repeated
    pictures rightly says so.
    """
    time_s = index / FPS
    return [
        math.sin(
            2 * math.pi * time_s / period
            + phase
            + _WANDER * math.sin(2 * math.pi * time_s / (_SLOWER * period) + 2 * phase)
        )
        for period, phase in zip(_PERIODS_S, phases, strict=True)
    ]


def _motion(
    index: int, phases: np.ndarray, middle: tuple[float, float], size: tuple[int, int]
) -> np.ndarray:
    """Sway of 2 % of the width, 3 % towards the camera, a tilt of 1.2 degrees about the neck."""
    waves = _waves(index, phases)
    turn = cv2.getRotationMatrix2D(middle, 1.2 * waves[3], 1.0 + 0.03 * waves[2])
    turn[0, 2] += 0.02 * size[0] * waves[0]
    turn[1, 2] += 0.015 * size[1] * (1 + waves[1])  # down, never up: no edge shows below
    return turn


def _seen(still: Image, index: int, phases: np.ndarray, amount: float) -> tuple[np.ndarray, float]:
    """What a camera in motion sees of a framed still, at the size that is sent, and how lit it is."""
    waves = [amount * wave for wave in _waves(index, phases)]
    height, width = still.shape[:2]
    zoom = 1.04 + 0.03 * waves[2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1.2 * waves[3], zoom)
    turn[0, 2] += 0.02 * width * waves[0]
    turn[1, 2] += 0.015 * height * waves[1]
    seen = cv2.warpAffine(still, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    small = cv2.resize(seen, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return small, 1 + 0.02 * waves[4]


class Swaying:
    """Another source before a camera that moves, so that a short clip never comes again as it was."""

    def __init__(self, source: Pictures, seed: int = 0, amount: float = 1.0) -> None:
        self._source = source
        self._seed = seed
        self._amount = amount
        self._phases = np.random.default_rng((seed, 7)).uniform(0, 2 * math.pi, 5)

    def at(self, index: int) -> Image:
        """See `Pictures`."""
        framed_now = framed(self._source.at(index))
        small, light = _seen(framed_now, index, self._phases, self._amount)
        return _noisy(small * light, _NOISE_SIGMA / 2, self._seed, index)


class Album:
    """Several pictures of one person, each moved, one after another."""

    def __init__(self, stills: Sequence[Image], seed: int = 0, each_s: float = 5.0) -> None:
        if not stills:
            raise ValueError("an album needs a picture")
        self._pages = [Moved(still, seed + number) for number, still in enumerate(stills)]
        self._each = max(1, round(each_s * FPS))

    def at(self, index: int) -> Image:
        """See `Pictures`."""
        return self._pages[(index // self._each) % len(self._pages)].at(index)


class Covered:
    """A lens with a hand or a shutter over it: almost black, only the sensor's own noise."""

    def __init__(self, seed: int = 0, level: float = 7.0) -> None:
        self._seed = seed
        self._level = level

    def at(self, index: int) -> Image:
        """See `Pictures`."""
        return _noisy(np.full((HEIGHT, WIDTH, 3), self._level), 1.6, self._seed, index)


class Clip:
    """A video file at FPS pictures a second, upright by its rotation tag, played in a loop.

    Args:
        path: The file; phones write a display matrix instead of turning the pixels.
        top: What to cut above, as a fraction of the upright height.
        bottom: Where to cut below.
    """

    def __init__(self, path: Path, top: float = 0.0, bottom: float = 1.0) -> None:
        self._pictures = tuple(_clip_pictures(path, top, bottom))
        if not self._pictures:
            raise ValueError(f"{path.name} holds no picture")

    @property
    def length_s(self) -> float:
        """How long one turn lasts."""
        return len(self._pictures) / FPS

    def at(self, index: int) -> Image:
        """See `Pictures`."""
        return self._pictures[index % len(self._pictures)]


def upright(picture: np.ndarray, rotation_deg: int) -> np.ndarray:
    """Turn a decoded picture by its tag (counter-clockwise degrees, as PyAV's `frame.rotation`)."""
    return np.ascontiguousarray(np.rot90(picture, k=rotation_deg // 90))


def _clip_pictures(path: Path, top: float, bottom: float) -> list[Image]:
    import av

    found: list[Image] = []
    due_s = Fraction(0)
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is None or frame.time < due_s:
                continue
            whole = upright(frame.to_ndarray(format="rgb24"), frame.rotation)
            rows = slice(int(top * whole.shape[0]), int(bottom * whole.shape[0]))
            picture = _letterboxed(whole[rows])
            while due_s <= frame.time:
                found.append(picture)
                due_s += Fraction(1, FPS)
    return found


def _letterboxed(picture: np.ndarray) -> Image:
    scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    canvas = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    left, above = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
    fitted = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    canvas[above : above + size[1], left : left + size[0]] = fitted
    return frozen(canvas)


class Excerpt:
    """A part of another source, played forth and back for as long as the scene lasts."""

    def __init__(self, source: Pictures, first_s: float, last_s: float) -> None:
        self._source = source
        self._first = round(first_s * FPS)
        self._count = round((last_s - first_s) * FPS)
        if self._count < 1:
            raise ValueError(f"nothing lies between {first_s} s and {last_s} s")

    def at(self, index: int) -> Image:
        """See `Pictures`."""
        turn, place = divmod(index, self._count)
        return self._source.at(self._first + (place if turn % 2 == 0 else self._count - 1 - place))
