"""The circuit breaker of a sink: a receiver that keeps failing is left alone, then asked by one try.

State in, state out. What the breaker holds back costs an alert none of its tries.

    closed --(5 failures in a row)--> open, 5 s, then 10, 20 ... 5 min --(time)--> one try
      ^                                 ^                                           |
      +----------- success -------------+----------------- failure ------------------+

The pauses are shorter than the schedule's third, so an open breaker never costs an alert its time.
"""

from datetime import datetime, timedelta

from proctor.domain.sinks import Health

TRIPS_AFTER = 5
FIRST_REST_S = 5.0
LONGEST_REST_S = 300.0
MOST_ASKED_REST_S = 3600.0
"""Retry-After is for the alert that got it (schedule.py); all others wait no longer than this for it."""


def may_send(health: Health, now: datetime) -> bool:
    """Whether the receiver may be asked now."""
    return health.rests_until is None or now >= health.rests_until


def after_success() -> Health:
    """All is well."""
    return Health()


def after_failure(
    health: Health, now: datetime, retry_after_s: float | None = None, luck: float = 0.0
) -> Health:
    """One more try failed.

    Args:
        health: Before it.
        now: When it failed.
        retry_after_s: How long the receiver asked to be left alone.
        luck: 0 to 1, drawn by the caller: makes a rest up to a tenth longer.
    """
    failures = health.failures + 1
    rest_s = 0.0
    if failures >= TRIPS_AFTER:
        doublings = min(failures - TRIPS_AFTER, 30)
        rest_s = min(FIRST_REST_S * 2**doublings, LONGEST_REST_S)
    if retry_after_s is not None and retry_after_s > 0:
        rest_s = max(rest_s, min(retry_after_s, MOST_ASKED_REST_S))
    rest = timedelta(seconds=rest_s * (1 + 0.1 * luck))
    return Health(
        failures=failures,
        failing_since=health.failing_since or now,
        rests_until=now + rest if rest_s else None,
    )
