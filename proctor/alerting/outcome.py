"""What follows of an answer: for the alert, and for the other end as a whole."""

from collections.abc import Sequence
from datetime import datetime

from proctor.alerting import breaker
from proctor.alerting.grouping import Group, message_id
from proctor.alerting.schedule import RetrySchedule
from proctor.domain.deliveries import Attempt, DeliveryState, Outcome, Owed, Sent
from proctor.domain.sinks import Health

SPLITS = frozenset({400, 413, 422})
"""Statuses that may be one alert's fault: its batch falls apart, so that the others arrive."""


def felt(health: Health, answers: Sequence[Sent], now: datetime, luck: float) -> Health:
    """How the other end is doing after a call.

    A refusal of one alert is an answer of one that works.
    """
    if any(sent.outcome in (Outcome.DELIVERED, Outcome.REFUSED) for sent in answers):
        return breaker.after_success()
    asked = [sent.retry_after_s for sent in answers if sent.retry_after_s is not None]
    return breaker.after_failure(health, now, max(asked, default=None), luck)


def judged(
    group: Group,
    answers: Sequence[Sent],
    schedule: RetrySchedule,
    health: Health,
    *,
    began_at: datetime,
    now: datetime,
    took_ms: int,
    luck: float,
) -> tuple[Attempt, ...]:
    """What follows of one call for each of its alerts.

    Args:
        group: What was sent.
        answers: In its order.
        schedule: When to try again.
        health: How the other end is doing, this call included.
        began_at: When the call began.
        now: When the answer came.
        took_ms: How long it took.
        luck: 0 to 1; the same for the whole call, so that a batch stays together.
    """
    whole = message_id([one.item for one in group.owed])

    def follow(one: Owed, sent: Sent) -> Attempt:
        number = one.attempts + 1
        state, next_at, batch_id = DeliveryState.DEAD, None, one.batch_id
        if sent.outcome is Outcome.DELIVERED:
            state = DeliveryState.DELIVERED
        elif sent.outcome is Outcome.RETRY and not schedule.is_spent(
            number, one.planned_at, health.failing_since, now
        ):
            state = DeliveryState.PENDING
            next_at = schedule.next_at(number, now, sent.retry_after_s, luck)
            batch_id = sent.alert_id if sent.status in SPLITS else whole
        return Attempt(
            alert_id=sent.alert_id,
            number=number,
            at=began_at,
            took_ms=took_ms,
            sent=sent,
            state=state,
            next_at=next_at,
            batch_id=batch_id,
        )

    return tuple(follow(one, sent) for one, sent in zip(group.owed, answers, strict=True))
