"""`within` and `count` rest on what was seen, and nothing from before a gap is joined to what comes."""

from itertools import count

import pytest

from proctor.domain.alerts import Alert, Transition
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.errors import InvalidInput
from proctor.domain.observations import Observation
from proctor.domain.signals import SignalKind
from proctor.fusion.engine import FusionEngine
from proctor.fusion.judge import SessionJudge
from proctor.fusion.policy import parse_policy
from proctor.fusion.teller import Outcome
from tests.fakes import facts
from tests.fakes.engines import engine, policy_text, spell

OFTEN = {"count": {"signal": "gaze_away", "at_least": 3, "last_ms": 60_000}}
SPOKE = {"within": {"signal": "speech", "last_ms": 10_000}}


def look_away(one: FusionEngine, began_ms: int, ended_ms: int) -> list[Alert]:
    """One look away, from its opening to its end."""
    alerts = one.feed(
        [spell("gaze_away", began_ms, began_ms + 2_000)], began_ms + 2_000, facts.BEGAN
    ).alerts
    closed = spell("gaze_away", began_ms, began_ms + 2_000, ended_ms)
    return alerts + one.feed([closed], ended_ms + 800, facts.BEGAN).alerts


def test_what_comes_back_often_is_told_at_the_time_that_makes_it_often() -> None:
    one = engine({"id": "often", "when": OFTEN})
    assert look_away(one, 0, 3_000) == []
    assert look_away(one, 10_000, 13_000) == []
    (opened,) = look_away(one, 20_000, 23_000)
    assert (opened.transition, opened.occurred_ms) == (Transition.OPENED, 20_000)
    assert [each.started_ms for each in opened.signals] == [20_000, 10_000, 0]
    assert one.advance(59_999, facts.BEGAN) == Outcome()
    (closed,) = one.advance(60_000, facts.BEGAN).alerts
    assert (closed.transition, closed.occurred_ms) == (Transition.CLOSED, 23_000)


def test_what_comes_back_seldom_is_not_told() -> None:
    one = engine({"id": "often", "when": OFTEN})
    for began_ms in (0, 31_000, 62_000, 93_000):
        assert look_away(one, began_ms, began_ms + 3_000) == []


def test_updates_of_one_look_away_are_one_time() -> None:
    one = engine({"id": "often", "when": OFTEN})
    for last_ms in range(2_000, 30_000, 1_000):
        assert one.feed([spell("gaze_away", 0, last_ms)], last_ms, facts.BEGAN) == Outcome()


def test_a_signal_that_is_over_still_counts_beside_one_that_is_there() -> None:
    one = engine({"id": "both", "when": {"all": [SPOKE, {"signal": "gaze_away"}]}, "for_ms": 1_000})
    one.feed([spell("speech", 0, 3_000, 3_000)], 5_000, facts.BEGAN)
    assert one.feed([spell("gaze_away", 8_000, 8_900)], 8_900, facts.BEGAN) == Outcome()
    (opened,) = one.feed([spell("gaze_away", 8_000, 9_000)], 9_000, facts.BEGAN).alerts
    assert opened.occurred_ms == 8_000
    assert {each.kind for each in opened.signals} == {SignalKind.SPEECH, SignalKind.GAZE_AWAY}
    (closed,) = one.advance(13_000, facts.BEGAN).alerts
    assert closed.transition is Transition.CLOSED


def test_what_was_long_ago_does_not_count() -> None:
    one = engine({"id": "both", "when": {"all": [SPOKE, {"signal": "gaze_away"}]}})
    one.feed([spell("speech", 0, 3_000, 3_000)], 5_000, facts.BEGAN)
    assert one.feed([spell("gaze_away", 11_000, 13_000)], 13_000, facts.BEGAN) == Outcome()


def test_the_past_alone_opens_nothing() -> None:
    both = {"all": [SPOKE, {"within": {"signal": "gaze_away", "last_ms": 10_000}}]}
    one = engine({"id": "both", "when": both})
    over = [spell("speech", 0, 3_000, 3_000), spell("gaze_away", 1_000, 3_000, 3_500)]
    assert one.feed(over, 5_000, facts.BEGAN) == Outcome()
    assert one.advance(6_000, facts.BEGAN) == Outcome()


def test_an_end_opens_nothing_either() -> None:
    """Speech was open without news when the look aside was seen; its end is no reading."""
    one = engine({"id": "both", "when": {"all": [SPOKE, {"signal": "gaze_away"}]}})
    one.feed([spell("speech", 0, 3_000)], 3_000, facts.BEGAN)
    one.feed([spell("gaze_away", 4_000, 6_000)], 6_000, facts.BEGAN)
    assert one.feed([spell("speech", 0, 3_000, 3_000)], 6_500, facts.BEGAN) == Outcome()
    (opened,) = one.feed([spell("gaze_away", 4_000, 7_000)], 7_000, facts.BEGAN).alerts
    assert opened.occurred_ms == 4_000


def test_it_was_quiet_for_so_long_only_if_it_could_be_heard() -> None:
    when = {"all": [{"signal": "gaze_away"}, {"not": SPOKE}]}
    one = engine({"id": "quiet", "when": when})
    one.feed([spell("speech", 0, 3_000, 3_000)], 5_000, facts.BEGAN)
    assert one.feed([spell("gaze_away", 6_000, 12_900)], 12_900, facts.BEGAN) == Outcome()
    one.forget({SignalKind.SPEECH}, 12_900, facts.BEGAN)  # nobody knows what was said then
    assert one.feed([spell("gaze_away", 6_000, 22_800)], 22_800, facts.BEGAN) == Outcome()
    (opened,) = one.feed([spell("gaze_away", 6_000, 22_900)], 22_900, facts.BEGAN).alerts
    assert opened.occurred_ms == 22_900


def test_not_so_often_holds_again_when_the_oldest_has_left_the_window() -> None:
    one = engine({"id": "seldom", "when": {"all": [{"signal": "speech"}, {"not": OFTEN}]}})
    for began_ms in (0, 10_000, 20_000):
        look_away(one, began_ms, began_ms + 3_000)
    assert one.feed([spell("speech", 25_000, 59_000)], 59_000, facts.BEGAN) == Outcome()
    (opened,) = one.feed([spell("speech", 25_000, 61_000)], 61_000, facts.BEGAN).alerts
    assert opened.occurred_ms == 60_000


def test_an_outage_that_cuts_one_look_away_in_pieces_makes_nothing_often() -> None:
    one = engine({"id": "often", "when": OFTEN})
    for began_ms in range(0, 30_000, 5_000):
        signal = spell("gaze_away", began_ms, began_ms + 3_000)
        assert one.feed([signal], began_ms + 3_000, facts.BEGAN) == Outcome()
        gone = spell("gaze_away", began_ms, began_ms + 3_000, began_ms + 3_000)
        lost = {SignalKind.GAZE_AWAY}
        assert one.feed([gone], began_ms + 4_000, facts.BEGAN, lost) == Outcome()
        one.forget(lost, began_ms + 4_000, facts.BEGAN)


def test_an_incident_that_looked_back_closes_when_the_view_is_lost_and_says_so() -> None:
    one = engine({"id": "often", "when": OFTEN})
    for began_ms in (0, 10_000, 20_000):
        look_away(one, began_ms, began_ms + 3_000)
    (closed,) = one.forget({SignalKind.GAZE_AWAY}, 30_000, facts.BEGAN).alerts
    assert (closed.transition, closed.occurred_ms) == (Transition.CLOSED, 23_000)
    assert closed.reason == "Lasted 3.0 s until the view was lost."


@pytest.mark.parametrize(
    ("gap", "told"),
    [
        (None, 1),
        ((CoverageState.BLIND, CoverageReason.NO_MEDIA), 0),
        ((CoverageState.DEGRADED, CoverageReason.MODEL_TIMEOUT), 0),
    ],
)
def test_the_judge_joins_nothing_over_a_gap_in_coverage(
    gap: tuple[CoverageState, CoverageReason] | None, told: int
) -> None:
    """Twice before, once after: three times in a minute only if all of it could be seen."""
    often = {"count": {"signal": "no_face", "at_least": 3, "last_ms": 60_000}}
    judge = SessionJudge(facts.spec(policy=policy_text({"id": "often", "when": often})))
    seqs = count(1)

    def say(at_ms: int, *seen: Observation) -> list[Alert]:
        return list(judge.consume(facts.report(next(seqs), at_ms, seen), facts.BEGAN).alerts)

    alerts = say(0, *facts.media_come())
    at_ms = 1_000
    for absence in range(3):
        if absence == 2 and gap is not None:
            state, reason = gap
            alerts += say(at_ms, facts.stream(at_ms, Modality.VIDEO, reason, state=state))
            at_ms += 1_000
            alerts += say(at_ms, facts.stream(at_ms, Modality.VIDEO))
        for step in range(5):
            at_ms += 500
            clear = facts.picture(at_ms)
            alerts += say(at_ms, clear, facts.faces(at_ms, *([facts.face()] if step < 1 else [])))
        for _ in range(4):
            at_ms += 500
            alerts += say(at_ms, facts.picture(at_ms), facts.faces(at_ms, facts.face()))
    assert [each.transition for each in alerts if each.transition is Transition.OPENED] == (
        [Transition.OPENED] * told
    )


@pytest.mark.parametrize(
    ("when", "severity", "named"),
    [
        (OFTEN, "high", "gaze alone never reaches high"),
        ({"within": {"signal": "whisper", "last_ms": 9_000}}, "high", "whispering alone"),
        ({"all": [OFTEN, {"within": {"signal": "gaze_away", "last_ms": 9_000}}]}, "high", "gaze"),
        ({"not": OFTEN}, "low", "missing data alone"),
        ({"any": [{"signal": "speech"}, {"not": SPOKE}]}, "low", "missing data alone"),
        ({"count": {"signal": "gaze_away", "at_least": 1, "last_ms": 9_000}}, "low", "at_least"),
        ({"count": {"signal": "gaze_away", "at_least": 21, "last_ms": 9_000}}, "low", "at_least"),
        ({"count": {"signal": "gaze_away", "at_least": 2}}, "low", "last_ms"),
        ({"within": {"signal": "speech", "last_ms": 999}}, "low", "last_ms"),
        ({"within": {"signal": "phone", "last_ms": 9_000}}, "low", "rules.0.when"),
        ({"within": {"signal": "speech", "last_ms": 9_000}, "signal": "speech"}, "low", "within"),
    ],
)
def test_what_a_rule_may_not_ask(when: dict[str, object], severity: str, named: str) -> None:
    rule = {"id": "one", "when": when, "severity": severity}
    with pytest.raises(InvalidInput) as refused:
        parse_policy(policy_text(rule))
    assert named in refused.value.detail


def test_often_beside_other_evidence_may_be_urgent() -> None:
    when = {"all": [OFTEN, {"signal": "speech"}]}
    rule = {"id": "one", "when": when, "severity": "high"}
    assert parse_policy(policy_text(rule)).rules[0].severity == "high"
