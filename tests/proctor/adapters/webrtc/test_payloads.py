"""What a payload carries, read without trusting it."""

import contextlib

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder, VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from proctor.adapters.webrtc.payloads import opus_ticks, unpack_h264, unpack_vp8, vp8_size
from tests.proctor.adapters.webrtc.sender import audio_frame, video_frame


@pytest.mark.parametrize("picture_id", [None, 5, 0x7FFF])
@pytest.mark.parametrize("tl0picidx", [None, 200])
@pytest.mark.parametrize("tid", [None, (2, 1)])
@pytest.mark.parametrize("keyidx", [None, 9])
def test_vp8_descriptors_of_every_length(
    picture_id: int | None, tl0picidx: int | None, tid: tuple[int, int] | None, keyidx: int | None
) -> None:
    for starts in (0, 1):
        descriptor = VpxPayloadDescriptor(starts, 0, picture_id, tl0picidx, tid, keyidx)
        assert unpack_vp8(bytes(descriptor) + b"\x10data") == (b"\x10data", bool(starts))
        assert unpack_vp8(bytes(descriptor) + b"\x11data") == (b"\x11data", False)


def test_vp8_with_a_short_picture_id() -> None:
    assert unpack_vp8(bytes([0x90, 0x80, 0x05]) + b"\x00x") == (b"\x00x", True)


def test_key_frames_and_their_size_are_recognised() -> None:
    encoder = Vp8Encoder()
    for index in range(4):
        payloads, _ = encoder.encode(video_frame(index, 352, 288), force_keyframe=index == 2)
        parts = [unpack_vp8(payload) for payload in payloads]
        is_key = index in (0, 2)
        assert [starts for _, starts in parts] == [is_key] + [False] * (len(parts) - 1)
        data = b"".join(part for part, _ in parts)
        assert vp8_size(data) == ((352, 288) if is_key else None)


def test_h264_key_frames_begin_with_their_parameters() -> None:
    encoder = H264Encoder()
    starts = []
    for index in range(4):
        payloads, _ = encoder.encode(video_frame(index), force_keyframe=index == 2)
        starts.append([unpack_h264(payload)[1] for payload in payloads])
    assert [any(flags) for flags in starts] == [True, False, True, False]
    assert starts[0][0] and not any(starts[0][1:])


def test_opus_packets_state_their_length() -> None:
    encoder = OpusEncoder()
    payloads = [payload for index in range(5) for payload in encoder.encode(audio_frame(index))[0]]
    assert payloads and {opus_ticks(payload) for payload in payloads} == {960}
    silk_60_ms, celt_2_5_ms_twice = bytes([3 << 3]), bytes([(16 << 3) | 1])
    assert (opus_ticks(silk_60_ms), opus_ticks(celt_2_5_ms_twice)) == (2_880, 240)
    assert opus_ticks(bytes([(1 << 3) | 3, 6])) == 5_760
    for impossible in (b"", bytes([3]), bytes([3, 0]), bytes([(3 << 3) | 3, 3])):
        with pytest.raises(ValueError):
            opus_ticks(impossible)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    for read in (unpack_vp8, unpack_h264, opus_ticks):
        with contextlib.suppress(ValueError):
            read(payload)
    vp8_size(payload)
