"""When an alert that did not arrive is tried again, and when it is given up.

The webhook's delays are those of Standard Webhooks 1.0 ("Deliverability and reliability"): at once, 5 s,
5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: ten tries over 75 h 35 min 5 s.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_RETRY_AFTER_S = 24 * 3600.0
"""A receiver may ask to be left alone for as long as the longest pause of the schedule, no longer."""

JITTER = 0.1
"""Every pause is made up to this much longer, so that what failed together does not return together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """Pauses between tries.

    Attributes:
        pauses_s: After the first failed try, the second ...; the last one is repeated.
        most_attempts: Given up after so many; None: by age alone.
        span_s: An alert of this age is given up when its receiver has failed as long.
    """

    pauses_s: tuple[float, ...]
    most_attempts: int | None
    span_s: float

    def next_at(
        self, attempts: int, now: datetime, retry_after_s: float | None, luck: float
    ) -> datetime:
        """When to try again after `attempts` failed tries.

        Args:
            attempts: How many have failed, 1 or more.
            now: When the last one did.
            retry_after_s: What the receiver asked for; it makes a pause longer, never shorter.
            luck: 0 to 1, drawn by the caller: how much of the jitter.
        """
        pause_s = self.pauses_s[min(attempts, len(self.pauses_s)) - 1]
        if retry_after_s is not None and retry_after_s > 0:
            pause_s = max(pause_s, min(retry_after_s, MOST_RETRY_AFTER_S))
        return now + timedelta(seconds=pause_s * (1 + JITTER * luck))

    def is_spent(
        self, attempts: int, planned_at: datetime, failing_since: datetime | None, now: datetime
    ) -> bool:
        """Whether an alert that failed again is given up.

        An alert that waited behind others of its session has few tries of its own: it is given up when
        it is as old as the whole schedule and its receiver has failed for as long. One good answer to
        any alert of the sink gives it its tries back, and an outage of ours takes none away.
        """
        if self.most_attempts is not None and attempts >= self.most_attempts:
            return True
        oldest = now - timedelta(seconds=self.span_s)
        return planned_at <= oldest and failing_since is not None and failing_since <= oldest


_MINUTE, _HOUR = 60.0, 3600.0
WEBHOOK = RetrySchedule(
    pauses_s=(
        5.0,
        5 * _MINUTE,
        30 * _MINUTE,
        2 * _HOUR,
        5 * _HOUR,
        10 * _HOUR,
        14 * _HOUR,
        20 * _HOUR,
        24 * _HOUR,
    ),
    most_attempts=10,
    span_s=75 * _HOUR + 35 * _MINUTE + 5,
)
KAFKA = RetrySchedule(  # a broker is ours and few talk to it: a try costs little; by age alone
    pauses_s=(1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
    most_attempts=None,
    span_s=75 * _HOUR + 35 * _MINUTE + 5,
)
