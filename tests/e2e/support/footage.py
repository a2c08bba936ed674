"""Files that Chromium takes for a camera and a microphone: y4m (I420) and wav."""

from pathlib import Path

import av
import numpy as np

from bench.candidate.browser import write_camera, write_microphone
from bench.candidate.pictures import FPS, Clip, Pictures

SOUND_HZ = 48_000


def write_y4m(path: Path, source: Pictures, seconds: float) -> None:
    """Write a source of pictures as a raw camera file that plays in a loop."""
    write_camera(path, (source.at(index) for index in range(round(seconds * FPS))))


def write_gaze_clip(path: Path, media: Path) -> float:
    """The clip of one person who looks at the centre, left (6-10 s), and at the centre again."""
    clip = Clip(media / "video" / "gaze_center_left_center.mp4", top=0.05, bottom=0.72)
    write_y4m(path, clip, clip.length_s)
    return clip.length_s


def write_speech(path: Path, source: Path) -> None:
    """Any sound file as 48 kHz mono wav."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SOUND_HZ)
    pieces: list[np.ndarray] = []
    with av.open(str(source)) as container:
        for frame in container.decode(audio=0):
            pieces += [made.to_ndarray().reshape(-1) for made in resampler.resample(frame)]
    write_microphone(path, np.concatenate(pieces), SOUND_HZ)


def write_quiet(path: Path, seconds: float) -> None:
    """A quiet room: low noise, so that the microphone is alive and nobody speaks."""
    noise = np.random.default_rng(2).normal(0, 12, int(seconds * SOUND_HZ))
    write_microphone(path, noise, SOUND_HZ)
