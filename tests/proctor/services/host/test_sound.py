from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.domain.media import Samples
from proctor.services.host.sound import CHUNK, Gap, Sound, SoundBuffer


def ramp(milliseconds: int, first: int = 0) -> Samples:
    """Samples that count, so that order and loss show."""
    return np.arange(first, first + milliseconds * 16, dtype=np.float32)


def fill(
    buffer: SoundBuffer, milliseconds: int, start_ms: int = 0, packet_ms: int = 20
) -> list[Gap]:
    gaps = []
    for at_ms in range(0, milliseconds, packet_ms):
        arrived_ms = start_ms + at_ms + packet_ms
        gaps += buffer.add(ramp(packet_ms, at_ms * 16), arrived_ms, 0)
    return gaps


def drain(buffer: SoundBuffer, least_ms: int = 32, most_ms: int = 2_048) -> list[Sound]:
    pieces = []
    while (sound := buffer.take(least_ms, most_ms)) is not None:
        pieces.append(sound)
    return pieces


def test_sound_comes_out_in_whole_chunks_in_order_and_none_is_lost() -> None:
    buffer = SoundBuffer()
    assert fill(buffer, 5_000, start_ms=700) == []
    pieces = drain(buffer)
    assert all(len(piece.samples) % CHUNK == 0 for piece in pieces)
    joined = np.concatenate([piece.samples for piece in pieces])
    assert np.array_equal(joined, np.arange(len(joined), dtype=np.float32))
    assert len(joined) == 5_000 * 16 // CHUNK * CHUNK
    assert [piece.start_ms for piece in pieces] == [700, 2_748, 4_796]
    assert [piece.fresh for piece in pieces] == [True, False, False]
    assert buffer.held_ms == (5_000 * 16 % CHUNK) // 16


def test_less_than_is_worth_a_call_waits() -> None:
    buffer = SoundBuffer()
    fill(buffer, 460)
    assert buffer.take(480, 2_048) is None
    fill(buffer, 40, start_ms=460)
    piece = buffer.take(480, 2_048)
    assert piece is not None and piece.duration_ms == 480


def test_a_stated_gap_divides_the_sound_and_resets_the_detector() -> None:
    buffer = SoundBuffer()
    fill(buffer, 1_000)
    assert buffer.add(ramp(20), 1_000 + 300 + 20, 300) == [Gap(1_000, 1_300)]
    fill(buffer, 980, start_ms=1_320)
    pieces = drain(buffer, 480)
    assert [(piece.start_ms, piece.fresh) for piece in pieces] == [(0, True), (1_300, True)]
    assert pieces[0].duration_ms == 992


def test_a_pause_nobody_stated_is_a_gap_too() -> None:
    buffer = SoundBuffer()
    fill(buffer, 1_000)
    assert buffer.add(ramp(20), 3_520, 0) == [Gap(1_000, 3_500)]


def test_a_short_stall_of_the_network_is_no_gap() -> None:
    buffer = SoundBuffer()
    fill(buffer, 1_000)
    late = [buffer.add(ramp(20), 1_900, 0) for _ in range(45)]
    assert late == [[]] * 45
    assert fill(buffer, 1_000, start_ms=1_900) == []
    pieces = drain(buffer)
    assert [piece.start_ms for piece in pieces] == [0, 2_048]


@pytest.mark.parametrize("drift", [-0.002, 0.002])
def test_a_sender_with_another_clock_stays_near_the_host_s(drift: float) -> None:
    buffer = SoundBuffer()
    end_ms = 0.0
    for packet in range(30_000):
        arrived_ms = round((packet + 1) * 20 * (1 + drift))
        assert buffer.add(ramp(20), arrived_ms, 0) == []
        for piece in drain(buffer, 480):
            end_ms = piece.start_ms + piece.duration_ms
            assert piece.fresh == (piece.start_ms == 0)
    assert abs(arrived_ms - end_ms) < 900


def test_what_does_not_fit_is_a_gap_of_its_true_extent() -> None:
    buffer = SoundBuffer()
    gaps = fill(buffer, 14_000)
    assert 9_900 <= buffer.held_ms <= 10_000
    assert gaps[0].start_ms == 0 and 4_000 <= gaps[-1].end_ms <= 4_100
    assert all(one.end_ms == next_.start_ms for one, next_ in pairwise(gaps))
    piece = buffer.take(480, 2_048)
    assert piece is not None and piece.fresh and piece.start_ms == gaps[-1].end_ms
    assert piece.samples[0] == piece.start_ms * 16


def test_what_is_put_back_comes_first_again() -> None:
    buffer = SoundBuffer()
    fill(buffer, 3_000)
    first = buffer.take(480, 1_024)
    assert first is not None
    assert buffer.put_back(first) == []
    pieces = drain(buffer)
    joined = np.concatenate([piece.samples for piece in pieces])
    assert np.array_equal(joined, np.arange(len(joined), dtype=np.float32))
    assert pieces[0].start_ms == 0 and pieces[0].fresh


def test_what_is_put_back_after_everything_was_taken_or_a_gap_came() -> None:
    buffer = SoundBuffer()
    fill(buffer, 1_024, packet_ms=32)
    taken = buffer.take(480, 2_048)
    assert taken is not None and buffer.held_ms == 0
    buffer.add(ramp(100), 2_124, 1_000)
    buffer.put_back(taken)
    pieces = drain(buffer)
    assert [(p.start_ms, p.duration_ms, p.fresh) for p in pieces] == [
        (0, 1_024, True),
        (2_024, 96, True),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([20, 60, 120]), st.sampled_from([0, 0, 0, 0, 40, 700, 3_000])),
        min_size=1,
        max_size=120,
    ),
    st.integers(1, 40),
)
def test_every_millisecond_is_heard_waiting_or_told_as_a_gap(
    packets: list[tuple[int, int]], take_every: int
) -> None:
    buffer, now_ms, lost_ms, heard_ms = SoundBuffer(), 0, 0, 0.0
    for number, (length_ms, gap_ms) in enumerate(packets):
        gap_ms = gap_ms if number else 0
        now_ms += gap_ms + length_ms
        lost_ms += sum(g.end_ms - g.start_ms for g in buffer.add(ramp(length_ms), now_ms, gap_ms))
        if number % take_every == 0:
            heard_ms += sum(len(piece.samples) / 16 for piece in drain(buffer))
    heard_ms += sum(len(piece.samples) / 16 for piece in drain(buffer))
    rests_ms = 32 * (1 + sum(1 for _, gap_ms in packets[1:] if gap_ms))
    assert now_ms - rests_ms <= lost_ms + heard_ms + buffer.held_ms <= now_ms + len(packets)
