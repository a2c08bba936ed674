"""Received media into a file that a browser plays, byte for byte as they came, never encoded again.

VP8 goes into WebM and H.264 into MP4, each with Opus if there is sound. PyAV's muxers want a sound
encoder's header, so one is opened and never used.
"""

import io
from collections.abc import Iterable
from fractions import Fraction

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from proctor.domain.errors import InvalidInput
from proctor.domain.media import CodedPicture, Strip

_MS = Fraction(1, 1000)
_FORMATS = {"VP8": ("webm", "video/webm"), "H264": ("mp4", "video/mp4")}
_OPUS_HZ = 48_000
_LAST_MS = 200
"""How long the last picture is shown: as long as others are at 5 fps."""


class Remuxer:
    """Implements `ClipWriter`."""

    def write(self, strip: Strip) -> tuple[str, bytes]:
        """The media type and the file. Takes some milliseconds for 20 s at 5 fps.

        Raises:
            InvalidInput: The strip begins with no key, or FFmpeg does not take it (`evidence/clip`).
        """
        if not strip.pictures or not strip.pictures[0][1].is_key:
            raise InvalidInput("a clip begins with a key picture", "evidence/clip")
        first = strip.pictures[0][1]
        container_format, media_type = _FORMATS[first.codec]
        file = io.BytesIO()
        try:
            with av.open(file, "w", format=container_format, options={"fflags": "+bitexact"}) as to:
                _fill(to, strip, first)
        except (av.FFmpegError, ValueError) as error:
            raise InvalidInput(
                f"FFmpeg does not take the media: {type(error).__name__}", "evidence/clip"
            ) from error
        return media_type, file.getvalue()


def _fill(to: OutputContainer, strip: Strip, first: CodedPicture) -> None:
    video = _video_stream(to, first)
    start_ms = strip.pictures[0][0]
    packets = list(_pictures(strip, video, start_ms))
    if strip.sounds:
        audio = to.add_stream("libopus", rate=_OPUS_HZ, layout="stereo")
        for at_ms, sound in strip.sounds:
            duration_ms = sound.duration_ticks * 1000 // _OPUS_HZ
            packets.append(_packet(sound.data, audio, at_ms - start_ms, duration_ms, True))
    for packet in sorted(packets, key=lambda each: each.dts or 0):
        to.mux(packet)


def _video_stream(to: OutputContainer, first: CodedPicture) -> Stream:
    if first.codec == "VP8":
        video = to.add_mux_stream("vp8", width=first.width, height=first.height)
    else:
        # MP4 wants the parameter sets apart: FFmpeg finds them in the first picture.
        with av.open(io.BytesIO(first.data), format="h264") as raw:
            video = to.add_stream_from_template(raw.streams.video[0], opaque=True)
    video.time_base = _MS
    return video


def _pictures(strip: Strip, video: Stream, start_ms: int) -> "Iterable[Packet[Stream]]":
    times = [at_ms for at_ms, _ in strip.pictures]
    for (at_ms, picture), next_ms in zip(
        strip.pictures, [*times[1:], times[-1] + _LAST_MS], strict=True
    ):
        yield _packet(picture.data, video, at_ms - start_ms, next_ms - at_ms, picture.is_key)


def _packet(
    data: bytes, stream: Stream, at_ms: int, duration_ms: int, is_key: bool
) -> "Packet[Stream]":
    packet = Packet(data)
    packet.stream = stream
    packet.time_base = _MS
    packet.pts = packet.dts = at_ms
    packet.duration = duration_ms
    packet.is_keyframe = is_key
    return packet
