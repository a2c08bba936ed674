"""Signals in, alerts out: rules hold on evidence, and every change has its number and its reasons."""

import json
from typing import Any

from proctor.domain.alerts import Transition
from proctor.domain.incidents import Severity
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.engine import EngineState, FusionEngine
from proctor.fusion.policy import parse_policy
from proctor.fusion.teller import Outcome
from proctor.sensing.hysteresis import Reading, Spell
from tests.fakes import facts


def engine(*rules: dict[str, Any], **more: Any) -> FusionEngine:
    whole = [
        {
            "category": "conduct",
            "severity": "low",
            "title": {"en": rule["id"]},
            "reason": {"en": "For {lasted_s:.1f} s."},
        }
        | rule
        for rule in rules
    ]
    text = json.dumps({"id": "test", "version": 3, "name": "Test", "rules": whole} | more)
    return FusionEngine(facts.spec(), parse_policy(text), EngineState())


def signal(kind: SignalKind, started_ms: int, last_ms: int, ended_ms: int | None = None) -> Signal:
    spell = Spell(is_open=True)
    spell.support(Reading(started_ms, (facts.DETECTOR,), facts.digest(started_ms)))
    spell.support(Reading(last_ms, (facts.GAZE_MODEL,), facts.digest(last_ms)))
    return spell.signal(kind, facts.SESSION, ended_ms)


def feed(one: FusionEngine, *signals: Signal, at_ms: int) -> Outcome:
    return one.feed(signals, at_ms, facts.BEGAN)


AWAY = {"id": "away", "when": {"signal": "gaze_away"}, "for_ms": 5_000}


def test_an_incident_opens_escalates_and_closes_and_each_is_an_alert() -> None:
    one = engine(AWAY | {"escalate": {"after_ms": 9_000, "severity": "medium"}})
    assert feed(one, signal(SignalKind.GAZE_AWAY, 1_000, 5_000), at_ms=5_000).alerts == []
    (opened,) = feed(one, signal(SignalKind.GAZE_AWAY, 1_000, 6_000), at_ms=6_000).alerts
    assert (opened.transition, opened.seq, opened.occurred_ms) == (Transition.OPENED, 1, 1_000)
    assert opened.reason == "For 5.0 s."
    assert opened.producers == (facts.DETECTOR, facts.GAZE_MODEL)
    assert opened.frame_digest == facts.digest(6_000)
    assert (opened.policy_id, opened.policy_version) == ("test", 3)
    assert feed(one, signal(SignalKind.GAZE_AWAY, 1_000, 9_900), at_ms=9_900).alerts == []
    (worse,) = feed(one, signal(SignalKind.GAZE_AWAY, 1_000, 10_000), at_ms=10_000).alerts
    assert (worse.transition, worse.severity) == (Transition.ESCALATED, Severity.MEDIUM)
    assert feed(one, signal(SignalKind.GAZE_AWAY, 1_000, 15_000), at_ms=15_000).alerts == []
    outcome = feed(one, signal(SignalKind.GAZE_AWAY, 1_000, 15_000, 16_000), at_ms=17_000)
    (closed,) = outcome.alerts
    assert (closed.transition, closed.seq, closed.occurred_ms) == (Transition.CLOSED, 3, 16_000)
    assert closed.reason == "Ended; it lasted 15.0 s."
    assert outcome.incidents[0].closed_ms == 16_000
    assert {opened.incident_id, worse.incident_id, closed.incident_id} == {opened.incident_id}
    assert len({opened.alert_id, worse.alert_id, closed.alert_id}) == 3


def test_what_never_held_long_enough_is_not_told_at_all() -> None:
    one = engine(AWAY)
    feed(one, signal(SignalKind.GAZE_AWAY, 1_000, 4_000), at_ms=4_000)
    closed = feed(one, signal(SignalKind.GAZE_AWAY, 1_000, 4_000, 9_000), at_ms=9_000)
    assert closed == Outcome()


def test_all_needs_every_part_and_lasts_from_the_last_of_them() -> None:
    both = {"all": [{"signal": "gaze_away"}, {"signal": "speech"}]}
    one = engine({"id": "both", "when": both, "for_ms": 1_000, "severity": "high"})
    assert feed(one, signal(SignalKind.GAZE_AWAY, 0, 7_900), at_ms=7_900).alerts == []
    assert feed(one, signal(SignalKind.SPEECH, 7_000, 8_500), at_ms=8_500).alerts == []
    (opened,) = feed(one, signal(SignalKind.GAZE_AWAY, 0, 8_600), at_ms=8_600).alerts
    assert opened.occurred_ms == 7_000
    assert [each.kind for each in opened.signals] == [SignalKind.GAZE_AWAY, SignalKind.SPEECH]
    (closed,) = feed(one, signal(SignalKind.SPEECH, 7_000, 8_500, 9_000), at_ms=9_500).alerts
    assert closed.occurred_ms == 9_000


def test_any_takes_what_there_is() -> None:
    one = engine({"id": "any", "when": {"any": [{"signal": "no_face"}, {"signal": "head_turned"}]}})
    (opened,) = feed(one, signal(SignalKind.HEAD_TURNED, 0, 3_000), at_ms=3_000).alerts
    assert feed(one, signal(SignalKind.NO_FACE, 3_100, 4_000), at_ms=4_000).alerts == []
    gone = feed(one, signal(SignalKind.HEAD_TURNED, 0, 3_000, 3_100), at_ms=4_200)
    assert gone.alerts == []
    (closed,) = feed(one, signal(SignalKind.NO_FACE, 3_100, 5_000, 6_000), at_ms=6_100).alerts
    assert closed.incident_id == opened.incident_id
    assert {each.kind for each in closed.signals} == {SignalKind.HEAD_TURNED, SignalKind.NO_FACE}
    assert all(each.ended_ms for each in closed.signals)


def test_not_restricts_and_only_later_evidence_counts_once_it_is_over() -> None:
    alone = {"all": [{"signal": "body_missing"}, {"not": {"signal": "no_face"}}]}
    one = engine({"id": "body", "when": alone, "for_ms": 4_000})
    feed(one, signal(SignalKind.NO_FACE, 0, 2_000), at_ms=2_000)
    assert feed(one, signal(SignalKind.BODY_MISSING, 0, 9_000), at_ms=9_000).alerts == []
    over = feed(one, signal(SignalKind.NO_FACE, 0, 9_000, 10_000), at_ms=10_500)
    assert over.alerts == []
    assert feed(one, signal(SignalKind.BODY_MISSING, 0, 13_000), at_ms=13_000).alerts == []
    (opened,) = feed(one, signal(SignalKind.BODY_MISSING, 0, 14_000), at_ms=14_000).alerts
    assert opened.occurred_ms == 10_000
    (closed,) = feed(one, signal(SignalKind.NO_FACE, 15_000, 16_000), at_ms=16_000).alerts
    assert closed.occurred_ms == 15_000


def test_an_incident_that_goes_out_of_view_says_so() -> None:
    one = engine({"id": "away", "when": {"signal": "gaze_away"}})
    feed(one, signal(SignalKind.GAZE_AWAY, 0, 3_000), at_ms=3_000)
    ended = signal(SignalKind.GAZE_AWAY, 0, 3_000, 3_000)
    outcome = one.feed([ended], 9_000, facts.BEGAN, lost={SignalKind.GAZE_AWAY})
    assert outcome.alerts[0].reason == "Lasted 3.0 s until the view was lost."


def test_texts_are_said_in_the_policy_s_language() -> None:
    rule = {
        "id": "away",
        "when": {"signal": "gaze_away"},
        "title": {"en": "Away", "de": "Blick abgewandt"},
        "reason": {"en": "x", "de": "Seit {lasted_s:.0f} s."},
    }
    closing = {"ended": {"en": "x", "de": "Vorbei."}, "unseen": {"en": "x", "de": "Verloren."}}
    one = engine(rule, language="de", closing=closing)
    (opened,) = feed(one, signal(SignalKind.GAZE_AWAY, 0, 3_000), at_ms=3_000).alerts
    assert (opened.title, opened.reason) == ("Blick abgewandt", "Seit 3 s.")


def test_what_the_database_knows_as_open_is_closed_where_it_was_last_seen() -> None:
    old = engine({"id": "away", "when": {"signal": "gaze_away"}})
    (incident,) = feed(old, signal(SignalKind.GAZE_AWAY, 1_000, 4_000), at_ms=4_000).incidents
    new = engine({"id": "away", "when": {"signal": "gaze_away"}})
    (closed,) = new.adopt([incident], 7, facts.BEGAN).alerts
    assert (closed.seq, closed.occurred_ms) == (8, 4_000)
    assert closed.incident_id == incident.incident_id


def test_at_the_end_everything_open_is_closed() -> None:
    one = engine(
        {"id": "away", "when": {"signal": "gaze_away"}},
        {"id": "talk", "when": {"signal": "speech"}},
    )
    feed(one, signal(SignalKind.SPEECH, 0, 3_000), at_ms=3_000)
    feed(one, signal(SignalKind.GAZE_AWAY, 0, 3_000), at_ms=3_000)
    outcome = one.close_all(9_000, facts.BEGAN)
    assert [(each.rule_id, each.seq) for each in outcome.alerts] == [("away", 3), ("talk", 4)]
    assert all(each.closed_ms == 9_000 for each in outcome.incidents)
    assert all(each.signals[0].ended_ms == 9_000 for each in outcome.incidents)
    assert one.close_all(9_000, facts.BEGAN) == Outcome()
