"""Pictures from outside are rebuilt from their pixels: what is judged and kept holds nothing else.

The header alone decides whether a picture is decoded at all (format, number of pixels), so a small
file cannot unpack into gigabytes (TRUST D10: 9.9 kB became 0.4 GB).
"""

import asyncio
import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from proctor.domain.errors import InvalidInput

MAX_PIXELS = 25_000_000
MIN_SIDE_PX = 32
MAX_SIDE_PX = 1280
JPEG_QUALITY = 92
BATCH_BYTES = 2 << 20  # half of what one Serve call may carry (RAY.md 2)
_FORMATS = ("JPEG", "PNG", "WEBP")
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    ArithmeticError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A rebuilt picture.

    Attributes:
        jpeg: Self-contained JPEG bytes without metadata, upright, at most 1280 px a side.
        pixels_sha256: Digest of the decoded pixels: the same picture sent twice is one picture.
    """

    jpeg: bytes
    pixels_sha256: str


class PictureDesk:
    """Rebuilds pictures on worker threads, two at a time."""

    def __init__(self, at_once: int = 2) -> None:
        self._gate = asyncio.Semaphore(at_once)

    async def rebuild_all(self, raws: Sequence[bytes]) -> list[Picture]:
        """Every picture, in order. Raises what `rebuild` raises for the first that is refused."""
        pictures = []
        for raw in raws:
            async with self._gate:
                pictures.append(await asyncio.to_thread(rebuild, raw))
        return pictures


def rebuild(raw: bytes) -> Picture:
    """Decode, turn upright as EXIF says, scale down, and encode anew from the pixels.

    Raises:
        InvalidInput: `image/unsupported` (415: no JPEG, PNG or WebP), `image/too-many-pixels`
            (413, before anything is decoded), `image/invalid` (422: broken, animated, tiny, or of
            a kind of pixel that no camera makes).
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    too_many = InvalidInput(
        f"A picture may have at most {MAX_PIXELS // 1_000_000} megapixels; send a smaller one.",
        "image/too-many-pixels",
        413,
    )
    try:
        image = Image.open(BytesIO(raw), formats=_FORMATS)
    except UnidentifiedImageError:
        raise InvalidInput(
            "Send pictures as JPEG, PNG or WebP.", "image/unsupported", 415
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many from None
    except _BROKEN:
        raise _invalid("cannot be read") from None
    with image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise too_many
        if min(width, height) < MIN_SIDE_PX or image.mode not in _MODES:
            raise _invalid("is too small, or is no photograph of 8 bits a channel")
        try:
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                raise _invalid("moves; send a still one")
            if image.format == "JPEG":
                image.draft("RGB", (MAX_SIDE_PX, MAX_SIDE_PX))  # decodes at a fraction, never below
            image.load()
            upright = ImageOps.exif_transpose(image).convert("RGB")
            upright.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
            pixels = upright.tobytes()
            bare = Image.frombytes("RGB", upright.size, pixels)
        except _BROKEN:
            raise _invalid("cannot be decoded; it may be cut short") from None
    out = BytesIO()
    bare.save(out, "JPEG", quality=JPEG_QUALITY)
    return Picture(out.getvalue(), hashlib.sha256(repr(bare.size).encode() + pixels).hexdigest())


def _invalid(why: str) -> InvalidInput:
    return InvalidInput(f"A picture {why}.", "image/invalid", 422)


def in_batches(pictures: Sequence[Picture], most_bytes: int = BATCH_BYTES) -> Iterator[list[bytes]]:
    """The JPEGs in order, in groups that fit into one call; each group has at least one."""
    group: list[bytes] = []
    size = 0
    for picture in pictures:
        if group and size + len(picture.jpeg) > most_bytes:
            yield group
            group, size = [], 0
        group.append(picture.jpeg)
        size += len(picture.jpeg)
    if group:
        yield group
