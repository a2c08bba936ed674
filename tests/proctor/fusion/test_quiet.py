"""A rule that keeps another quiet, a thread of rules: nothing is lost, and everything has its number."""

import pytest

from proctor.domain.alerts import Alert, Transition
from proctor.domain.allowances import Accommodation, Allowances
from proctor.domain.errors import InvalidInput
from proctor.domain.incidents import Severity
from proctor.fusion.engine import FusionEngine
from proctor.fusion.memory import nothing_yet, read_body, write_body
from proctor.fusion.policy import parse_policy
from tests.fakes import facts
from tests.fakes.engines import engine, policy_text, spell

COVERED = {"id": "covered", "when": {"signal": "camera_covered"}, "severity": "medium"}
NOBODY = {"id": "nobody", "when": {"signal": "no_face"}, "inhibited_by": ["covered"]}
AWAY = {"id": "away", "when": {"signal": "gaze_away"}, "group": "looks"}
TURNED = {"id": "turned", "when": {"signal": "head_turned"}, "group": "looks"}
LOOKS = {"looks": {"window_ms": 60_000}}


def feed(
    one: FusionEngine, kind: str, began_ms: int, last_ms: int, ended_ms: int | None = None
) -> list[Alert]:
    return one.feed([spell(kind, began_ms, last_ms, ended_ms)], last_ms, facts.BEGAN).alerts


def said(alerts: list[Alert]) -> list[tuple[int, str, str, str | None]]:
    """(seq, rule, transition, why it was not told)."""
    return [(a.seq, a.rule_id, a.transition.value, a.suppressed_by) for a in alerts]


def test_a_rule_is_quiet_while_another_says_it_better_and_is_told_when_that_is_over() -> None:
    one = engine(COVERED, NOBODY)
    alerts = feed(one, "camera_covered", 0, 3_000)
    alerts += feed(one, "no_face", 1_000, 4_000)
    alerts += feed(one, "camera_covered", 0, 8_000, 8_000)
    alerts += feed(one, "no_face", 1_000, 9_000, 9_000)
    assert said(alerts) == [
        (1, "covered", "opened", None),
        (2, "nobody", "opened", "inhibited:covered"),
        (3, "covered", "closed", None),
        (4, "nobody", "updated", None),
        (5, "nobody", "closed", None),
    ]
    assert alerts[3].reason == "For 3.0 s."
    assert len({alert.alert_id for alert in alerts}) == 5


def test_what_began_and_ended_in_the_shadow_of_another_is_recorded_and_never_told() -> None:
    one = engine(COVERED, NOBODY)
    alerts = feed(one, "camera_covered", 0, 3_000)
    alerts += feed(one, "no_face", 1_000, 4_000)
    alerts += feed(one, "no_face", 1_000, 4_000, 5_000)
    alerts += feed(one, "camera_covered", 0, 8_000, 8_000)
    assert said(alerts)[1:] == [
        (2, "nobody", "opened", "inhibited:covered"),
        (3, "nobody", "closed", "inhibited:covered"),
        (4, "covered", "closed", None),
    ]


def test_the_end_of_what_was_told_is_told() -> None:
    one = engine(COVERED, NOBODY | {"escalate": {"after_ms": 5_000, "severity": "medium"}})
    alerts = feed(one, "no_face", 0, 3_000)
    alerts += feed(one, "camera_covered", 2_000, 4_000)
    alerts += feed(one, "no_face", 0, 6_000)
    alerts += feed(one, "no_face", 0, 6_000, 7_000)
    assert said(alerts) == [
        (1, "nobody", "opened", None),
        (2, "covered", "opened", None),
        (3, "nobody", "escalated", "inhibited:covered"),
        (4, "nobody", "closed", None),
    ]


def test_a_rule_that_is_quiet_itself_keeps_nobody_quiet() -> None:
    speech = {"id": "speech", "when": {"signal": "speech"}, "inhibited_by": ["nobody"]}
    one = engine(COVERED, NOBODY, speech)
    alerts = feed(one, "camera_covered", 0, 3_000)
    alerts += feed(one, "no_face", 1_000, 4_000)
    alerts += feed(one, "speech", 2_000, 5_000)
    assert said(alerts)[-1] == (3, "speech", "opened", None)


def test_both_at_one_moment_are_told_alike_in_any_order() -> None:
    both = [spell("camera_covered", 0, 3_000), spell("no_face", 0, 3_000)]
    for signals in (both, both[::-1]):
        told = engine(COVERED, NOBODY).feed(signals, 3_000, facts.BEGAN).alerts
        assert [alert.suppressed_by for alert in told] == [None, "inhibited:covered"]


def test_rules_of_a_group_are_one_thread_with_a_count() -> None:
    one = engine(AWAY, TURNED, groups=LOOKS)
    alerts = feed(one, "gaze_away", 0, 3_000)
    alerts += feed(one, "head_turned", 2_000, 5_000)
    alerts += feed(one, "head_turned", 2_000, 6_000, 6_500)
    alerts += feed(one, "gaze_away", 0, 7_000, 7_000)
    alerts += feed(one, "gaze_away", 10_000, 13_000)
    assert said(alerts) == [
        (1, "away", "opened", None),
        (2, "turned", "opened", "grouped:away"),
        (3, "away", "updated", None),
        (4, "turned", "closed", "grouped:away"),
        (5, "away", "closed", None),
        (6, "away", "opened", "grouped:away"),
        (7, "away", "updated", None),
    ]
    first, *_ = alerts
    assert alerts[2].reason == "Also: turned. Grouped so far: 1."
    assert alerts[6].reason == "Also: away. Grouped so far: 2."
    assert alerts[2].incident_id == alerts[6].incident_id == first.incident_id
    assert len({alert.alert_id for alert in alerts}) == 7


def test_after_the_window_a_new_thread_begins() -> None:
    one = engine(AWAY, TURNED, groups=LOOKS)
    feed(one, "gaze_away", 0, 3_000)
    feed(one, "gaze_away", 0, 3_000, 5_000)
    (alert,) = feed(one, "head_turned", 62_000, 64_000)
    assert alert.suppressed_by is None


def test_nothing_is_hidden_behind_something_weaker() -> None:
    one = engine(AWAY, TURNED | {"severity": "medium"}, groups=LOOKS)
    feed(one, "gaze_away", 0, 3_000)
    (alert,) = feed(one, "head_turned", 2_000, 5_000)
    assert (alert.severity, alert.suppressed_by) == (Severity.MEDIUM, None)


def test_what_was_grouped_and_becomes_worse_is_told() -> None:
    worse = {"after_ms": 9_000, "severity": "high"}
    one = engine(AWAY, TURNED | {"escalate": worse}, groups=LOOKS)
    feed(one, "gaze_away", 0, 3_000)
    feed(one, "head_turned", 2_000, 5_000)
    alerts = feed(one, "head_turned", 2_000, 11_000)
    alerts += feed(one, "head_turned", 2_000, 11_000, 12_000)
    assert [(a.transition, a.severity, a.suppressed_by) for a in alerts] == [
        (Transition.ESCALATED, Severity.HIGH, None),
        (Transition.CLOSED, Severity.HIGH, None),
    ]


def test_a_thread_is_told_in_the_policy_s_language() -> None:
    joined = {"en": "x", "de": "Dazu: {title} ({grouped:.0f})"}
    texts = {"title": {"en": "x", "de": "Blick"}, "reason": {"en": "x", "de": "y"}}
    closing = {"ended": {"de": "Vorbei."}, "unseen": {"de": "Verloren."}}
    groups = {"looks": {"window_ms": 60_000, "joined": joined}}
    one = engine(AWAY | texts, TURNED | texts, groups=groups, language="de", closing=closing)
    feed(one, "gaze_away", 0, 3_000)
    assert feed(one, "head_turned", 2_000, 5_000)[-1].reason == "Dazu: Blick (1)"


def test_what_is_quiet_survives_being_written_down() -> None:
    body = nothing_yet()
    one = engine(COVERED, NOBODY, AWAY, TURNED, groups=LOOKS)
    body.engine = one.state
    for kind in ("camera_covered", "no_face", "gaze_away", "head_turned"):
        feed(one, kind, 0, 3_000)
    read = read_body(write_body(body)).engine
    assert read == one.state
    assert {rule for rule, each in read.incidents.items() if not each.is_told} == {
        "nobody",
        "turned",
    }


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ([NOBODY, COVERED], "must stand before it"),
        ([NOBODY | {"inhibited_by": ["nobody"]}], "must stand before it"),
        ([NOBODY], "names no rule of this policy: covered"),
        ([COVERED, NOBODY | {"severity": "high"}], "which is medium, must not keep it quiet"),
        (
            [COVERED, NOBODY | {"escalate": {"after_ms": 9_000, "severity": "high"}}],
            "rule nobody may become high",
        ),
        ([AWAY], "no group looks is described"),
    ],
)
def test_who_may_not_keep_whom_quiet(rules: list[dict[str, object]], named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_policy(policy_text(*rules))
    assert named in refused.value.detail


def test_a_high_rule_is_never_grouped() -> None:
    high = {"id": "many", "when": {"signal": "several_faces"}, "severity": "high", "group": "looks"}
    with pytest.raises(InvalidInput, match="never grouped"):
        parse_policy(policy_text(high, groups=LOOKS))


@pytest.mark.parametrize("text", ["{faces}", "{grouped!r}", "{title:>9}", "{"])
def test_what_a_thread_s_text_may_not_say(text: str) -> None:
    groups = {"looks": {"window_ms": 60_000, "joined": {"en": text}}}
    with pytest.raises(InvalidInput):
        parse_policy(policy_text(AWAY, groups=groups))


def test_what_the_candidate_is_allowed_is_asked_before_other_rules_and_groups() -> None:
    one = engine(AWAY, TURNED, groups=LOOKS)
    one.state.allowed = Allowances(accommodations=(Accommodation.MAY_LOOK_AWAY,))
    alerts = feed(one, "gaze_away", 0, 3_000)
    alerts += feed(one, "head_turned", 2_000, 5_000)
    assert [alert.suppressed_by for alert in alerts] == ["accommodation:may_look_away"] * 2


def test_what_is_not_told_itself_leads_no_thread_and_keeps_nobody_quiet() -> None:
    one = engine(AWAY, TURNED, groups=LOOKS, budget={"per_hour": 0})
    alerts = feed(one, "gaze_away", 0, 3_000) + feed(one, "head_turned", 2_000, 5_000)
    assert [alert.suppressed_by for alert in alerts] == ["budget"] * 2
    covered = COVERED | {"severity": "info"}
    one = engine(covered, NOBODY | {"severity": "info"}, budget={"per_hour": 1})
    feed(one, "no_face", 0, 3_000)
    alerts = feed(one, "camera_covered", 4_000, 6_000)
    alerts += feed(one, "no_face", 0, 7_000, 7_000)
    assert [alert.suppressed_by for alert in alerts] == ["budget", None]


def test_what_joins_a_thread_uses_nothing_of_the_budget() -> None:
    speech = {"id": "speech", "when": {"signal": "speech"}}
    one = engine(AWAY, TURNED, speech, groups=LOOKS, budget={"per_hour": 2})
    alerts = feed(one, "gaze_away", 0, 3_000) + feed(one, "head_turned", 2_000, 5_000)
    alerts += feed(one, "speech", 3_000, 6_000)
    assert alerts[-1].suppressed_by is None


def test_a_thread_s_update_tells_the_first_incident_as_it_is_now() -> None:
    one = engine(AWAY, TURNED, groups=LOOKS)
    feed(one, "gaze_away", 0, 3_000)
    feed(one, "gaze_away", 0, 3_000, 4_000)
    update = feed(one, "head_turned", 10_000, 13_000)[-1]
    assert (update.rule_id, update.transition, update.occurred_ms) == ("away", "updated", 4_000)
    assert [each.ended_ms for each in update.signals] == [4_000]


def test_what_the_candidate_is_allowed_joins_no_thread() -> None:
    speech = {"id": "speech", "when": {"signal": "speech"}, "group": "looks"}
    one = engine(AWAY, speech, groups=LOOKS)
    one.state.allowed = Allowances(accommodations=(Accommodation.MAY_SPEAK,))
    feed(one, "gaze_away", 0, 3_000)
    (alert,) = feed(one, "speech", 2_000, 5_000)
    assert alert.suppressed_by == "accommodation:may_speak"


def test_what_the_candidate_was_allowed_a_moment_ago_counts_for_nothing_now() -> None:
    lately = {"within": {"signal": "speech", "last_ms": 10_000}}
    often = {"count": {"signal": "speech", "at_least": 2, "last_ms": 60_000}}
    for past in (lately, often):
        one = engine({"id": "both", "when": {"all": [past, {"signal": "gaze_away"}]}})
        one.state.allowed = Allowances(accommodations=(Accommodation.MAY_SPEAK,))
        for began_ms in (0, 5_000):
            feed(one, "speech", began_ms, began_ms + 3_000, began_ms + 3_000)
        (alert,) = feed(one, "gaze_away", 9_000, 12_000)
        assert alert.suppressed_by == "accommodation:may_speak"


def test_nothing_is_hidden_behind_what_was_told_as_something_weaker() -> None:
    """The one that leads became worse, and by what is allowed alone: it is still told as it was."""
    either = {"id": "either", "when": {"any": [{"signal": "speech"}, {"signal": "gaze_away"}]}}
    either |= {"severity": "low", "escalate": {"after_ms": 10_000, "severity": "medium"}}
    turned = TURNED | {"severity": "medium"}
    one = engine(either | {"group": "looks"}, turned, groups=LOOKS)
    one.state.allowed = Allowances(accommodations=(Accommodation.MAY_SPEAK,))
    (first,) = feed(one, "gaze_away", 5_000, 8_000)
    assert first.suppressed_by is None
    worse = feed(one, "speech", 2_000, 13_000)[-1]
    assert (worse.transition, worse.suppressed_by) == ("escalated", "accommodation:may_speak")
    alerts = feed(one, "head_turned", 11_000, 14_000)
    assert [(a.rule_id, a.severity, a.suppressed_by) for a in alerts] == [
        ("turned", Severity.MEDIUM, None)
    ]


EITHER = {"id": "either", "when": {"any": [{"signal": "speech"}, {"signal": "gaze_away"}]}}
EITHER |= {"escalate": {"after_ms": 10_000, "severity": "medium"}}


@pytest.mark.parametrize(
    ("of_group", "per_hour", "why"), [("looks", 20, "grouped:turned"), (None, 1, "budget")]
)
def test_what_is_grouped_stays_so_while_what_makes_it_worse_is_held_back(
    of_group: str | None, per_hour: int, why: str
) -> None:
    either = EITHER | ({"group": of_group} if of_group else {})
    one = engine(TURNED, either, groups=LOOKS, budget={"per_hour": per_hour})
    one.state.allowed = Allowances(accommodations=(Accommodation.MAY_SPEAK,))
    feed(one, "head_turned", 0, 3_000)
    assert feed(one, "gaze_away", 5_000, 8_000)[0].suppressed_by == why
    (worse,) = feed(one, "speech", 2_000, 13_000)
    assert (worse.transition, worse.suppressed_by) == ("escalated", "accommodation:may_speak")
    one.state.budget.spent_ms = []  # an hour is over: what is in a count is told by it all the same
    assert feed(one, "speech", 2_000, 13_500) == []
    assert feed(one, "gaze_away", 5_000, 14_500) == []
    (told,) = feed(one, "gaze_away", 5_000, 15_500)
    assert (told.transition, told.severity, told.suppressed_by) == ("updated", "medium", None)
