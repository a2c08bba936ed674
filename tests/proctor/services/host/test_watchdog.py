import pytest

from proctor.services.host.watchdog import AnswerWatch, SilenceWatch, TrackWatch


@pytest.mark.parametrize(
    ("arrivals", "now_ms", "missing_since"),
    [
        ([], 100, 50),
        ([60], 2_560, None),
        ([60], 2_561, 60),
        ([60, 2_000], 4_000, None),
        ([60, 2_000], 9_000, 2_000),
    ],
)
def test_media_are_missing_after_two_and_a_half_seconds(
    arrivals: list[int], now_ms: int, missing_since: int | None
) -> None:
    watch = TrackWatch(joined_ms=50)
    for at_ms in arrivals:
        watch.arrived(at_ms)
    assert watch.missing_since(now_ms) == missing_since


def test_the_first_media_and_those_after_a_gap_say_so() -> None:
    watch = TrackWatch(joined_ms=0)
    assert [watch.arrived(at) for at in (100, 300, 500, 4_000, 4_200)] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_ten_seconds_of_nothing_but_zeros_are_a_muted_microphone() -> None:
    watch = SilenceWatch()
    for second in range(9):
        watch.hear(0.0, 500 + second * 1_000, 16_000)
    assert watch.silent_since_ms is None
    watch.hear(1 / 32_768, 9_500, 16_000)
    assert watch.silent_since_ms == 500
    watch.hear(0.001, 10_500, 16_000)
    assert watch.silent_since_ms is None
    assert watch.heard_since_ms == 10_500


def test_a_quiet_room_is_not_silent() -> None:
    watch = SilenceWatch()
    for second in range(60):
        watch.hear(0.0002, second * 1_000, 16_000)
    assert watch.silent_since_ms is None


def test_the_oldest_question_without_an_answer_counts() -> None:
    watch = AnswerWatch(limit_ms=4_000)
    assert watch.overdue_since(99_000) is None
    watch.asked(captured_ms=900, now_ms=1_000)
    watch.asked(captured_ms=2_900, now_ms=3_000)
    assert watch.overdue_since(4_999) is None
    assert watch.overdue_since(5_000) == 900
    watch.answered()
    assert watch.overdue_since(9_000) is None
    watch.asked(captured_ms=9_100, now_ms=9_100)
    assert watch.overdue_since(9_200) is None
