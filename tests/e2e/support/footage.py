"""Files that Chromium takes for a camera and a microphone: y4m (I420) and wav."""

import wave
from pathlib import Path

import av
import cv2
import numpy as np

from bench.candidate.pictures import FPS, HEIGHT, WIDTH, Clip, Pictures

SOUND_HZ = 48_000


def write_y4m(path: Path, source: Pictures, seconds: float) -> None:
    """Write a source of pictures as a raw camera file that plays in a loop."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for index in range(round(seconds * FPS)):
            file.write(b"FRAME\n")
            file.write(cv2.cvtColor(source.at(index), cv2.COLOR_RGB2YUV_I420).tobytes())


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
    _write_wav(path, np.concatenate(pieces))


def write_quiet(path: Path, seconds: float) -> None:
    """A quiet room: low noise, so that the microphone is alive and nobody speaks."""
    noise = np.random.default_rng(2).normal(0, 12, int(seconds * SOUND_HZ))
    _write_wav(path, noise.astype(np.int16))


def _write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_HZ)
        file.writeframes(samples.tobytes())
