"""Pictures: what is refused is refused by its header; what is taken is rebuilt from its pixels."""

import asyncio
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from proctor.domain.errors import InvalidInput
from proctor.services.pictures import MAX_SIDE_PX, Picture, PictureDesk, in_batches, rebuild


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(picture: Picture) -> Image.Image:
    return Image.open(BytesIO(picture.jpeg))


def gradient(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    red = (columns * 255 // max(width - 1, 1)).astype(np.uint8)
    green = (rows * 255 // max(height - 1, 1)).astype(np.uint8)
    return Image.fromarray(np.dstack([red, green, np.zeros_like(red)]))


def bomb(side: int) -> bytes:
    """A small PNG that says it is `side` x `side`."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = b"\0" * (side + 1)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def code_of(raw: bytes) -> tuple[int, str]:
    with pytest.raises(InvalidInput) as caught:
        rebuild(raw)
    return caught.value.status, caught.value.code


def outcome(raw: bytes) -> str:
    try:
        rebuild(raw)
    except InvalidInput as refused:
        return refused.code
    return "read"


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("side", [5_001, 9_000, 10_000, 14_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    raw = bomb(side)
    assert len(raw) < 300_000
    before = resident_bytes()
    assert code_of(raw) == (413, "image/too-many-pixels")
    assert resident_bytes() - before < 50 * 2**20


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 100,
        b"<html><script>alert(1)</script></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"PK\x03\x04" + b"\0" * 60,
        b"%PDF-1.7\n" + b"\0" * 60,
        b"SIMPLE  =                    T" + b" " * 2850,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        saved(gradient(64, 64), "GIF"),
        saved(gradient(64, 64), "BMP"),
        saved(gradient(64, 64), "TIFF"),
    ],
)
def test_other_formats_are_unsupported(raw: bytes) -> None:
    assert code_of(raw) == (415, "image/unsupported")


@pytest.mark.parametrize(
    "raw",
    [
        saved(gradient(200, 200))[:900],
        saved(gradient(200, 200), "PNG")[:300],
        saved(gradient(200, 200), "WEBP")[:200],
        saved(gradient(1, 1)),
        saved(gradient(31, 200)),
        saved(Image.new("I;16", (64, 64)), "PNG"),
        saved(gradient(64, 64), "PNG", save_all=True, append_images=[gradient(64, 64)] * 3),
        saved(gradient(64, 64), "WEBP", save_all=True, append_images=[Image.new("RGB", (64, 64))]),
    ],
)
def test_broken_moving_tiny_and_deep_pictures_are_invalid(raw: bytes) -> None:
    status, code = code_of(raw)
    assert (status, code) in ((422, "image/invalid"), (415, "image/unsupported"))


def test_every_prefix_of_a_picture_is_refused_or_read_but_never_breaks() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        raw = saved(gradient(48, 40), kind)
        for end in range(0, len(raw) - 1, 7):
            assert outcome(raw[:end]) in ("read", "image/invalid", "image/unsupported")


def test_noise_in_a_picture_is_refused_or_read_but_never_breaks() -> None:
    random = np.random.default_rng(7)
    for kind in ("JPEG", "PNG", "WEBP"):
        raw = saved(gradient(64, 48), kind)
        for _ in range(150):
            spoiled = bytearray(raw)
            for at in random.integers(8, len(raw), 3):
                spoiled[at] = random.integers(0, 256)
            assert outcome(bytes(spoiled)).startswith(("read", "image/"))


def test_nothing_but_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = "CANARY description"
    exif.get_ifd(0x8825)[1] = "N"
    raw = saved(gradient(100, 80), exif=exif, comment=b"CANARY comment", icc_profile=b"CANARY icc")
    assert raw.count(b"CANARY") == 3
    rebuilt = rebuild(raw)
    assert b"CANARY" not in rebuilt.jpeg
    assert not opened(rebuilt).getexif() and "comment" not in opened(rebuilt).info
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "CANARY")
    rebuilt = rebuild(saved(gradient(100, 80), "PNG", pnginfo=text))
    assert b"CANARY" not in rebuilt.jpeg
    trailing = saved(gradient(100, 80)) + b"PK\x03\x04CANARY"
    assert b"CANARY" not in rebuild(trailing).jpeg


def test_a_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the top of the scene is at the right
    upright = opened(rebuild(saved(gradient(120, 60), quality=95, exif=exif)))
    assert upright.size == (60, 120)
    corner = upright.getpixel((58, 2))
    assert isinstance(corner, tuple)
    assert corner[0] < 60 and corner[1] < 60  # the file's top left is now at the top right


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_every_kind_of_pixel_a_camera_or_a_tool_makes(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    rebuilt = rebuild(saved(gradient(90, 70).convert(mode), kind))
    assert (opened(rebuilt).mode, opened(rebuilt).size) == ("RGB", (90, 70))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_pictures_are_scaled_and_small_ones_left_alone(kind: str) -> None:
    large = opened(rebuild(saved(gradient(4_000, 3_000), kind)))
    assert large.size == (MAX_SIDE_PX, MAX_SIDE_PX * 3 // 4)
    assert opened(rebuild(saved(gradient(640, 480), kind))).size == (640, 480)


def test_the_same_pixels_have_the_same_digest_whatever_the_file() -> None:
    one, other = gradient(64, 64), Image.new("RGB", (64, 64))
    assert rebuild(saved(one, "PNG")).pixels_sha256 == (
        rebuild(saved(one, "WEBP", lossless=True)).pixels_sha256
    )
    assert rebuild(saved(one, "PNG")).pixels_sha256 != rebuild(saved(other, "PNG")).pixels_sha256


def test_batches_fit_and_keep_order() -> None:
    pictures = [Picture(bytes([n]) * size, str(n)) for n, size in enumerate((4, 4, 4, 20, 1))]
    assert [[jpeg[0] for jpeg in batch] for batch in in_batches(pictures, 10)] == [
        [0, 1],
        [2],
        [3],
        [4],
    ]
    assert list(in_batches([], 10)) == []


async def test_the_loop_goes_on_while_pictures_are_rebuilt() -> None:
    raw = saved(gradient(4_000, 3_000), "PNG")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    counter = asyncio.create_task(count())
    pictures = await PictureDesk().rebuild_all([raw, raw])
    counter.cancel()
    assert len(pictures) == 2 and turns > 10
