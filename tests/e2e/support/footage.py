"""Files that Chromium takes for a camera and a microphone: y4m (I420) and wav."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
WIDTH, HEIGHT, FPS = 320, 240, 15


def write_y4m(path: Path, pictures: Iterable[Picture]) -> int:
    """Write RGB pictures (240, 320, 3) as a raw camera file; returns how many."""
    count = 0
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            file.write(b"FRAME\n")
            file.write(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())
            count += 1
    return count


def letterbox(picture: Picture, top: float = 0.0, bottom: float = 1.0) -> Picture:
    """Cut rows [top, bottom) (fractions) and fit the rest into 320x240 on grey bars."""
    height = picture.shape[0]
    cut = picture[int(top * height) : int(bottom * height)]
    scale = min(WIDTH / cut.shape[1], HEIGHT / cut.shape[0])
    size = (round(cut.shape[1] * scale), round(cut.shape[0] * scale))
    fitted = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    canvas = np.full((HEIGHT, WIDTH, 3), 96, dtype=np.uint8)
    left, above = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
    canvas[above : above + size[1], left : left + size[0]] = fitted
    return canvas


def clip_pictures(path: Path) -> Iterator[Picture]:
    """A video file at 15 pictures a second, turned upright by its rotation tag."""
    next_s = 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is None or frame.time < next_s:
                continue
            upright = np.rot90(frame.to_ndarray(format="rgb24"), k=frame.rotation // 90)
            while next_s <= frame.time:
                yield letterbox(np.ascontiguousarray(upright), top=0.05, bottom=0.72)
                next_s += 1 / FPS


def write_wav(path: Path, source: Path, lead_silence_s: float = 0.0) -> float:
    """Any sound file as 48 kHz mono wav with low noise in front; returns its length in s."""
    import wave

    resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
    pieces = [np.random.default_rng(1).normal(0, 12, int(lead_silence_s * 48_000)).astype(np.int16)]
    with av.open(str(source)) as container:
        for frame in container.decode(audio=0):
            pieces += [made.to_ndarray().reshape(-1) for made in resampler.resample(frame)]
    sound = np.concatenate(pieces)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(sound.tobytes())
    return len(sound) / 48_000


def write_quiet_wav(path: Path, seconds: float) -> None:
    """A quiet room: low noise, so that the microphone is alive and nobody speaks."""
    import wave

    noise = np.random.default_rng(2).normal(0, 12, int(seconds * 48_000)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(noise.tobytes())
