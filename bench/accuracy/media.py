"""A folder of labelled media: images/, video/ and audio/, with what is true of them under labels/.

Everything may be missing: what is not there is told in a line and measured by nobody. A path in a
label file that begins with `dev/` means this folder.
"""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from proctor.domain.media import AUDIO_RATE_HZ, Samples

PICTURES = (".jpg", ".jpeg", ".png")
SOUNDS = (".wav", ".flac", ".mp3", ".ogg")
OWN_PREFIX = "dev/"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that show one person or two."""

    one: Path
    other: Path
    same: bool


@dataclass(frozen=True, slots=True)
class PosedFace:
    """A picture with the labels' angles: yaw > 0 to the picture's left, pitch > 0 up, roll clockwise."""

    picture: Path
    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Look:
    """Where somebody looks in a part of a clip: `center`, `left`, `right` and so on."""

    clip: Path
    start_s: float
    end_s: float
    where: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker's stretch of a recording."""

    speaker: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound file with all its turns, and the name of the label file."""

    sound: Path
    turns: tuple[Turn, ...]
    labels: str = ""


@dataclass(slots=True)
class Media:
    """What a folder holds, and what it lacks.

    Attributes:
        root: The folder.
        remarks: One line for everything that is missing or cannot be read.
    """

    root: Path
    remarks: list[str] = field(default_factory=list)

    def people(self) -> dict[str, list[Path]]:
        """Pictures of each person, images/lfw/NAME/*; empty when there are none."""
        folder = self.root / "images" / "lfw"
        found = {
            each.name: pictures
            for each in sorted(folder.iterdir() if folder.is_dir() else ())
            if each.is_dir() and (pictures := _files(each, PICTURES))
        }
        if not found:
            self.remarks.append("images/lfw holds no folder of pictures: nobody can be compared")
        return found

    def pairs(self) -> list[Pair]:
        """labels/lfw_pairs.csv: file_x, file_y, same."""
        folder = self.root / "images" / "lfw"
        rows = self._rows("lfw_pairs.csv", ("file_x", "file_y", "same"))
        return [
            Pair(
                self._placed(row["file_x"], folder),
                self._placed(row["file_y"], folder),
                row["same"].strip().lower() in ("1", "true", "yes"),
            )
            for row in rows
        ]

    def posed_faces(self) -> list[PosedFace]:
        """labels/headpose_NAME.csv with pictures in images/NAME."""
        found = []
        for labels in self._labels("headpose_*.csv"):
            folder = self.root / "images" / labels.stem.removeprefix("headpose_")
            for row in self._rows(labels.name, ("file", "yaw_deg", "pitch_deg", "roll_deg")):
                picture = self._placed(row["file"], folder)
                try:
                    angles = [float(row[name]) for name in ("yaw_deg", "pitch_deg", "roll_deg")]
                except ValueError:
                    self.remarks.append(
                        f"labels/{labels.name}: an angle of {row['file']} is no number"
                    )
                    continue
                if self._is_there(picture):
                    found.append(PosedFace(picture, *angles))
        return found

    def looks(self) -> list[Look]:
        """labels/gaze_videos.csv: file, start_s, end_s, gaze."""
        found = []
        for row in self._rows("gaze_videos.csv", ("file", "start_s", "end_s", "gaze")):
            clip = self._placed(row["file"], self.root / "video")
            try:
                start_s, end_s = float(row["start_s"]), float(row["end_s"])
            except ValueError:
                self.remarks.append(f"labels/gaze_videos.csv: a time of {row['file']} is no number")
                continue
            if self._is_there(clip):
                found.append(Look(clip, start_s, end_s, row["gaze"].strip().lower()))
        return found

    def recordings(self) -> list[Recording]:
        """labels/*.rttm with the sound that each file id means: audio/**/[LABELS_]ID.wav."""
        sounds = _files(self.root / "audio", SOUNDS, deep=True)
        found: list[Recording] = []
        for labels in self._labels("*.rttm"):
            turns: dict[str, list[Turn]] = {}
            for line in labels.read_text(encoding="utf-8", errors="replace").splitlines():
                parts = line.split()
                if not parts or parts[0] != "SPEAKER":
                    continue
                try:
                    start_s, length_s, speaker = float(parts[3]), float(parts[4]), parts[7]
                except (ValueError, IndexError):
                    self.remarks.append(f"labels/{labels.name}: a line is no RTTM")
                    continue
                turns.setdefault(parts[1], []).append(Turn(speaker, start_s, start_s + length_s))
            for name, own in turns.items():
                sound = next(
                    (s for s in sounds if s.stem == name or s.stem == f"{labels.stem}_{name}"), None
                )
                if sound is None:
                    self.remarks.append(f"labels/{labels.name}: no sound is called {name}")
                else:
                    by_time = tuple(sorted(own, key=lambda turn: turn.start_s))
                    found.append(Recording(sound, by_time, labels.stem))
        return found

    def lone_voices(self) -> list[Path]:
        """Sound of one speaker each: audio/SET/SPEAKER/*."""
        folder = self.root / "audio"
        return [
            sound
            for sound in _files(folder, SOUNDS, deep=True)
            if len(sound.relative_to(folder).parts) == 3
        ]

    def group_photos(self) -> list[tuple[Path, int]]:
        """Pictures of images/detect with the number of faces in them.

        From labels/faces.csv (file, faces), else from the folder's README table, where it says so.
        """
        folder = self.root / "images" / "detect"
        counts: dict[str, int] = {}
        if (self.root / "labels" / "faces.csv").is_file():
            for row in self._rows("faces.csv", ("file", "faces")):
                if row["faces"].strip().isdigit():
                    counts[Path(row["file"]).name] = int(row["faces"])
        elif (readme := self.root / "README.md").is_file():
            told = re.compile(r"^\|\s*images/detect/([^|\s]+)\s*\|.*\|\s*(\d+) faces?\b[^|]*\|\s*$")
            for line in readme.read_text(encoding="utf-8", errors="replace").splitlines():
                if match := told.match(line):
                    counts[match[1]] = int(match[2])
        found = [(folder / name, faces) for name, faces in counts.items()]
        return [(picture, faces) for picture, faces in found if self._is_there(picture)]

    def spoof_pictures(self) -> list[tuple[Path, bool]]:
        """Pictures of images/antispoof and whether they are live: NAME_live.*, NAME_spoof.*."""
        return [
            (picture, picture.stem.endswith("_live"))
            for picture in _files(self.root / "images" / "antispoof", PICTURES)
            if picture.stem.endswith(("_live", "_spoof"))
        ]

    def _labels(self, pattern: str) -> list[Path]:
        found = sorted((self.root / "labels").glob(pattern))
        if not found:
            self.remarks.append(f"labels/{pattern} is missing")
        return found

    def _rows(self, name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        path = self.root / "labels" / name
        try:
            with path.open(encoding="utf-8-sig", newline="") as opened:
                rows = list(csv.DictReader(opened))
        except FileNotFoundError:
            self.remarks.append(f"labels/{name} is missing")
            return []
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            self.remarks.append(f"labels/{name} cannot be read: {error}")
            return []
        whole = [row for row in rows if all(isinstance(row.get(c), str) for c in columns)]
        if len(whole) < len(rows):
            self.remarks.append(
                f"labels/{name}: {len(rows) - len(whole)} lines lack one of {', '.join(columns)}"
            )
        return whole

    def _placed(self, name: str, folder: Path) -> Path:
        if name.startswith(OWN_PREFIX):
            return self.root / name.removeprefix(OWN_PREFIX)
        return folder / name

    def _is_there(self, path: Path) -> bool:
        if path.is_file():
            return True
        self.remarks.append(f"{path.relative_to(self.root)} is missing")
        return False


def _files(folder: Path, endings: tuple[str, ...], *, deep: bool = False) -> list[Path]:
    if not folder.is_dir():
        return []
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(each for each in found if each.suffix.lower() in endings and each.is_file())


def read_sound(path: Path) -> Samples:
    """(n,) float32 mono at 16 kHz, whatever the file holds.

    Raises:
        ValueError: It holds no sound that can be read.
    """
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=AUDIO_RATE_HZ)
    pieces: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                pieces += [each.to_ndarray()[0] for each in resampler.resample(frame)]
            pieces += [each.to_ndarray()[0] for each in resampler.resample(None)]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise ValueError(f"{path.name} holds no sound that can be read") from error
    if not pieces:
        raise ValueError(f"{path.name} holds no sound")
    samples: Samples = np.concatenate(pieces).astype(np.float32) / np.float32(32768)
    return samples
