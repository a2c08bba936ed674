"""A script encoded once: VP8 and Opus packets that any number of senders can play.

Encoding ahead keeps a load generator cheap, and makes what is sent the same in every run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bench.candidate.pictures import FPS, HEIGHT, WIDTH
from bench.candidate.scenes import Script
from bench.candidate.sounds import RATE_HZ, Wave
from proctor.domain.media import Image

KEY_FRAME_EVERY_S = 2
"""A resumed or disturbed stream can begin again this soon: a reel cannot answer a wish for a key frame."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One encoded picture or stretch of sound.

    Attributes:
        start_s: When it begins, in seconds of the script.
        data: The packet.
        is_key: Whether a decoder can begin here.
    """

    start_s: float
    data: bytes
    is_key: bool


@dataclass(frozen=True, slots=True)
class Reels:
    """A script ready to be sent: pictures at FPS, sound in packets of `ptime_ms`."""

    video: tuple[Piece, ...]
    audio: tuple[Piece, ...]
    length_s: float
    ptime_ms: int


def encode(script: Script, kbps: int = 250, ptime_ms: int = 60) -> Reels:
    """Encode all of a script; about 3 ms of a core per picture."""
    return Reels(
        video=tuple(encode_pictures(script.pictures(), kbps)),
        audio=tuple(encode_sound(script.sound(RATE_HZ * ptime_ms // 1000), ptime_ms)),
        length_s=script.length_s,
        ptime_ms=ptime_ms,
    )


def encode_pictures(pictures: Iterator[tuple[Image, bool]], kbps: int) -> Iterator[Piece]:
    """VP8; a picture that is the first of its scene is a key frame, and one every `KEY_FRAME_EVERY_S`."""
    import av
    from av.video.frame import PictureType

    codec = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FPS), Fraction(FPS)
    codec.bit_rate = kbps * 1000
    codec.thread_count = 1
    codec.options = {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0"}
    for index, (picture, is_first) in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        if is_first or index % (KEY_FRAME_EVERY_S * FPS) == 0:
            frame.pict_type = PictureType.I
        for packet in codec.encode(frame):
            yield Piece(index / FPS, bytes(packet), bool(packet.is_keyframe))


def encode_sound(blocks: Iterator[Wave], ptime_ms: int) -> Iterator[Piece]:
    """Opus in packets of `ptime_ms` from blocks of as many samples."""
    import av

    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = RATE_HZ, "mono", "s16"
    codec.bit_rate = 24_000
    codec.options = {"application": "voip", "frame_duration": str(ptime_ms)}
    made = 0
    for index, block in enumerate(blocks):
        padded = np.zeros(RATE_HZ * ptime_ms // 1000, np.int16)
        padded[: len(block)] = block
        frame = av.AudioFrame.from_ndarray(padded[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, index * len(padded)
        for packet in codec.encode(frame):
            yield Piece(made * ptime_ms / 1000, bytes(packet), True)
            made += 1
