"""What one step of judging brought."""

from dataclasses import dataclass

from proctor.domain.alerts import Alert
from proctor.domain.coverage import CoverageInterval
from proctor.domain.incidents import Incident
from proctor.domain.priority import Priority
from proctor.domain.reports import Command


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one step of judging brought.

    Attributes:
        alerts: New alerts, in seq order.
        incidents: New or changed incidents.
        coverage: The whole coverage when it changed, else None.
        commands: Wishes to the host.
        priority: The review priority when it moved by a step, else None.
    """

    alerts: tuple[Alert, ...] = ()
    incidents: tuple[Incident, ...] = ()
    coverage: tuple[CoverageInterval, ...] | None = None
    commands: tuple[Command, ...] = ()
    priority: Priority | None = None

    @property
    def has_rows(self) -> bool:
        """Whether there is something to commit."""
        has_changed = self.coverage is not None or self.priority is not None
        return bool(self.alerts or self.incidents) or has_changed

    @property
    def is_empty(self) -> bool:
        """Whether the step brought nothing at all."""
        return self is UNCHANGED or self == UNCHANGED


UNCHANGED = Judgement()
