"""Schedule and breaker by themselves: bounds that hold for any history."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.alerting import breaker
from proctor.alerting.schedule import KAFKA, MOST_RETRY_AFTER_S, WEBHOOK
from proctor.domain.sinks import Health
from tests.contract.samples import NOON

ASKED = st.none() | st.floats(allow_nan=False, allow_infinity=True)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 50), ASKED, st.floats(0, 1))
def test_a_pause_is_never_shorter_than_the_schedules_nor_longer_than_a_day_and_a_tenth(
    attempts: int, asked_s: float | None, luck: float
) -> None:
    for schedule in (WEBHOOK, KAFKA):
        pause = schedule.next_at(attempts, NOON, asked_s, luck) - NOON
        least = schedule.pauses_s[min(attempts, len(schedule.pauses_s)) - 1]
        assert timedelta(seconds=least) <= pause <= timedelta(seconds=MOST_RETRY_AFTER_S * 1.1)


def test_the_spans_are_the_schedules_own() -> None:
    assert WEBHOOK.most_attempts == len(WEBHOOK.pauses_s) + 1 == 10
    assert sum(WEBHOOK.pauses_s) == WEBHOOK.span_s == 75 * 3600 + 35 * 60 + 5


def test_an_old_alert_is_given_up_only_with_a_receiver_that_failed_as_long() -> None:
    old, now = NOON - timedelta(hours=80), NOON
    assert WEBHOOK.is_spent(1, old, old, now)
    assert not WEBHOOK.is_spent(1, old, now, now)  # it has just begun to fail
    assert not WEBHOOK.is_spent(1, old, None, now)
    assert not WEBHOOK.is_spent(9, now, old, now)
    assert WEBHOOK.is_spent(10, now, None, now)
    assert not KAFKA.is_spent(1000, now, old, now)  # a broker that is away costs no alert


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), ASKED, st.floats(0, 1)), max_size=40))
def test_the_breaker_always_lets_somebody_through_within_an_hour_and_a_tenth(
    history: list[tuple[bool, float | None, float]],
) -> None:
    health, now, in_a_row = Health(), NOON, 0
    for is_good, asked_s, luck in history:
        in_a_row = 0 if is_good else in_a_row + 1
        before = health
        health = (
            breaker.after_success()
            if is_good
            else breaker.after_failure(before, now, asked_s, luck)
        )
        assert health.failures == in_a_row
        assert (health.failing_since is None) == is_good
        if not is_good and before.failing_since is not None:
            assert health.failing_since == before.failing_since
        assert breaker.may_send(health, now + timedelta(seconds=3960))
        if in_a_row >= breaker.TRIPS_AFTER:
            assert not breaker.may_send(health, now + timedelta(seconds=4.9))
        now += timedelta(seconds=7)
