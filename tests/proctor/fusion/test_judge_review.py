"""The judge of one session: what is allowed, late news, the review priority: all in its recording."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.domain.alerts import Transition
from proctor.domain.allowances import NOTHING_ALLOWED, Accommodation, Allowances, Break, BreakBy
from proctor.domain.incidents import EvidenceStatus, Incident, Verdict
from proctor.domain.notes import IncidentNote
from proctor.domain.observations import Observation
from proctor.domain.priority import Priority, Withheld
from proctor.domain.reports import TickReport
from proctor.fusion.judge import SessionJudge
from proctor.fusion.judgement import Judgement
from proctor.fusion.memory import read_body, read_mark
from tests.fakes import facts

LOOK = Allowances(accommodations=(Accommodation.MAY_LOOK_AWAY,))


def look_away(until_ms: int = 15_000) -> list[Observation]:
    """Straight on, then to the left until the end."""
    seen = facts.media_come() + facts.attentive_face(0, 5_000, 0.0)
    return seen + facts.attentive_face(5_000, until_ms, -20.0)


def play(one: SessionJudge, reports: list[TickReport]) -> list[Judgement]:
    return [one.consume(report, facts.BEGAN) for report in reports]


def priorities(judgements: list[Judgement]) -> list[Priority]:
    return [each.priority for each in judgements if each.priority is not None]


def test_what_the_spec_allows_holds_from_the_first_report() -> None:
    one = SessionJudge(replace(facts.spec(), allowances=LOOK))
    judged = play(one, facts.reports(look_away(), 15_000))
    alerts = [alert for each in judged for alert in each.alerts]
    assert [alert.suppressed_by for alert in alerts] == ["accommodation:may_look_away"]
    assert [each.value for each in priorities(judged)] == [priorities(judged)[0].value]  # base


def test_a_change_is_consumed_and_holds_from_there_on() -> None:
    one = SessionJudge(facts.spec())
    reports = facts.reports(look_away(25_000), 25_000)
    before = play(one, reports[:95])
    raised = priorities(before)[-1].value
    assert raised is not None and raised > 0.06
    consumed = one.mark.consumed
    changed = one.allow(LOOK, 18_800, facts.BEGAN)
    assert one.mark.consumed == consumed + 1
    assert changed.priority is not None and changed.priority.contributions == ()
    after = play(one, reports[95:])
    alerts = [alert for each in after for alert in each.alerts]
    assert [(a.transition, a.suppressed_by) for a in alerts] == [
        (Transition.ESCALATED, "accommodation:may_look_away")
    ]
    taken_back = one.allow(NOTHING_ALLOWED, 25_000, facts.BEGAN)
    assert taken_back.priority is not None
    assert (taken_back.priority.value or 0) > raised  # it has lasted since, and is believed more


def test_allowances_survive_the_judge() -> None:
    one = SessionJudge(facts.spec())
    pause = Break(break_id="brk_1", start_ms=0, end_ms=None, by=BreakBy.STAFF)
    one.allow(Allowances(breaks=(pause,)), 0, facts.BEGAN)
    mark, body = read_mark(one.export_mark()), read_body(one.export_body())
    again = SessionJudge(replace(facts.spec(), allowances=LOOK), mark, body)
    alerts = [a for each in play(again, facts.reports(look_away(), 15_000)) for a in each.alerts]
    assert [alert.suppressed_by for alert in alerts] == ["break"]  # not what an older spec said


def test_a_session_that_nobody_sees_has_no_priority_whatever_was_seen_before() -> None:
    one = SessionJudge(facts.spec())
    judged = play(one, facts.reports(look_away(10_000), 10_000))
    judged += play(one, [facts.report(52, 10_200, closing=True)])
    judged += [one.tick(now, 0, facts.BEGAN) for now in range(20_000, 400_000, 10_000)]
    found = priorities(judged)
    assert [each.withheld for each in found][-1] is Withheld.COVERAGE
    assert found[-1].value is None
    values = [each.value for each in found if each.value is not None]
    over = one.end(400_000, facts.BEGAN).priority
    assert over is not None and over.is_final
    assert over.value is None
    assert over.peak is not None and over.peak >= max(values)


def an_incident(one: SessionJudge, judged: list[Judgement]) -> Incident:
    return [each for step in judged for each in step.incidents][-1]


def test_late_news_are_told_once_in_the_order_of_the_session() -> None:
    one = SessionJudge(facts.spec())
    judged = play(one, facts.reports(look_away(), 15_000))
    incident = an_incident(one, judged)
    note = IncidentNote(note_id="ver_1", incident=incident, verdict=Verdict.DISMISSED)
    consumed = one.mark.consumed
    (alert,) = one.annotate(note, facts.BEGAN).alerts
    assert (alert.seq, alert.transition) == (2, Transition.UPDATED)
    assert alert.reason == "A reviewer dismissed this."
    assert (alert.title, alert.severity) == ("Looking away", incident.severity)
    assert one.annotate(note, facts.BEGAN) == Judgement()
    assert one.mark.consumed == consumed + 2  # it was consumed, and it decided nothing
    (closed,) = one.end(20_000, facts.BEGAN).alerts
    assert (closed.seq, closed.transition) == (3, Transition.CLOSED)


def test_evidence_of_an_open_incident_stays_with_it_to_its_end() -> None:
    one = SessionJudge(facts.spec())
    incident = an_incident(one, play(one, facts.reports(look_away(), 15_000)))
    for status in (EvidenceStatus.PENDING, EvidenceStatus.STORED):
        note = IncidentNote(note_id=f"evi_{status}", incident=incident, evidence=status)
        told = one.annotate(note, facts.BEGAN)
        assert told.incidents[0].evidence.status is status
    (closed,) = one.end(20_000, facts.BEGAN).incidents
    assert closed.evidence.status is EvidenceStatus.STORED


def test_news_of_what_was_never_told_are_not_told_either() -> None:
    one = SessionJudge(replace(facts.spec(), allowances=LOOK))
    incident = an_incident(one, play(one, facts.reports(look_away(), 15_000)))
    note = IncidentNote(note_id="ver_1", incident=incident, verdict=Verdict.CONFIRMED)
    (alert,) = one.annotate(note, facts.BEGAN).alerts
    assert alert.suppressed_by == "accommodation:may_look_away"


def test_the_counts_of_the_budget_are_told_by_the_session_s_clock_and_at_its_end() -> None:
    policy = facts.STANDARD_POLICY.replace("per_hour: 20", "per_hour: 0")
    policy = policy.replace("summary_every_ms: 600000", "summary_every_ms: 60000")
    for ends_ms, told_at in ((80_000, 70_000), (20_000, None)):
        one = SessionJudge(facts.spec(policy=policy))
        judged = play(one, facts.reports(look_away(8_000), 8_000))
        assert [a.suppressed_by for each in judged for a in each.alerts] == ["budget"]
        ticks = [one.tick(now, 0, facts.BEGAN) for now in range(10_000, ends_ms, 10_000)]
        told = [10_000 * (n + 1) for n, each in enumerate(ticks) for a in each.alerts]
        assert told == ([] if told_at is None else [told_at])
        last = [a.transition for a in one.end(ends_ms, facts.BEGAN).alerts]
        assert last == [Transition.CLOSED] + [Transition.UPDATED] * (told_at is None)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_facts_of_one_moment_does_not_move_a_priority(seed: int) -> None:
    """Another face behind, speech, a look aside and somebody else's face, all at once."""
    seen = look_away(20_000)
    both = (facts.face(), facts.SOMEBODY_BEHIND)
    seen += [facts.faces(at, *both, small=True) for at in range(6_000, 20_000, 1_000)]
    seen += [facts.speech(at, 192) for at in range(8_000, 14_000, 250)]
    seen += [facts.match(at, 0.01) for at in range(10_000, 14_000, 1_000)]
    reports = facts.reports(seen, 20_000)
    apart = random.Random(seed)
    shuffled = [
        replace(
            report,
            observations=tuple(
                sorted(report.observations, key=lambda x: (x.observed_ms, apart.random()))
            ),
        )
        for report in reports
    ]
    expected = priorities(play(SessionJudge(facts.spec()), reports))
    assert len(expected) > 3
    assert priorities(play(SessionJudge(facts.spec()), shuffled)) == expected
