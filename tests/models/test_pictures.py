"""A capped decode, rotated crops, plain measures."""

import io
import math
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from models.errors import PictureUnreadable
from models.pictures import Region, as_input, crop, decode, face_measures, letterbox
from proctor.domain.geometry import Box


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def test_a_picture_comes_out_as_rgb_and_read_only() -> None:
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes blue first
    image = decode(png(red))
    assert image.shape == (4, 6, 3)
    assert (image == (255, 0, 0)).all()
    assert not image.flags.writeable


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "1"])
def test_other_kinds_of_png_are_three_bytes_as_well(mode: str) -> None:
    out = io.BytesIO()
    Pillow.new(mode, (5, 7)).save(out, "PNG")
    image = decode(out.getvalue())
    assert image.shape == (7, 5, 3) and image.dtype == np.uint8


def test_a_cmyk_jpeg_and_a_turned_one_are_read() -> None:
    out = io.BytesIO()
    Pillow.new("CMYK", (8, 4)).save(out, "JPEG")
    assert decode(out.getvalue()).shape == (4, 8, 3)
    turned, exif = io.BytesIO(), Pillow.Exif()
    exif[0x0112] = 6
    Pillow.new("RGB", (8, 4)).save(turned, "JPEG", exif=exif)
    assert decode(turned.getvalue()).shape == (8, 4, 3)


def bomb(width: int, height: int) -> bytes:
    """A few bytes that claim an enormous picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


@pytest.mark.parametrize(
    ("width", "height"), [(9000, 9000), (10_000, 10_000), (200_000, 1), (20_000, 20_000)]
)
def test_an_enormous_picture_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(PictureUnreadable):
        decode(bomb(width, height))


def gif() -> bytes:
    out = io.BytesIO()
    Pillow.new("P", (4, 4)).save(out, "GIF")
    return out.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff", b"<svg/>", b"\x89PNG\r\n\x1a\n", gif(), bomb(50, 50)]
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(PictureUnreadable):
        decode(content)


def test_a_crop_of_the_whole_picture_is_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop(image, letterbox(image), (20, 20)), image)


def test_a_letterbox_adds_black_on_both_sides() -> None:
    white = np.full((10, 20, 3), 255, np.uint8)
    cut = crop(white, letterbox(white), (20, 20))
    assert (cut[5:15] == 255).all() and (cut[:5] == 0).all() and (cut[15:] == 0).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_point_finds_its_way_back_from_a_turned_crop(mirrored: bool) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    cv2.circle(image, (70, 40), 3, (255, 255, 255), -1)
    region = Region(60, 50, 60, 60, math.radians(25))
    cut = crop(image, region, (120, 120), mirrored)
    y, x = np.argwhere(cut[..., 0] > 128).mean(axis=0)
    matrix = region.to_picture((120, 120), mirrored)
    back = matrix[:, :2] @ (x + 0.5, y + 0.5) + matrix[:, 2] - 0.5
    np.testing.assert_allclose(back, (70, 40), atol=0.5)


def test_the_input_range_is_exact_at_its_ends() -> None:
    ends = np.array([[[0, 255, 0]]], np.uint8)
    np.testing.assert_allclose(as_input(ends, -1, 1), [[[[-1, 1, -1]]]], atol=1e-6)


def test_blur_lowers_sharpness_and_light_raises_brightness() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    face = Box(0.25, 0.25, 0.5, 0.5)
    sharp, light = face_measures(noise, face)
    soft, same = face_measures(cv2.GaussianBlur(noise, (0, 0), 3), face)
    assert soft < sharp / 10
    assert light == pytest.approx(same, abs=0.02) == pytest.approx(0.5, abs=0.02)
    assert face_measures(noise // 4, face)[1] < 0.15


def test_a_box_outside_the_picture_measures_nothing() -> None:
    assert face_measures(np.full((50, 50, 3), 99, np.uint8), Box(1.2, 0, 0.3, 0.3)) == (0.0, 0.0)
