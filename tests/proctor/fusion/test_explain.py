"""An alert is explained by its rule and numbers, and by the same judgement made again."""

from dataclasses import replace

import pytest

from proctor.domain.errors import InvalidInput
from proctor.domain.incidents import Severity
from proctor.fusion.explain import explain, rule_text
from tests.fakes import facts
from tests.fakes.tapes import Recorded


def recorded() -> Recorded:
    one = Recorded()
    seen = facts.media_come() + facts.attentive_face(0, 2_000, 0.0, hz=2)
    seen += [facts.faces(at) for at in range(2_000, 8_000, 500)]
    one.play(facts.reports(seen, 8_000))
    one.step(lambda judge: judge.end(8_100, facts.BEGAN))
    one.write_down()
    return one


def test_the_recording_gives_the_same_alert_again() -> None:
    one = recorded()
    opened, closed = one.alerts
    for alert in (replace(opened, unsynced=True), closed):
        found = explain(alert, [one.rows()])
        assert found.is_same
        assert found.rule_text.startswith("id: no_face\ncategory: conduct\nseverity: medium")
        assert "for_ms: 3000" in found.rule_text


def test_what_differs_is_named() -> None:
    one = recorded()
    forged = replace(one.alerts[0], severity=Severity.HIGH, reason="Because.")
    found = explain(forged, [one.rows()])
    assert not found.is_same
    assert [line.partition(":")[0] for line in found.differences] == ["reason", "severity"]
    assert 'severity: stored "high", again "medium"' in found.differences


def test_an_alert_beyond_what_is_stored_cannot_be_had_again() -> None:
    one = recorded()
    found = explain(one.alerts[1], [one.rows()[:30]])
    assert found.recomputed is None and not found.is_same
    assert found.is_beyond
    assert not explain(one.alerts[0], [one.rows()]).is_beyond


def test_an_alert_that_was_given_another_number_is_the_same_again() -> None:
    one = Recorded()
    seen = facts.media_come() + facts.attentive_face(0, 2_000, 0.0, hz=2)
    seen += [facts.faces(at) for at in range(2_000, 8_000, 500)]
    sent = facts.reports(seen, 8_000)
    one.play(sent[:30])
    one.step(lambda judge: judge.renumbered(1, judge.alert_seq + 5))
    one.play(sent[30:])
    one.step(lambda judge: judge.end(8_100, facts.BEGAN))
    one.write_down()
    opened, closed = replace(one.alerts[0], seq=6), one.alerts[1]
    assert closed.seq == 7
    for alert in (opened, closed):
        found = explain(alert, [one.rows()])
        assert (found.differences, found.is_beyond) == ((), False)
        assert found.is_same


def test_a_rule_that_the_policy_has_not_is_one_line() -> None:
    with pytest.raises(InvalidInput, match="no rule other"):
        rule_text(facts.STANDARD_POLICY, "other")
