"""A real sender on loopback: pictures at once, sound whole, nothing left behind."""

import asyncio
import gc
import os

import numpy as np
import pytest

from proctor.adapters.clock import SystemClock
from proctor.adapters.webrtc.peer import LeanPeers
from proctor.settings import WebRtcSettings
from tests.fakes.metrics import FakeMetrics
from tests.proctor.adapters.webrtc.sender import MovingPictures, Sender, Tone, picture
from tests.proctor.adapters.webrtc.sink import RecordingSink


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def peers(metrics: FakeMetrics | None = None, **settings: object) -> LeanPeers:
    return LeanPeers(
        WebRtcSettings.model_validate(settings), SystemClock(), metrics or FakeMetrics()
    )


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_frame_is_delivered_before_the_next_is_sent(codec: str) -> None:
    """The sender waits for each frame to be seen; stock aiortc would wait for the next one."""
    sink, metrics = RecordingSink(), FakeMetrics()
    video = MovingPictures(fps=5)

    async def after_the_last_was_seen(index: int) -> None:
        await sink.until(lambda: len(sink.pictures) >= index)

    video.before_send = after_the_last_was_seen
    sender = Sender(video, codec=codec)
    peer = peers(metrics).open(sink)
    await sender.accept(await peer.answer(await sender.offer()))
    await sink.until(lambda: "connected" in sink.states, within_s=2.0)
    await sink.until(lambda: len(sink.pictures) >= 8)
    await peer.close()
    await sender.close()
    for index, image in enumerate(sink.pictures):
        assert image.shape == (240, 320, 3) and not image.flags.writeable
        assert np.abs(image.astype(int) - picture(index).astype(int)).mean() < 8
    assert {name for name, _ in metrics.counts} == {"proctor_webrtc_connections_total"}


async def test_sound_arrives_whole_and_as_long_as_it_was_sent() -> None:
    sink = RecordingSink()
    audio = Tone()
    sender = Sender(MovingPictures(), audio)
    peer = peers().open(sink)
    await sender.accept(await peer.answer(await sender.offer()))
    await sink.until(lambda: sink.sound_ms >= 2_000)
    sent_ms, heard_ms = audio.sent * 20, sink.sound_ms
    await peer.close()
    await sender.close()
    assert sink.gap_ms == 0
    assert abs(sent_ms - heard_ms) <= 60  # two packets on their way, 1 ms in the resampler
    wave = np.concatenate([samples for samples, _ in sink.sounds])[8_000:24_000]
    spectrum = np.abs(np.fft.rfft(wave))
    assert np.argmax(spectrum) == 440
    assert wave.dtype == np.float32 and 0.1 < np.abs(wave).max() <= 1.0


async def test_closing_leaves_no_file_and_no_task() -> None:
    metrics = FakeMetrics()
    made = peers(metrics)

    async def session(wait_for: str | None) -> None:
        sink = RecordingSink()
        sender = Sender(MovingPictures(), Tone())
        peer = made.open(sink)
        answer = await peer.answer(await sender.offer())
        if wait_for is not None:
            await sender.accept(answer)
            await sink.until(lambda: wait_for in sink.states)
        await peer.close()
        await peer.close()
        await sender.close()
        assert sink.states[-1] == "closed"

    await session("connected")  # libraries and executors open what they keep
    files, tasks = open_files(), len(asyncio.all_tasks())
    await session("connected")
    await session(None)  # never connected: ICE is still looking
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks
    gc.collect()
    assert open_files() == files
