"""Judged pictures are kept for a while, within their bytes, and a few of them stand for a stretch."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proctor.services.host.album import APART_MS, MOST_AROUND, Album
from proctor.services.host.picture import JudgedPicture


def shot(at_ms: int, size: int = 1_000, name: str | None = None) -> JudgedPicture:
    return JudgedPicture(jpeg=bytes(size), digest=name or f"d{at_ms}", captured_ms=at_ms)


def album(until_ms: int, every_ms: int = 500, limit: int = 10_000_000) -> Album:
    made = Album(limit, 20_000)
    for at_ms in range(0, until_ms, every_ms):
        made.add(shot(at_ms))
    return made


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 20_000), st.integers(0, 9))))
def test_whatever_comes_it_holds_no_more_than_its_bytes(steps: list[tuple[int, int, int]]) -> None:
    made, now_ms = Album(30_000, 10_000), 0
    for later_ms, size, name in steps:
        now_ms += later_ms
        made.add(shot(now_ms, size, f"d{name}"))
        assert 0 <= made.size <= 30_000
        assert all(now_ms - each.captured_ms <= 10_000 for each in made._pictures.values())
    made.clear()
    assert made.size == 0


def test_what_is_found_is_what_was_judged_and_what_is_gone_is_not_found() -> None:
    made = album(40_000)
    assert [each.captured_ms for each in made.find(["d39000", "d5", "d30000"])] == [39_000, 30_000]
    assert made.find(["d0"]) == []


def test_a_few_pictures_stand_for_a_stretch_the_newest_among_them() -> None:
    made = album(30_000)
    times = [each.captured_ms for each in made.spread(15_000, 25_250, ("d25000",))]
    assert times == [18_500, 20_500, 22_500, 24_500]
    assert len(times) == MOST_AROUND
    assert [later - at for at, later in pairwise(times)] == [APART_MS] * 3
    assert made.spread(31_000, 40_000, ()) == [] == made.spread(20_000, 10_000, ())


def test_the_same_bytes_again_are_held_once() -> None:
    made = Album(10_000, 20_000)
    made.add(shot(0, name="same"))
    once = made.size
    made.add(shot(5_000, name="same"))
    assert made.size == once
    assert made.find(["same"])[0].captured_ms == 5_000
