"""Coded frames to pictures: PyAV, in the caller's thread, one thread each.

At 320x240 a VP8 frame takes 0.5 ms to decode and 0.03 ms to convert; hand-overs to a thread per track
cost more than that (RAY.md 3).
"""

import av
import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from proctor.adapters.webrtc.payloads import vp8_size
from proctor.domain.media import Image, frozen

MAX_SIDE_PX = 1_920
MAX_PIXELS = 1_920 * 1_080
"""A larger picture is no camera of an exam; decoding it would hold up every session of the host."""

_VIDEO_CODECS = {"VP8": "libvpx", "H264": "h264"}


class Undecodable(Exception):
    """The frame cannot be decoded; what depends on it cannot either."""


class TooLarge(Exception):
    """The frame is larger than we accept."""


def is_too_large(width: int, height: int) -> bool:
    """Whether a picture of this size is refused."""
    return max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS


class PictureDecoder:
    """Decodes one video stream."""

    def __init__(self, codec_name: str) -> None:
        self.codec_name = codec_name
        context = CodecContext.create(_VIDEO_CODECS[codec_name], "r")
        assert isinstance(context, VideoCodecContext)
        self._context = context
        self._context.thread_count = 1
        self._context.options = {"max_pixels": str(MAX_PIXELS)}
        self._to_rgb = VideoReformatter()

    @property
    def width(self) -> int:
        """Of the stream, in pixels."""
        return self._context.width

    @property
    def height(self) -> int:
        """Of the stream, in pixels."""
        return self._context.height

    def decode(self, data: bytes) -> VideoFrame | None:
        """The frame in the codec's own colours; None when the codec holds it back.

        Raises `TooLarge` before anything of that size is allocated (VP8) or kept (H.264),
        `Undecodable` for damaged data.
        """
        size = vp8_size(data) if self.codec_name == "VP8" else None
        if size is not None and is_too_large(*size):
            raise TooLarge
        try:
            frames = self._context.decode(Packet(data))
        except av.FFmpegError as error:
            raise Undecodable from error
        if not frames:
            return None
        frame = frames[-1]
        if is_too_large(frame.width, frame.height):
            raise TooLarge
        return frame

    def picture(self, frame: VideoFrame) -> Image:
        """(h, w, 3) RGB uint8, read-only, its own memory."""
        rgb = self._to_rgb.reformat(frame, format="rgb24", threads=1)  # by itself it starts a pool
        return frozen(np.ascontiguousarray(rgb.to_ndarray()))
