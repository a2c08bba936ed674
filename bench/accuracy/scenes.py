"""Composed pictures: faces of known size on a background, and pictures with no face in them.

A press photo of one person is laid on a wall of another colour with soft edges, so that its face has
the width that is asked for. Widths are those of the face mesh (temple to temple). Pictures without a
face are what lies below a face, and a head whose face is painted over with the hair above it: a
stand-in for the back of a head, for no real ones are at hand.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from proctor.domain.geometry import Box
from proctor.domain.media import Image

WIDTH, HEIGHT = 640, 480
JPEG_QUALITY = 90
NEAR_SHARE = 0.25
"""Width of the candidate's own face, as a share of the picture's, when somebody else is behind."""
NOISE = 3.0
ROOM_FOR_TORSO_PX = 24
HEAD = (1.9, 2.3)
"""What is cut out around a face, in its own widths and heights."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A picture and the face in it, in pixels."""

    image: Image
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A composed picture as JPEG, and where its faces are; the last one is the one asked for."""

    picture: bytes
    faces: tuple[Box, ...]


def portrait(image: Image, box: Box) -> Portrait:
    """A picture with its face, from the box in fractions."""
    height, width = image.shape[:2]
    return Portrait(
        image, box.left * width, box.top * height, box.width * width, box.height * height
    )


def one_face(face: Portrait, share: float, rng: np.random.Generator) -> Scene:
    """A picture with one face of so large a share of its width, about the middle."""
    canvas = _wall(rng)
    size = share * WIDTH
    x = WIDTH / 2 + float(rng.uniform(-0.08, 0.08)) * WIDTH * (1 - share)
    y = HEIGHT / 2 + float(rng.uniform(-0.05, 0.05)) * HEIGHT * (1 - share)
    box = _lay(canvas, face, size, x, y)
    return Scene(_jpeg(canvas, rng), (box,))


def two_faces(near: Portrait, far: Portrait, width_px: float, rng: np.random.Generator) -> Scene:
    """A candidate with a face of a quarter of the width, and somebody else's of `width_px` beside."""
    canvas = _wall(rng)
    on_the_right = bool(rng.integers(2))
    x = WIDTH * (0.34 if on_the_right else 0.66)
    main = _lay(canvas, near, NEAR_SHARE * WIDTH, x, HEIGHT * 0.52)
    margin = max(width_px, 40.0)
    low, high = WIDTH * 0.72, WIDTH - margin
    other_x = float(rng.uniform(low, high)) if high > low else WIDTH * 0.8
    if not on_the_right:
        other_x = WIDTH - other_x
    other_y = float(rng.uniform(margin, HEIGHT * 0.6))
    other = _lay(canvas, far, width_px, other_x, other_y)
    return Scene(_jpeg(canvas, rng), (main, other))


def torso(face: Portrait) -> bytes | None:
    """What lies below the face, brought to the picture's size; None when there is too little."""
    top = round(face.top + 1.15 * face.height)
    below = face.image[top:]
    if below.shape[0] < ROOM_FOR_TORSO_PX:
        return None
    return _encoded(_fitted(below))


def back_of_head(face: Portrait, rng: np.random.Generator) -> bytes | None:
    """The head with its face painted over by the hair above it; None when no hair is in the picture."""
    hair_px = round(0.22 * face.height)
    top = round(face.top - 0.06 * face.height)
    if top - hair_px < 0:
        return None
    left, right = (round(face.left + s * face.width) for s in (0.1, 0.9))
    hair = face.image[top - hair_px : top, max(left, 0) : right]
    if hair.shape[1] < 8:
        return None
    painted = np.array(face.image, np.float32)
    height, width = painted.shape[:2]
    rows = round(1.35 * face.height)
    columns = round(1.3 * face.width)
    cover = cv2.resize(hair, (columns, rows), interpolation=cv2.INTER_LINEAR)
    cover = cover + rng.normal(0, 6, cover.shape)
    x = round(face.left + face.width / 2 - columns / 2)
    y = round(face.top + face.height / 2 - rows / 2 - 0.05 * face.height)
    mask = _ellipse(columns, rows)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + columns, width), min(y + rows, height)
    part = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
    under = painted[y0:y1, x0:x1]
    painted[y0:y1, x0:x1] = under + (cover[part] - under) * mask[part]
    around_x, around_y = HEAD[0] * face.width / 2, HEAD[1] * face.height / 2
    middle_x, middle_y = face.left + face.width / 2, face.top + face.height / 2
    cut = painted[
        max(round(middle_y - around_y), 0) : round(middle_y + around_y),
        max(round(middle_x - around_x), 0) : round(middle_x + around_x),
    ]
    return _encoded(_fitted(np.clip(cut, 0, 255).astype(np.uint8)))


def _wall(rng: np.random.Generator) -> np.ndarray:
    """An even, lit wall: a colour that falls off towards one side."""
    colour = rng.uniform(70, 200, 3)
    slope = rng.uniform(-0.25, 0.25, 2)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    light = 1 + slope[0] * (x / WIDTH - 0.5) + slope[1] * (y / HEIGHT - 0.5)
    return np.asarray(light[..., None] * colour, np.float32)


def _lay(canvas: np.ndarray, face: Portrait, width_px: float, x: float, y: float) -> Box:
    """Lay the whole portrait so that its face is `width_px` wide about (x, y); where it came to lie."""
    scale = width_px / face.width
    size = (max(1, round(face.image.shape[1] * scale)), max(1, round(face.image.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    sized = cv2.resize(face.image, size, interpolation=way).astype(np.float32)
    left = round(x - (face.left + face.width / 2) * scale)
    top = round(y - (face.top + face.height / 2) * scale)
    mask = _soft(size[0], size[1])
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + size[0], WIDTH), min(top + size[1], HEIGHT)
    part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    under = canvas[y0:y1, x0:x1]
    canvas[y0:y1, x0:x1] = under + (sized[part] - under) * mask[part]
    return Box(
        (left + face.left * scale) / WIDTH,
        (top + face.top * scale) / HEIGHT,
        width_px / WIDTH,
        face.height * scale / HEIGHT,
    )


def _soft(width: int, height: int) -> np.ndarray:
    """1 in the middle, falling to 0 over a twelfth of each edge; (h, w, 1)."""
    across = np.minimum(np.arange(width) + 1, np.arange(width)[::-1] + 1) / max(width / 12, 1)
    down = np.minimum(np.arange(height) + 1, np.arange(height)[::-1] + 1) / max(height / 12, 1)
    return np.asarray(np.minimum(np.minimum(down[:, None], across[None]), 1)[..., None])


def _ellipse(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    far = np.hypot((x + 0.5) / (width / 2) - 1, (y + 0.5) / (height / 2) - 1)
    return np.asarray(np.clip((1 - far) / 0.12, 0, 1)[..., None])


def _fitted(image: np.ndarray) -> np.ndarray:
    """As large as it fits into a frame, on grey."""
    scale = min(WIDTH / image.shape[1], HEIGHT / image.shape[0])
    sized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    frame = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    top, left = (HEIGHT - sized.shape[0]) // 2, (WIDTH - sized.shape[1]) // 2
    frame[top : top + sized.shape[0], left : left + sized.shape[1]] = sized
    return frame


def _jpeg(canvas: np.ndarray, rng: np.random.Generator) -> bytes:
    noisy = canvas + rng.normal(0, NOISE, canvas.shape)
    return _encoded(np.clip(noisy, 0, 255).astype(np.uint8))


def _encoded(image: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
