"""When blind was told and when somebody was seen again, worked out from what was said."""

from bench.candidate.wire import Sight
from bench.network.watcher import Seen, blind_after_s, seen_after_s, sight_at

GOOD, WORSE = Sight(state="monitored"), Sight(state="degraded", reason="overload")
GONE, COVERED = Sight(state="blind", reason="no_media"), Sight(state="blind", reason="covered")


def said(*items: tuple[float, Sight]) -> list[Seen]:
    return [Seen(at, sight) for at, sight in items]


def test_blind_is_the_first_word_after_the_cut_that_no_picture_comes() -> None:
    seen = said((1, GONE), (5, GOOD), (11, COVERED), (12.5, GONE), (14, GONE))
    assert blind_after_s(seen, 10) == 2.5
    assert blind_after_s(seen, 15) is None


def test_monitored_again_is_later_than_seen_again_when_it_is_degraded_first() -> None:
    seen = said((0, GOOD), (12, GONE), (21, WORSE), (24, GOOD))
    assert seen_after_s(seen, 20, monitored=False) == 1
    assert seen_after_s(seen, 20, monitored=True) == 4


def test_a_sight_that_is_lost_again_at_once_does_not_count() -> None:
    seen = said((0, GOOD), (12, GONE), (21, GOOD), (22, GONE), (27, GOOD))
    assert seen_after_s(seen, 20, monitored=True) == 7


def test_who_was_never_lost_is_back_at_once_unless_blind_comes_late() -> None:
    assert seen_after_s(said((0, GOOD)), 20, monitored=True) == 0
    late = said((0, GOOD), (20.5, GONE), (22, GOOD))
    assert seen_after_s(late, 20, monitored=True) == 2
    assert seen_after_s(said((0, GOOD), (12, GONE)), 20, monitored=True) is None


def test_the_sight_of_a_moment() -> None:
    seen = said((1, GOOD), (5, WORSE))
    assert [sight_at(seen, at) for at in (0, 2, 9)] == [
        "nothing",
        "monitored",
        "degraded (overload)",
    ]
