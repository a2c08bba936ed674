"""The ring of received media: bounded in bytes whatever comes, always to be decoded from its beginning."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.media import CodedPicture, CodedSound
from proctor.services.host.ring import ASK_AGAIN_MS, JUMP_MS, KEY_EVERY_MS, MediaRing, Timeline

MOST = 40_000


def coded(
    at_ms: int, key: bool = False, size: int = 1_000, codec: str = "VP8", width: int = 320
) -> CodedPicture:
    ticks = (0xFFFFF000 + at_ms * 90) & 0xFFFFFFFF
    return CodedPicture(codec, bytes(size), key, ticks, width, 240)


def heard(at_ms: int, size: int = 100) -> CodedSound:
    return CodedSound(bytes(size), (0xFFFFF000 + at_ms * 48) & 0xFFFFFFFF, 960)


def ring(limit: int = 10_000_000, span_ms: int = 20_000, sound: bool = False) -> MediaRing:
    return MediaRing(limit, span_ms, 0, sound)


def fill(made: MediaRing, until_ms: int, *, from_ms: int = 0, key_every_ms: int = 5_000) -> None:
    for at_ms in range(from_ms, until_ms, 200):
        made.on_coded_picture(coded(at_ms, at_ms % key_every_ms == 0), at_ms)
        made.on_coded_sound(heard(at_ms), at_ms)


steps = st.lists(
    st.tuples(
        st.sampled_from(["picture", "key", "sound", "resized", "other codec"]),
        st.integers(0, 30_000),  # bytes
        st.integers(0, 3_000),  # ms on
    ),
    max_size=120,
)


@given(steps)
def test_whatever_comes_it_holds_no_more_than_its_bytes_and_begins_with_a_key(
    steps: list[tuple[str, int, int]],
) -> None:
    made = MediaRing(MOST, 10_000, 0, True)
    now_ms = 0
    for kind, size, later_ms in steps:
        now_ms += later_ms
        if kind == "sound":
            made.on_coded_sound(heard(now_ms, size), now_ms)
        else:
            codec = "H264" if kind == "other codec" else "VP8"
            width = 640 if kind == "resized" else 320
            made.on_coded_picture(coded(now_ms, kind == "key", size, codec, width), now_ms)
        assert 0 <= made.size <= MOST
        for strip in made.cut(0, now_ms, now_ms + 1_000, True):
            assert strip.pictures[0][1].is_key
            shapes = {(one.codec, one.width) for _, one in strip.pictures}
            assert len(shapes) == 1
            for media in (strip.pictures, strip.sounds):
                times = [at_ms for at_ms, _ in media]
                assert times == sorted(set(times))
    made.clear()
    assert made.size == 0


@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(0, 2_000)), max_size=60))
def test_a_sender_s_clock_is_followed_and_never_believed_beyond_reason(
    steps: list[tuple[int, int]],
) -> None:
    line, now_ms, last_ms = Timeline(90_000), 0, -1
    for ticks, later_ms in steps:
        now_ms += later_ms
        at_ms = line.place(ticks, now_ms)
        assert at_ms > last_ms
        assert at_ms <= max(now_ms + JUMP_MS, last_ms + 1)
        last_ms = at_ms


def test_jitter_is_smoothed_by_the_sender_s_clock_across_its_wrap() -> None:
    line = Timeline(90_000)
    late = [0, 0, 120, 30, 90, 0, 60]
    placed = [
        line.place((0xFFFFFFFF - 20_000 + index * 18_000) & 0xFFFFFFFF, 1_000 + index * 200 + by)
        for index, by in enumerate(late)
    ]
    assert placed == [1_000 + index * 200 for index in range(len(late))]


def test_a_first_picture_that_was_late_is_made_up_for_by_and_by() -> None:
    line = Timeline(90_000)
    received = [400, 200 + 200, 400 + 5, 600, 800, 1_000, 1_200]
    placed = [line.place(index * 18_000, at_ms) for index, at_ms in enumerate(received)]
    assert placed[0] == 400 and placed[-1] == 1_200
    assert all(100 <= later - at <= 200 for at, later in pairwise(placed))


def test_a_stretch_begins_at_the_key_nearest_to_what_is_wanted_before_what_must_be_seen() -> None:
    made = ring(span_ms=60_000)
    fill(made, 20_000)
    for from_ms, pivot_ms, expected in (
        (6_000, 12_000, 5_000),
        (9_000, 12_000, 10_000),
        (9_000, 9_500, 5_000),
        (0, 0, 0),
    ):
        (strip,) = made.cut(from_ms, pivot_ms, 15_000, False)
        assert strip.pictures[0][0] == expected
        assert strip.pictures[-1][0] == 15_000
        assert strip.sounds == ()


def test_what_is_older_than_the_span_is_gone_run_by_run() -> None:
    made = ring(span_ms=12_000)
    fill(made, 40_000)
    (strip,) = made.cut(0, 40_000, 50_000, False)
    assert strip.pictures[0][0] == 25_000  # the newest key at or before 27.8 s


def test_sound_is_kept_only_where_it_may_be_and_cut_like_the_pictures() -> None:
    silent, made = ring(), ring(sound=True)
    for each in (silent, made):
        fill(each, 10_000)
    assert silent.cut(0, 5_000, 9_000, True)[0].sounds == ()
    assert made.cut(0, 5_000, 9_000, False)[0].sounds == ()
    times = [at_ms for at_ms, _ in made.cut(5_000, 6_000, 9_000, True)[0].sounds]
    assert times == list(range(5_000, 9_001, 200))


def test_another_size_or_codec_begins_another_strip() -> None:
    made = ring(sound=True)
    fill(made, 2_000)
    made.on_coded_picture(coded(2_000, width=640), 2_000)  # no key: nothing leads to it
    made.on_coded_picture(coded(2_200, True, width=640), 2_200)
    made.on_coded_picture(coded(2_400, width=640), 2_400)
    made.on_coded_picture(coded(2_600, True, codec="H264"), 2_600)
    strips = made.cut(0, 1_000, 5_000, True)
    assert [(each.pictures[0][1].codec, each.pictures[0][1].width) for each in strips] == [
        ("VP8", 320),
        ("VP8", 640),
        ("H264", 320),
    ]
    assert [len(each.pictures) for each in strips] == [10, 2, 1]
    assert len(strips[0].sounds) == 10 and strips[1].sounds == strips[2].sounds == ()


def test_a_key_is_asked_for_when_there_is_none_and_rarely_after() -> None:
    made = ring(span_ms=60_000)
    assert made.wants_key(0) and not made.wants_key(ASK_AGAIN_MS - 1)
    assert made.wants_key(ASK_AGAIN_MS)  # the first request was lost
    made.on_coded_picture(coded(1_500, True), 1_500)
    asked = [at for at in range(1_600, 62_000, 200) if made.wants_key(at)]
    assert asked[0] == 1_600 + KEY_EVERY_MS - 100 or asked[0] == 1_500 + KEY_EVERY_MS + 100
    assert len(asked) > 2  # nobody answered


def test_a_stream_of_many_bits_is_asked_for_keys_before_it_fills_the_ring() -> None:
    made = ring(limit=300_000)
    wanted = 0
    for at_ms in range(0, 60_000, 200):
        asked = made.wants_key(at_ms)
        wanted += asked
        made.on_coded_picture(coded(at_ms, asked, 10_000), at_ms)
        assert made.cut(at_ms - 1_000, at_ms, at_ms, False)
    assert wanted > 20
    assert made.size <= 300_000
