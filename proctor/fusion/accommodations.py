"""What an accommodation or a break covers, and whether it keeps an incident's news back.

Nothing is left unseen: incident and alert are made as always and say what suppressed them. Only
delivery is held back, and only for as long as what is not covered would not be told by itself.
"""

from dataclasses import replace

from proctor.domain.allowances import Allowances
from proctor.domain.incidents import Category, Severity
from proctor.domain.signals import SignalKind
from proctor.fusion.covers import COVERS, covered, free_since_ms
from proctor.fusion.policy import Rule
from proctor.fusion.view import Held, View

BREAK = "break"
ACCOMMODATION = "accommodation:"

_AT_A_BREAK = frozenset({Category.CONDUCT, Category.COVERAGE})
"""Categories whose news a break holds back: who comes back from it is looked at as ever."""


def without(view: View, kinds: frozenset[SignalKind]) -> View:
    """The same moment, had these signals never been there."""
    return replace(
        view,
        standing={kind: one for kind, one in view.standing.items() if kind not in kinds},
        closed_ms={kind: at_ms for kind, at_ms in view.closed_ms.items() if kind not in kinds},
        recent={kind: past for kind, past in view.recent.items() if kind not in kinds},
    )


def held_back(
    rule: Rule, held: Held, view: View, allowed: Allowances, for_ms: int | None = None
) -> str | None:
    """Why a rule that holds, or its escalation, is not told now.

    An accommodation holds it back when the rule would not hold, or not for long enough, without the
    signals that are covered; an identity rule that is or becomes high, never. A break holds conduct and
    coverage back while it lasts, and afterwards until the rule has held for its `for_ms` outside it.

    Args:
        rule: The rule.
        held: How it holds.
        view: The signals of this moment.
        allowed: What the candidate is allowed.
        for_ms: How long it must hold without what is covered, if not for the rule's `for_ms`.

    Returns:
        `accommodation:` with the names that cover it, `break`, or None.
    """
    for_ms = rule.for_ms if for_ms is None else for_ms
    top = rule.escalate.severity if rule.escalate else rule.severity
    kinds = covered(allowed.accommodations) & rule.when.kinds()
    if kinds and not (rule.category is Category.IDENTITY and top is Severity.HIGH):
        rest = rule.when.holds(without(view, kinds))
        if rest is None or not _is_long_enough(for_ms, rest):
            named = [each for each in allowed.accommodations if COVERS[each] & rule.when.kinds()]
            return ACCOMMODATION + "+".join(sorted(set(named)))
        held = rest
    if rule.category in _AT_A_BREAK and held.confirmed_ms is not None:
        since_ms = free_since_ms(held.since_ms, held.confirmed_ms, allowed.breaks)
        if since_ms is None or held.confirmed_ms - since_ms < for_ms:
            return BREAK
    return None


def _is_long_enough(for_ms: int, held: Held) -> bool:
    return held.confirmed_ms is not None and held.confirmed_ms - held.since_ms >= for_ms
