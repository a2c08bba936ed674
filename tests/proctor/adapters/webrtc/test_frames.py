"""Packets in, frames out: order, loss, patience, key frames, wrapping numbers."""

import random
from dataclasses import replace

import pytest

from proctor.adapters.webrtc.frames import (
    KEY_EVERY_MS,
    MAX_HOLES,
    MAX_LATE_RUN,
    MAX_PIECES,
    NACK_EVERY_MS,
    PATIENCE_MS,
    Frame,
    FrameBuffer,
    Piece,
)
from proctor.adapters.webrtc.sequence import SequenceCounter

FRAME_MS = 200


def stream(
    count: int, *, first: int = 100, packets: int = 3, keys: set[int] | None = None
) -> list[Piece]:
    """`count` frames of `packets` packets; frame k holds the bytes `k.` of each packet."""
    keys = {0} if keys is None else keys
    return [
        Piece(
            seq=first + frame * packets + at,
            timestamp=(frame * 18_000) & 0xFFFFFFFF,
            ends_frame=at == packets - 1,
            starts_key=frame in keys and at == 0,
            data=f"{frame}.".encode(),
        )
        for frame in range(count)
        for at in range(packets)
    ]


def play(buffer: FrameBuffer, pieces: list[Piece], now_ms: int = 0) -> list[Frame]:
    return [frame for piece in pieces for frame in buffer.add(piece, now_ms)]


def names(frames: list[Frame]) -> list[int]:
    for frame in frames:
        assert len(set(frame.data.split(b".")[:-1])) == 1  # never parts of two frames
    return [int(frame.data.split(b".")[0]) for frame in frames]


def test_a_frame_is_complete_at_its_marker() -> None:
    buffer = FrameBuffer()
    pieces = stream(2)
    assert play(buffer, pieces[:2]) == []
    assert names(play(buffer, pieces[2:3])) == [0]
    assert names(play(buffer, pieces[3:])) == [1]
    assert buffer.due_ms() is None and buffer.packets_to_ask(0) == []


def test_a_sender_without_markers_completes_a_frame_with_the_next() -> None:
    pieces = [Piece(p.seq, p.timestamp, False, p.starts_key, p.data) for p in stream(3, packets=2)]
    assert names(play(FrameBuffer(), pieces)) == [0, 1]


def test_reordered_and_doubled_packets_make_the_same_frames() -> None:
    rng = random.Random(7)
    pieces = stream(30)
    shuffled = sorted(pieces + pieces[5:50:3], key=lambda piece: piece.seq + rng.uniform(0, 6))
    buffer = FrameBuffer()
    assert names(play(buffer, shuffled)) == list(range(30))
    assert buffer.late == len(pieces[5:50:3])


def test_a_lost_packet_is_asked_for_until_it_comes() -> None:
    buffer = FrameBuffer()
    pieces = stream(3)
    lost = pieces.pop(4)
    assert names(play(buffer, pieces, 1_000)) == [0]
    assert buffer.packets_to_ask(1_000) == [lost.seq]
    assert buffer.packets_to_ask(1_000 + NACK_EVERY_MS - 1) == []
    assert buffer.due_ms() == 1_000 + NACK_EVERY_MS
    assert buffer.packets_to_ask(1_000 + NACK_EVERY_MS) == [lost.seq]
    assert not buffer.key_to_ask(1_500)
    assert names(buffer.add(lost, 1_500)) == [1, 2]
    assert buffer.due_ms() is None


def test_a_gap_is_given_up_after_patience_with_a_key_request() -> None:
    buffer = FrameBuffer()
    pieces = stream(12, keys={0, 8})
    before, after = pieces[:4] + pieces[5:9], pieces[9:]
    assert names(play(buffer, before, 0)) == [0]
    assert buffer.tick(PATIENCE_MS - 1) == []
    assert not buffer.key_to_ask(PATIENCE_MS - 1)
    assert buffer.tick(PATIENCE_MS) == []
    assert buffer.given_up == 1 and buffer.awaits_key
    assert buffer.key_to_ask(PATIENCE_MS)
    assert not buffer.key_to_ask(PATIENCE_MS + KEY_EVERY_MS - 1)
    assert buffer.due_ms() == PATIENCE_MS + KEY_EVERY_MS
    assert buffer.key_to_ask(PATIENCE_MS + KEY_EVERY_MS)
    assert names(play(buffer, after, PATIENCE_MS + 600)) == [8, 9, 10, 11]
    assert not buffer.key_to_ask(10 * PATIENCE_MS)


def test_a_key_frame_already_here_is_taken_instead_of_asking() -> None:
    buffer = FrameBuffer()
    pieces = stream(6, keys={0, 4})
    del pieces[4]
    assert names(play(buffer, pieces, 0)) == [0]
    assert names(buffer.tick(PATIENCE_MS)) == [4, 5]
    assert not buffer.key_to_ask(PATIENCE_MS)


def test_a_hole_in_the_key_frame_itself_leads_to_the_next_key_frame() -> None:
    buffer = FrameBuffer()
    pieces = stream(8, keys={0, 5})
    del pieces[1]
    assert play(buffer, pieces[:10], 0) == []
    assert buffer.packets_to_ask(0) == [101]
    assert play(buffer, pieces[10:], 400) == []
    assert names(buffer.tick(PATIENCE_MS)) == [5, 6, 7]


def test_a_stream_joined_in_its_middle_asks_for_a_key_frame_at_once() -> None:
    buffer = FrameBuffer()
    pieces = stream(6, keys={4})
    assert play(buffer, pieces[:6], 0) == []
    assert buffer.key_to_ask(0)
    assert buffer.packets_to_ask(0) == []
    assert names(play(buffer, pieces[6:], 200)) == [4, 5]


def test_the_first_packet_may_be_overtaken() -> None:
    pieces = stream(2)
    assert names(play(FrameBuffer(), [pieces[1], pieces[0], *pieces[2:]])) == [0, 1]
    assert names(play(FrameBuffer(), [pieces[2], pieces[1], pieces[0], *pieces[3:]])) == [0, 1]


def test_waiting_for_a_key_frame_without_asking() -> None:
    buffer = FrameBuffer()
    pieces = stream(6, keys={0, 3})
    play(buffer, pieces[:3])
    buffer.await_key(ask=False)
    assert play(buffer, pieces[3:9], 100) == []
    assert not buffer.key_to_ask(100) and buffer.due_ms() is None
    assert names(play(buffer, pieces[9:], 200)) == [3, 4, 5]


def test_padding_only_fills_a_number() -> None:
    pieces = stream(2)
    padding = [Piece(103 + i, pieces[2].timestamp, False, False, b"") for i in range(2)]
    moved = [Piece(p.seq + 2, p.timestamp, p.ends_frame, p.starts_key, p.data) for p in pieces[3:]]
    assert names(play(FrameBuffer(), [*pieces[:3], *padding, *moved])) == [0, 1]
    assert names(play(FrameBuffer(), [*pieces[:3], padding[1], padding[0], *moved])) == [0, 1]


def test_sequence_numbers_and_timestamps_wrap() -> None:
    counter, buffer = SequenceCounter(), FrameBuffer()
    seen: list[int] = []
    rng = random.Random(3)
    pieces = [
        (p, (p.seq + 65_480) & 0xFFFF, (p.timestamp + 0xFFFFFFFF - 90_000) & 0xFFFFFFFF)
        for p in stream(60)
    ]
    for piece, number, timestamp in sorted(pieces, key=lambda p: p[0].seq + rng.uniform(0, 3)):
        seq = counter.extend(number)
        moved = Piece(seq, timestamp, piece.ends_frame, piece.starts_key, piece.data)
        seen += names(buffer.add(moved, 0))
    assert seen == list(range(60))


def test_lost_packets_are_asked_by_their_wrapped_numbers() -> None:
    buffer = FrameBuffer()
    pieces = stream(2, first=(1 << 16) - 4)
    play(buffer, [*pieces[:3], pieces[5]])
    assert buffer.packets_to_ask(0) == [0, 65_535]


def test_too_many_lost_packets_are_given_up_at_once() -> None:
    buffer = FrameBuffer()
    pieces = stream(100)
    assert names(play(buffer, pieces[:3])) == [0]
    play(buffer, pieces[3 + MAX_HOLES + 1 :])
    assert buffer.awaits_key and buffer.key_to_ask(0)


def test_a_frame_without_end_does_not_fill_the_memory() -> None:
    buffer = FrameBuffer()
    for at in range(3 * MAX_PIECES):
        buffer.add(Piece(100 + at, 0, False, at == 0, b"x" * 100), 0)
        assert len(buffer._pieces) <= MAX_PIECES
    assert buffer.awaits_key and buffer.key_to_ask(0)


def test_a_sender_that_begins_anew_is_followed() -> None:
    for first in (100_000, 30_000, 69_500):  # far ahead, far behind, a little behind
        buffer = FrameBuffer()
        play(buffer, stream(3, first=70_000))
        anew = stream(2 + MAX_LATE_RUN // 3 + 3, first=first, keys=set(range(100)))
        shown = names(play(buffer, anew, 1_000))
        assert shown[-1] == len(anew) // 3 - 1, first


@pytest.mark.parametrize("round_trip_ms", [80, 300])
@pytest.mark.parametrize(("loss", "least"), [(0.05, 100), (0.2, 100), (0.4, 90)])
def test_random_loss_is_repaired_or_a_key_frame_is_asked_for_and_comes(
    loss: float, least: int, round_trip_ms: int
) -> None:
    """That share of the packets, of our wishes and of the retransmissions is lost.

    Up to 20 % a retransmission always comes before patience ends, and no frame is lost. At 40 % a few
    holes outlast it; then the wish for a key frame is repeated until the sender has heard it.
    """
    rng = random.Random(11)
    buffer = FrameBuffer()
    pieces = {piece.seq: piece for piece in stream(100)}
    arriving: list[tuple[int, Piece]] = []
    shown: list[int] = []
    is_key_wanted = False
    for now_ms in range(0, 100 * FRAME_MS + 3_000, 10):
        frame = now_ms // FRAME_MS
        if now_ms % FRAME_MS == 0 and frame < 100:
            first = 100 + frame * 3
            if is_key_wanted:
                pieces[first] = replace(pieces[first], starts_key=True)
                is_key_wanted = False
            fresh = [pieces[first + at] for at in range(3)]
            arriving += [(now_ms, piece) for piece in fresh if rng.random() > loss or frame == 99]
        for due in [item for item in arriving if item[0] <= now_ms]:
            arriving.remove(due)
            shown += names(buffer.add(due[1], now_ms))
        shown += names(buffer.tick(now_ms))
        for seq in buffer.packets_to_ask(now_ms):
            if rng.random() > loss and rng.random() > loss:
                arriving.append((now_ms + round_trip_ms, pieces[seq]))
        if buffer.key_to_ask(now_ms) and rng.random() > loss:
            is_key_wanted = True
    assert shown == sorted(set(shown)) and len(shown) >= least
    assert buffer.given_up == 0 or loss == 0.4
