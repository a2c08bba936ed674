"""The alert budget: so many weak alerts an hour, then they are counted and told together.

A weak alert is one of low or info severity. Coverage is never weak, nor is anything of medium or high
severity: those are told one by one, however many there are.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import Field

from proctor.domain.incidents import Category, Incident, Severity
from proctor.sensing.strict import Strict

BUDGET = "budget"
HOUR_MS = 3_600_000


class AlertBudget(Strict):
    """How many weak alerts a proctor is told of one session.

    Attributes:
        per_hour: New weak incidents that are told one by one within an hour of session time; 0 for
            none. Those beyond are kept like every other and told as a count.
        summary_every_ms: How long after the first of them the count is told. A session's end tells
            what is left.
    """

    per_hour: Annotated[int, Field(ge=0, le=10_000)] = 20
    summary_every_ms: Annotated[int, Field(ge=10_000, le=HOUR_MS)] = 600_000


@dataclass(slots=True, kw_only=True)
class BudgetState:
    """What the budget remembers: plain data.

    Attributes:
        spent_ms: When weak incidents of the last hour were told.
        grouped: How many were not, by rule, since the last count was told.
        due_ms: When the count is told; None while there is none.
        last: The newest of them: the incident that the count is told with.
    """

    spent_ms: list[int] = field(default_factory=list)
    grouped: dict[str, int] = field(default_factory=dict)
    due_ms: int | None = None
    last: Incident | None = None


@dataclass(frozen=True, slots=True)
class Grouped:
    """What was grouped: the newest incident, and how many there were by rule."""

    last: Incident
    counts: dict[str, int]


def is_weak(category: Category, severity: Severity) -> bool:
    """Whether the budget may group it."""
    return category is not Category.COVERAGE and severity in (Severity.INFO, Severity.LOW)


class Budget:
    """The budget of one session over one state."""

    def __init__(self, limits: AlertBudget, state: BudgetState) -> None:
        self._limits = limits
        self._state = state

    def spend(self, at_ms: int) -> bool:
        """Whether one more weak incident may be told now; if so, it counts."""
        spent_ms = [each for each in self._state.spent_ms if each > at_ms - HOUR_MS]
        has_room = len(spent_ms) < self._limits.per_hour
        self._state.spent_ms = [*spent_ms, at_ms] if has_room else spent_ms
        return has_room

    def group(self, incident: Incident, at_ms: int) -> None:
        """One that is not told by itself."""
        state = self._state
        state.grouped[incident.rule_id] = state.grouped.get(incident.rule_id, 0) + 1
        state.last = replace(incident, signals=())
        if state.due_ms is None:
            state.due_ms = at_ms + self._limits.summary_every_ms

    def take_due(self, now_ms: int | None) -> Grouped | None:
        """The count, if it is time to tell it (None: the session is over), and begin anew."""
        state = self._state
        if state.last is None or state.due_ms is None:
            return None
        if now_ms is not None and now_ms < state.due_ms:
            return None
        grouped = Grouped(state.last, dict(sorted(state.grouped.items())))
        state.grouped, state.due_ms, state.last = {}, None, None
        return grouped
