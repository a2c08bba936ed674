"""Still pictures and how they are put before a camera: framing, a room, two people side by side.

Everything is drawn or cut from what is given; no picture of a person is part of this package.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from proctor.domain.media import Image, frozen

STAGE_WIDTH, STAGE_HEIGHT = 640, 480
"""Stills are set at twice the size that is sent, so that moving them does not blur them."""


def load_still(path: Path) -> Image:
    """A picture file as (h, w, 3) RGB, read-only.

    Raises:
        ValueError: The file is no picture that can be read.
    """
    decoded = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError(f"{path.name} is no picture that can be read")
    return frozen(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def framed(still: Image, width: int = STAGE_WIDTH, height: int = STAGE_HEIGHT) -> Image:
    """Fill a frame with a still: scaled to cover it, what is over cut at the sides and below.

    A portrait keeps its head: of the height that is over, a twelfth is cut above, the rest below.
    """
    scale = max(width / still.shape[1], height / still.shape[0])
    size = (max(width, round(still.shape[1] * scale)), max(height, round(still.shape[0] * scale)))
    enlarged = cv2.resize(still, size, interpolation=cv2.INTER_CUBIC)
    left, above = (size[0] - width) // 2, (size[1] - height) // 12
    return frozen(np.ascontiguousarray(enlarged[above : above + height, left : left + width]))


def mirrored(still: Image) -> Image:
    """The picture as in a mirror."""
    return frozen(np.ascontiguousarray(still[:, ::-1]))


def cut(still: Image, left: float, top: float, right: float, bottom: float) -> Image:
    """A part of a picture, edges as fractions of its size."""
    height, width = still.shape[:2]
    rows, columns = slice(int(top * height), int(bottom * height)), slice(int(left * width), None)
    return frozen(np.ascontiguousarray(still[rows, columns][:, : int((right - left) * width)]))


def standing(stage: Image, still: Image, centre: float, height_share: float) -> Image:
    """Put a person before what is there: portrait with faded edges, its bottom on the picture's bottom.

    Args:
        stage: What is behind; framed when it is not yet.
        still: The portrait.
        centre: Where its middle is, as a fraction of the width.
        height_share: How tall it is, as a fraction of the picture's height.
    """
    height = round(STAGE_HEIGHT * height_share)
    width = round(height * still.shape[1] / still.shape[0])
    person = cv2.resize(still, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    sides = np.minimum(np.arange(width), np.arange(width)[::-1]) / (width * 0.1)
    above = np.arange(height) / (height * 0.06)
    mask = np.minimum(1.0, np.minimum(sides[None, :], above[:, None]))[:, :, None]
    after = framed(stage).astype(np.float32)
    left, top = round(STAGE_WIDTH * centre - width / 2), STAGE_HEIGHT - height
    first, last = max(0, left), min(STAGE_WIDTH, left + width)
    inside = slice(first - left, last - left)
    behind = after[top:, first:last]
    after[top:, first:last] = behind + (person[:, inside] - behind) * mask[:, inside]
    return frozen(np.clip(after, 0, 255).astype(np.uint8))


def empty_room(seed: int) -> Image:
    """A room with nobody in it: a lit wall, a shelf with books, a door and a desk's edge."""
    rng = np.random.default_rng(seed)
    down = np.linspace(0, 1, STAGE_HEIGHT)[:, None, None]
    across = np.linspace(0, 1, STAGE_WIDTH)[None, :, None]
    wall = np.array([188, 178, 164], np.float32) * (1.0 - 0.25 * down) * (0.82 + 0.25 * across)
    stage = np.clip(wall, 0, 255).astype(np.uint8)
    cv2.rectangle(stage, (40, 150), (330, 164), (112, 84, 58), -1)
    at = 48
    while at < 316:
        thick, tall = int(rng.integers(9, 24)), int(rng.integers(52, 96))
        colour = tuple(int(part) for part in rng.integers(50, 190, 3))
        cv2.rectangle(stage, (at, 150 - tall), (at + thick, 149), colour, -1)
        cv2.line(stage, (at + thick, 150 - tall), (at + thick, 149), (45, 40, 38), 1)
        at += thick + 2
    cv2.rectangle(stage, (450, 60), (590, 430), (141, 118, 92), -1)
    cv2.rectangle(stage, (450, 60), (590, 430), (96, 78, 60), 3)
    cv2.circle(stage, (470, 250), 6, (200, 190, 120), -1)
    cv2.rectangle(stage, (0, 432), (STAGE_WIDTH, STAGE_HEIGHT), (92, 74, 58), -1)
    return frozen(cv2.GaussianBlur(stage, (0, 0), 1.1))


def jpeg(image: Image, quality: int = 92) -> bytes:
    """The picture as a JPEG file in memory."""
    encoded, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not encoded:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()


def people_of(folder: Path, at_least: int, limit: int) -> Sequence[tuple[str, Sequence[Path]]]:
    """People of an LFW-like folder (one folder per person) with enough pictures, by name."""
    found: list[tuple[str, Sequence[Path]]] = []
    for person in sorted(folder.iterdir()) if folder.is_dir() else []:
        pictures = sorted(person.glob("*.jpg")) if person.is_dir() else []
        if len(pictures) >= at_least:
            found.append((person.name, pictures))
        if len(found) == limit:
            break
    return found
