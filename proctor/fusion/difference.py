"""How two alert logs of one session differ: what was added, what was removed, what moved in time."""

from collections.abc import Sequence
from dataclasses import dataclass

from proctor.domain.alerts import Alert, Transition

MOVED_WITHIN_MS = 10_000
"""The same rule and transition farther apart than this are two different alerts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """From one log to another.

    Attributes:
        added: Alerts that only the second has.
        removed: Alerts that only the first has.
        moved: Pairs of one rule and transition at different moments, or of another severity.
    """

    added: tuple[Alert, ...]
    removed: tuple[Alert, ...]
    moved: tuple[tuple[Alert, Alert], ...]

    @property
    def is_none(self) -> bool:
        """Whether the logs tell the same."""
        return not (self.added or self.removed or self.moved)


def difference(before: Sequence[Alert], after: Sequence[Alert]) -> Difference:
    """Pair the alerts of each rule and transition by their moment, the nearest first."""
    kinds = dict.fromkeys((alert.rule_id, alert.transition) for alert in (*before, *after))
    added: list[Alert] = []
    removed: list[Alert] = []
    moved: list[tuple[Alert, Alert]] = []
    for kind in kinds:
        lone, pairs, others = _paired(_of(kind, before), _of(kind, after))
        removed += lone
        added += others
        moved += [(one, two) for one, two in pairs if _told(one) != _told(two)]
    return Difference(
        added=tuple(sorted(added, key=_moment)),
        removed=tuple(sorted(removed, key=_moment)),
        moved=tuple(sorted(moved, key=lambda pair: _moment(pair[0]))),
    )


def _of(kind: tuple[str, Transition], alerts: Sequence[Alert]) -> list[Alert]:
    return [alert for alert in alerts if (alert.rule_id, alert.transition) == kind]


def _paired(
    ones: list[Alert], twos: list[Alert]
) -> tuple[list[Alert], list[tuple[Alert, Alert]], list[Alert]]:
    near = sorted(
        (abs(one.occurred_ms - two.occurred_ms), i, j)
        for i, one in enumerate(ones)
        for j, two in enumerate(twos)
        if abs(one.occurred_ms - two.occurred_ms) <= MOVED_WITHIN_MS
    )
    partner: dict[int, int] = {}
    for _, i, j in near:
        if i not in partner and j not in partner.values():
            partner[i] = j
    return (
        [one for i, one in enumerate(ones) if i not in partner],
        [(ones[i], twos[j]) for i, j in partner.items()],
        [two for j, two in enumerate(twos) if j not in partner.values()],
    )


def _told(alert: Alert) -> tuple[object, ...]:
    return alert.occurred_ms, alert.severity, alert.suppressed_by


def _moment(alert: Alert) -> tuple[int, int]:
    return alert.occurred_ms, alert.seq
