"""`ClipWriter`: what every maker of clips keeps to, the fake like the real one."""

from collections.abc import Iterator

import pytest
from aiortc.codecs.vpx import Vp8Encoder

from proctor.adapters.webrtc.clips import Remuxer
from proctor.adapters.webrtc.payloads import unpack_vp8
from proctor.domain.errors import InvalidInput
from proctor.domain.media import CodedPicture, Strip
from proctor.ports import ClipWriter
from tests.fakes.evidence_keeper import FakeClips
from tests.proctor.adapters.webrtc.sender import video_frame


@pytest.fixture(params=[FakeClips, Remuxer])
def writer(request: pytest.FixtureRequest) -> ClipWriter:
    made: ClipWriter = request.param()
    return made


def coded(count: int) -> Iterator[tuple[int, CodedPicture]]:
    encoder = Vp8Encoder()
    for index in range(count):
        payloads, ticks = encoder.encode(video_frame(index), force_keyframe=index == 0)
        data = b"".join(unpack_vp8(payload)[0] for payload in payloads)
        yield 5_000 + index * 200, CodedPicture("VP8", data, index == 0, ticks, 320, 240)


def test_the_same_media_are_the_same_bytes_and_others_are_others(writer: ClipWriter) -> None:
    pictures = tuple(coded(8))
    media_type, content = writer.write(Strip(pictures))
    assert media_type == "video/webm"
    assert (media_type, content) == writer.write(Strip(pictures))
    assert content != writer.write(Strip(pictures[:-1]))[1]


def test_every_picture_is_in_it_as_it_came(writer: ClipWriter) -> None:
    pictures = tuple(coded(8))
    _, content = writer.write(Strip(pictures))
    assert all(picture.data in content for _, picture in pictures)


def test_nothing_and_what_begins_in_the_middle_is_refused(writer: ClipWriter) -> None:
    pictures = tuple(coded(3))
    for strip in (Strip(()), Strip(pictures[1:])):
        with pytest.raises(InvalidInput):
            writer.write(strip)
