"""What people added to a session's record, as its chain must say it: decisions, incidents, verdicts."""

from collections.abc import Iterable, Sequence

from proctor.domain.casework import MANUAL_RULE, NO_POLICY_VERSION, Added, SessionDecision
from proctor.domain.incidents import Incident, Verdict
from proctor.domain.notes import VerdictGiven
from proctor.domain.proof import Fact
from proctor.services.proof import facts


def review_facts(
    decisions: Iterable[SessionDecision], additions: Iterable[Added], incidents: Iterable[Incident]
) -> list[Fact]:
    """Added incidents, then decisions; one that was added and is not among the incidents has no fact."""
    known = {one.incident_id: one for one in incidents}
    found = [
        facts.added(one, known[one.incident_id]) for one in additions if one.incident_id in known
    ]
    return found + [facts.decision(one) for one in decisions]


def verdict_faults(
    incidents: Sequence[Incident], verdicts: Iterable[VerdictGiven], additions: Iterable[Added]
) -> list[str]:
    """What does not hold, in words: an incident's own verdict must be the last that was said of it.

    One that a person added was confirmed by who added it; one that looks so must have been added.
    """
    last: dict[str, tuple[str, str]] = {}
    for given in verdicts:
        word = (given.given_at.isoformat(), given.verdict.value)
        last[given.incident_id] = max(last.get(given.incident_id, word), word)
    added = {one.incident_id for one in additions}
    faults = [
        f"incident {name} was added by a person, and is not shown"
        for name in sorted(added - {one.incident_id for one in incidents})
    ]
    for one in incidents:
        first = Verdict.CONFIRMED if one.incident_id in added else Verdict.UNREVIEWED
        said = last.get(one.incident_id, ("", first.value))[1]
        if one.verdict.value != said:
            faults.append(f"incident {one.incident_id} says {one.verdict}, its entries say {said}")
        is_manual = (one.rule_id, one.policy_version) == (MANUAL_RULE, NO_POLICY_VERSION)
        if is_manual and one.incident_id not in added:
            faults.append(f"incident {one.incident_id} was added by a person, and is in no entry")
    return faults
