"""Sound packets in order, with every gap told and nothing dropped for being old."""

import random

import pytest

from proctor.adapters.webrtc.sequence import SequenceCounter
from proctor.adapters.webrtc.sounds import (
    MAX_HELD,
    MAX_LATE_RUN,
    PATIENCE_MS,
    InOrder,
    Sound,
    SoundBuffer,
)

TICKS = 2_880  # 60 ms


def sound(index: int, *, timestamp: int | None = None) -> Sound:
    return Sound(1_000 + index, TICKS * index if timestamp is None else timestamp, TICKS, b"x")


def play(buffer: SoundBuffer, indices: list[int], now_ms: int = 0) -> list[InOrder]:
    return [ready for index in indices for ready in buffer.add(sound(index), now_ms)]


def indices(ready: list[InOrder]) -> list[int]:
    return [item.sound.seq - 1_000 for item in ready]


def test_packets_in_order_pass_at_once() -> None:
    ready = play(SoundBuffer(), [0, 1, 2, 3])
    assert indices(ready) == [0, 1, 2, 3]
    assert all(item.gap_ms == 0 and item.pause_ms == 0 for item in ready)


def test_an_overtaken_packet_is_waited_for() -> None:
    buffer = SoundBuffer()
    assert indices(play(buffer, [0, 2, 3])) == [0]
    assert buffer.due_ms() == PATIENCE_MS
    assert indices(play(buffer, [1], 60)) == [1, 2, 3]
    assert buffer.due_ms() is None


def test_a_lost_packet_becomes_a_gap_and_nothing_else_is_lost() -> None:
    buffer = SoundBuffer()
    play(buffer, [0, 3, 4])
    assert buffer.tick(PATIENCE_MS - 1) == []
    ready = buffer.tick(PATIENCE_MS)
    assert indices(ready) == [3, 4]
    assert [item.gap_ms for item in ready] == [120, 0]
    assert indices(play(buffer, [1, 2])) == [] and buffer.late == 2


def test_shuffled_doubled_and_lossy_sound_adds_up_to_its_length() -> None:
    rng = random.Random(5)
    order = sorted(range(200), key=lambda index: index + rng.uniform(0, 1.9))
    lost = {20, 21, 90}
    buffer = SoundBuffer()
    ready: list[InOrder] = []
    for step, index in enumerate(order):
        now_ms = step * 60
        ready += buffer.tick(now_ms)
        if index not in lost:
            ready += buffer.add(sound(index), now_ms)
            ready += buffer.add(sound(index), now_ms)
    assert indices(ready) == sorted(set(range(200)) - lost)
    assert sum(item.gap_ms for item in ready) == 180
    assert len(ready) * 60 + 180 == 200 * 60


def test_a_sender_that_is_quiet_without_loss_pauses() -> None:
    buffer = SoundBuffer()
    buffer.add(sound(0), 0)
    paused = buffer.add(sound(1, timestamp=TICKS + 48 * 400), 400)
    assert [(item.pause_ms, item.gap_ms) for item in paused] == [(400, 0)]
    later = buffer.add(sound(2, timestamp=2 * TICKS + 48 * 5_400), 5_000)
    assert [(item.pause_ms, item.gap_ms) for item in later] == [(0, 5_000)]


def test_a_gap_is_counted_by_numbers_when_the_clock_hides_it() -> None:
    buffer = SoundBuffer()
    buffer.add(sound(0), 0)
    buffer.add(sound(3, timestamp=TICKS), 0)
    assert [item.gap_ms for item in buffer.tick(PATIENCE_MS)] == [120]


def test_numbers_and_timestamps_wrap() -> None:
    counter, buffer = SequenceCounter(), SoundBuffer()
    ready: list[InOrder] = []
    for index in range(40):
        timestamp = (0xFFFFFFFF - 10 * TICKS + index * TICKS) & 0xFFFFFFFF
        seq = counter.extend((65_530 + index) & 0xFFFF)
        ready += buffer.add(Sound(seq, timestamp, TICKS, b"x"), index * 60)
    assert len(ready) == 40 and all(item.gap_ms == 0 for item in ready)


@pytest.mark.parametrize("jump", [-400, 5_000])
def test_a_sender_that_begins_anew_is_followed(jump: int) -> None:
    buffer = SoundBuffer()
    play(buffer, list(range(500, 510)))
    anew = [510 + jump + index for index in range(MAX_LATE_RUN + 5)]
    ready: list[InOrder] = []
    for step, index in enumerate(anew):
        ready += buffer.add(sound(index), 60 * step) + buffer.tick(60 * step)
    assert indices(ready)[-1] >= anew[-2]


def test_what_is_held_back_is_bounded() -> None:
    buffer = SoundBuffer()
    buffer.add(sound(0), 0)
    ready = play(buffer, list(range(2, 2 + 5 * MAX_HELD, 2)))
    assert len(buffer._held) <= MAX_HELD
    assert len(ready) + len(buffer._held) == len(range(2, 2 + 5 * MAX_HELD, 2))
