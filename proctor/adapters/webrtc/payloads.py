"""What an RTP payload carries: the codec's own bytes, and whether a key frame begins here."""

from aiortc.codecs.h264 import h264_depayload

OPUS_RATE_HZ = 48_000
_H264_SPS, _H264_STAP_A = 7, 24
# Frame sizes by Opus configuration number, in 48 kHz ticks (RFC 6716 section 3.1, table 2).
_OPUS_FRAME_TICKS = (
    (480, 960, 1920, 2880) * 3  # SILK: 10, 20, 40, 60 ms
    + (480, 960) * 2  # hybrid: 10, 20 ms
    + (120, 240, 480, 960) * 4  # CELT: 2.5, 5, 10, 20 ms
)


def unpack_vp8(payload: bytes) -> tuple[bytes, bool]:
    """VP8 data behind its payload descriptor (RFC 7741 section 4.2); raises `ValueError`.

    A key frame begins where partition 0 starts and the frame header's P bit is 0.
    """
    try:
        first = payload[0]
        at = 1
        if first & 0x80:
            extension = payload[1]
            at = 2
            if extension & 0x80:  # picture id, one or two bytes
                at += 2 if payload[2] & 0x80 else 1
            if extension & 0x40:  # TL0PICIDX
                at += 1
            if extension & 0x30:  # TID / KEYIDX share a byte
                at += 1
    except IndexError:
        raise ValueError("VP8 payload descriptor is cut short") from None
    data = payload[at:]
    if not data:
        raise ValueError("VP8 payload holds no data")
    return data, first & 0x1F == 0x10 and not data[0] & 1


def vp8_size(frame: bytes) -> tuple[int, int] | None:
    """(width, height) as a key frame states it (RFC 6386 section 9.1); None for other frames."""
    if len(frame) < 10 or frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a":
        return None
    return (
        int.from_bytes(frame[6:8], "little") & 0x3FFF,
        int.from_bytes(frame[8:10], "little") & 0x3FFF,
    )


def unpack_h264(payload: bytes) -> tuple[bytes, bool]:
    """H.264 data as an Annex B stream (RFC 6184); raises `ValueError`.

    Senders of WebRTC repeat the parameter sets before every IDR, so a key frame begins with an
    SPS, alone or first in an aggregation packet.
    """
    data = h264_depayload(payload)
    kind = payload[0] & 0x1F
    if kind == _H264_STAP_A and len(payload) > 3:
        kind = payload[3] & 0x1F
    return data, kind == _H264_SPS


def opus_ticks(payload: bytes) -> int:
    """Length of an Opus packet in 48 kHz ticks, read from its first bytes; raises `ValueError`.

    RFC 6716 section 3.1: the TOC byte names frame size and how many frames there are; a packet
    holds at most 120 ms.
    """
    if not payload:
        raise ValueError("Opus packet is empty")
    toc = payload[0]
    if toc & 3 == 3:
        if len(payload) < 2:
            raise ValueError("Opus packet is cut short")
        frames = payload[1] & 0x3F
    else:
        frames = 1 if toc & 3 == 0 else 2
    ticks = _OPUS_FRAME_TICKS[toc >> 3] * frames
    if not 0 < ticks <= OPUS_RATE_HZ * 120 // 1000:
        raise ValueError("Opus packet states an impossible length")
    return ticks
