"""Which rules keep another one quiet, and which become one thread: the words of it and their checks.

`inhibited_by` is Prometheus's inhibition, written at the rule that falls silent; `group` is its grouping.
Neither ever hides something strong behind something weak.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Protocol

from pydantic import Field

from proctor.domain.incidents import Severity
from proctor.sensing.strict import Strict

TITLE = "title"
"""In the text of a thread: the title of the rule that joined it."""
GROUPED = "grouped"
"""In the text of a thread: how many incidents have joined it so far."""

ORDER = (Severity.INFO, Severity.LOW, Severity.MEDIUM, Severity.HIGH)

GroupTexts = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")],
        Annotated[str, Field(min_length=1, max_length=300)],
    ],
    Field(min_length=1),
]


class Group(Strict):
    """Rules whose incidents become one thread when they open shortly after one another.

    Attributes:
        window_ms: How long after the first alert of a thread others join it.
        joined: What the first incident's update says: `{title}` of the rule that joined, and
            `{grouped}`, how many have joined.
    """

    window_ms: Annotated[int, Field(ge=1_000, le=3_600_000)]
    joined: GroupTexts = Field(default={"en": "Also: {title}. Grouped so far: {grouped:.0f}."})


class Quiet(Protocol):
    """What a rule says about being quiet."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def severity(self) -> Severity:
        """How soon to look."""
        ...

    @property
    def top(self) -> Severity:
        """What it may become."""
        ...

    @property
    def inhibited_by(self) -> tuple[str, ...]:
        """The rules that keep it quiet."""
        ...

    @property
    def group(self) -> str | None:
        """The group it belongs to."""
        ...


def wrong_quiet(rules: Sequence[Quiet], groups: Mapping[str, Group]) -> Iterator[str]:
    """One sentence for everything that is wrong with inhibition and groups."""
    before: dict[str, Quiet] = {}
    known = {rule.id for rule in rules}
    for rule in rules:
        for name in rule.inhibited_by:
            if name not in known:
                yield f"rule {rule.id}: inhibited_by names no rule of this policy: {name}"
            elif name not in before:
                yield f"rule {rule.id}: inhibited_by {name}, which must stand before it"
            elif ORDER.index(before[name].severity) < ORDER.index(rule.top):
                yield (
                    f"rule {rule.id} may become {rule.top}: {name}, which is "
                    f"{before[name].severity}, must not keep it quiet"
                )
        if rule.group is not None and rule.group not in groups:
            yield f"rule {rule.id}: no group {rule.group} is described in groups"
        if rule.group is not None and rule.severity is Severity.HIGH:
            yield f"rule {rule.id} is high: such a rule is never grouped"
        before[rule.id] = rule
