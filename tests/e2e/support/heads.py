"""A fake camera that shows one person straight ahead and in each movement of a challenge, over and over.

The pictures are real (LFW), but for two: a tilt is the picture turned about its middle, and coming closer
is a part of it, which is what a camera would see. Two grey squares in a corner tell which frame is shown,
so that a test knows when a movement comes.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from proctor.domain.challenges import Step
from proctor.domain.media import Image

WIDTH, HEIGHT, FPS = 640, 480, 10
MARK_PX, LEVELS, DARKEST, LEVEL = 24, 16, 30, 14
AHEAD = "ahead"
LENGTHS_S = {AHEAD: 4.0, **{step.value: 3.0 for step in Step}}

WHERE = """() => {
  const video = document.getElementById("preview");
  if (!video?.videoWidth) return -1;
  window.corner ??= new OffscreenCanvas(48, 24).getContext("2d", {willReadFrequently: true});
  const side = MARK * video.videoWidth / 640;
  window.corner.drawImage(video, 0, 0, 2 * side, side, 0, 0, 48, 24);
  const found = window.corner.getImageData(0, 12, 48, 1).data;
  const digit = (at) => Math.round((found[4 * (24 * at + 12) + 1] - DARKEST) / LEVEL);
  return digit(0) * LEVELS + digit(1);
}"""
"""The number of the frame that the page's own picture shows."""
for _name, _value in (
    ("MARK", MARK_PX),
    ("DARKEST", DARKEST),
    ("LEVELS", LEVELS),
    ("LEVEL", LEVEL),
):
    WHERE = WHERE.replace(_name, str(_value))


@dataclass(frozen=True)
class Head:
    """Pictures of one person, by file name. `turned` points to the left edge of the picture."""

    person: str
    ahead: tuple[str, ...]
    turned: str
    up: str


ANDRE = Head("Andre_Agassi", ("0009",), "0031", "0005")


def first_frame(pose: str) -> int:
    """Where a pose begins in the loop."""
    before = 0.0
    for name, length_s in LENGTHS_S.items():
        if name == pose:
            return round(before * FPS)
        before += length_s
    raise KeyError(pose)


FRAMES = round(sum(LENGTHS_S.values()) * FPS)


def write_head(path: Path, media: Path, head: Head, ahead: tuple[Image, ...] = ()) -> None:
    """Write the loop as y4m; `ahead` in place of the person's own pictures straight ahead."""
    folder = media / "images" / "lfw" / head.person
    read = {
        name: _read(folder / f"{head.person}_{name}.jpg")
        for name in (*head.ahead, head.turned, head.up)
    }
    straight = list(ahead) or [read[name] for name in head.ahead]
    shown = {
        AHEAD: straight,
        Step.TURN_LEFT: [_farther(np.ascontiguousarray(read[head.turned][:, ::-1]))],
        Step.TURN_RIGHT: [_farther(read[head.turned])],
        Step.LOOK_UP: [_farther(read[head.up])],
        Step.TILT: [_tilted(straight[0], 18)],
        Step.COME_CLOSER: [_nearer(straight[0])],
    }
    noise = np.random.default_rng(5)
    at = 0
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for pose, length_s in LENGTHS_S.items():
            for number in range(round(length_s * FPS)):
                still = shown[Step(pose) if pose != AHEAD else AHEAD]
                frame = _framed(still[number * len(still) // round(length_s * FPS)])
                frame = frame + noise.normal(0, 2.0, frame.shape).astype(np.float32)
                file.write(b"FRAME\n")
                file.write(_marked(np.clip(frame, 0, 255).astype(np.uint8), at))
                at += 1


def _read(path: Path) -> Image:
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


def _tilted(image: Image, degrees: float) -> Image:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    turned = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _farther(image: Image) -> Image:
    """A step back: those pictures are of other days, and a movement counts where the distance stays."""
    height, width = image.shape[:2]
    edge = height // 24
    wider = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(wider, (width, height)), np.uint8)


def _nearer(image: Image) -> Image:
    height, width = image.shape[:2]
    cut = image[height // 6 : -height // 6, width // 6 : -width // 6]
    return np.asarray(cv2.resize(cut, (width, height)), np.uint8)


def _framed(image: Image) -> np.ndarray:
    """The picture in the middle of a wider room."""
    room = (
        cv2.resize(cv2.GaussianBlur(image, (0, 0), 12), (WIDTH, HEIGHT)).astype(np.float32) * 0.55
    )
    side = HEIGHT
    person = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    edge = np.minimum(np.arange(side), np.arange(side)[::-1])
    weight = np.clip(edge / 60.0, 0, 1)[None, :, None].astype(np.float32)
    left = (WIDTH - side) // 2
    inside = room[:, left : left + side]
    room[:, left : left + side] = person * weight + inside * (1 - weight)
    return room


def _marked(frame: Image, number: int) -> bytes:
    yuv = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)
    for at, digit in enumerate(divmod(number, LEVELS)):
        yuv[:MARK_PX, at * MARK_PX : (at + 1) * MARK_PX] = DARKEST + LEVEL * digit
    chroma = yuv[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    chroma[:, : MARK_PX // 2, :MARK_PX] = 128
    return bytes(yuv.tobytes())
