"""A film: strips that were encoded once, spliced for a candidate without encoding anything again.

A strip is a stretch of pictures or of sound. A film names the strips that follow one another, so a
hundred candidates share a few megabytes, and no script is too long.
"""

import hashlib
import json
import os
import tempfile
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.candidate.pictures import FPS
from bench.candidate.reels import Piece

GRID_MS = 600
"""Cues fall on whole pictures (200 ms) and whole packets of sound (20 or 60 ms)."""
PICTURE_MS = 1000 // FPS


@dataclass(frozen=True, slots=True)
class Strip:
    """Encoded pictures, or packets of sound, at even distances; begins with one that can be decoded alone.

    Attributes:
        units: The encoded data of each.
        keys: Places at which a decoder can begin, rising, 0 first.

    Raises:
        ValueError: It is empty, or cannot be decoded from its beginning.
    """

    units: tuple[bytes, ...]
    keys: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.units or not self.keys or self.keys[0] != 0:
            raise ValueError("a strip begins with something that can be decoded alone")

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> "Strip":
        """From what `reels` encodes."""
        keys = tuple(at for at, piece in enumerate(pieces) if piece.is_key)
        return cls(tuple(piece.data for piece in pieces), keys)

    def key_from(self, at: int) -> int:
        """The first place from `at` on at which a decoder can begin; goes round at the end."""
        return next((key for key in self.keys if key >= at % len(self.units)), 0)

    def save(self, path: Path) -> None:
        """Write it, all or nothing."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, beside = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                sizes=np.array([len(unit) for unit in self.units], np.int64),
                keys=np.array(self.keys, np.int64),
                data=np.frombuffer(b"".join(self.units), np.uint8),
            )
        Path(beside).replace(path)

    @classmethod
    def load(cls, path: Path) -> "Strip":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            data, ends = file["data"].tobytes(), np.cumsum(file["sizes"])
            starts = ends - file["sizes"]
            units = tuple(data[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True))
            return cls(units, tuple(file["keys"].tolist()))


@dataclass(frozen=True, slots=True)
class Cue:
    """From a moment on, a strip is played.

    Attributes:
        start_ms: When, in ms of the film; a multiple of `GRID_MS`.
        strip: Its name in the library.
        first: With which of its units; for pictures one that can be decoded alone.
    """

    start_ms: int
    strip: str
    first: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What one candidate plays.

    Attributes:
        video: Cues of the pictures, the first at 0.
        audio: Cues of the sound, the first at 0.
        length_s: How long it lasts.
        ptime_ms: Length of a packet of sound.

    Raises:
        ValueError: No cue at 0, cues out of order, or one beside the grid.
    """

    video: tuple[Cue, ...]
    audio: tuple[Cue, ...]
    length_s: float
    ptime_ms: int

    def __post_init__(self) -> None:
        for cues in (self.video, self.audio):
            starts = [cue.start_ms for cue in cues]
            if starts[:1] != [0] or sorted(set(starts)) != starts:
                raise ValueError(f"cues start at 0 and follow one another, got {starts}")
            if any(start % GRID_MS for start in starts):
                raise ValueError(f"cues stand on a grid of {GRID_MS} ms, got {starts}")


class Spool:
    """One modality of a film, unit by unit. Knows no clock.

    Args:
        cues: Of the film.
        strips: By name, at least those that the cues name.
        unit_ms: Distance of the units: `PICTURE_MS`, or the packet time of the sound.
        length_s: Of the film.
    """

    def __init__(
        self, cues: Sequence[Cue], strips: "Library", unit_ms: int, length_s: float
    ) -> None:
        self.unit_ms = unit_ms
        self.count = int(length_s * 1000) // unit_ms
        self._starts = [cue.start_ms // unit_ms for cue in cues]
        self._cues = tuple(cues)
        self._strips = [strips[cue.strip] for cue in cues]
        self._cue = -1
        self._ends = 0
        self._strip = self._strips[0]
        self._offset = 0

    def _turn_to(self, number: int) -> None:
        at = self._cue = bisect_right(self._starts, number) - 1
        self._ends = self._starts[at + 1] if at + 1 < len(self._starts) else self.count
        self._strip = self._strips[at]
        self._offset = self._cues[at].first - self._starts[at]

    def unit(self, number: int) -> bytes:
        """The data of unit `number`, 0 <= number < count, asked for in rising order."""
        if number >= self._ends or self._cue < 0:
            self._turn_to(number)
        strip = self._strip
        return strip.units[(number + self._offset) % len(strip.units)]

    def skip_to_key(self, number: int) -> None:
        """Let unit `number` be one that can be decoded alone, by leaving out what comes before it."""
        if number >= self._ends or self._cue < 0:
            self._turn_to(number)
        self._offset = self._strip.key_from(number + self._offset) - number


class Library:
    """Strips in a folder by name, each read once.

    Args:
        folder: Where they are.
        files: Name of each strip: its file's name.
    """

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self.folder = folder
        self.files = files
        self._read: dict[str, Strip] = {}

    def __getitem__(self, name: str) -> Strip:
        """A strip. Raises KeyError for an unknown name."""
        if name not in self._read:
            self._read[name] = Strip.load(self.folder / self.files[name])
        return self._read[name]

    def __reduce__(self) -> tuple[type["Library"], tuple[Path, dict[str, str]]]:
        """To another process go the names only."""
        return Library, (self.folder, self.files)


def digest_of(spec: dict[str, object], samples: Sequence[bytes]) -> str:
    """Name of a strip's file: what it is of, how it is encoded, and pieces of the raw content."""
    told = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for sample in samples:
        told.update(hashlib.sha256(sample).digest())
    return told.hexdigest()
