"""So many weak alerts an hour are told one by one; then they are counted. A strong one never is."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.alerts import Alert, Transition
from proctor.domain.allowances import Allowances, Break, BreakBy
from proctor.domain.incidents import Category, Severity
from proctor.domain.signals import SignalKind
from proctor.fusion.engine import FusionEngine
from tests.fakes import facts
from tests.proctor.fusion.test_engine import engine, feed, signal

GAZE, HEAD = SignalKind.GAZE_AWAY, SignalKind.HEAD_TURNED
HOUR = 3_600_000
WEAK = [
    {"id": "gaze", "when": {"signal": "gaze_away"}, "title": {"en": "Looking away"}},
    {"id": "head", "when": {"signal": "head_turned"}, "severity": "info"},
]


def limited(per_hour: int, *rules: dict[str, object], every_ms: int = 600_000) -> FusionEngine:
    return engine(*rules, budget={"per_hour": per_hour, "summary_every_ms": every_ms})


def once(one: FusionEngine, kind: SignalKind, at_ms: int) -> list[Alert]:
    """A behaviour of two seconds."""
    alerts = feed(one, signal(kind, at_ms, at_ms + 2_000), at_ms=at_ms + 2_000).alerts
    ended_ms = at_ms + 2_000
    return alerts + feed(one, signal(kind, at_ms, ended_ms, ended_ms), at_ms=ended_ms).alerts


def test_beyond_the_budget_weak_alerts_are_kept_and_told_as_a_count() -> None:
    one = limited(2, *WEAK)
    alerts = [alert for at in range(0, 50_000, 10_000) for alert in once(one, GAZE, at)]
    alerts += once(one, HEAD, 60_000)
    assert [alert.suppressed_by for alert in alerts] == [None] * 4 + ["budget"] * 8
    assert one.tell_grouped(621_999, facts.BEGAN).alerts == []
    (summary,) = one.tell_grouped(622_000, facts.BEGAN).alerts  # ten minutes after the first
    assert (summary.transition, summary.suppressed_by, summary.seq) == (
        *(Transition.UPDATED, None),
        13,
    )
    assert summary.reason.endswith("is used up: 3 x Looking away, 1 x head.")
    assert summary.incident_id == alerts[-1].incident_id
    assert one.tell_grouped(HOUR, facts.BEGAN).alerts == []


def test_an_hour_later_there_is_room_again() -> None:
    one = limited(1, *WEAK)
    assert once(one, GAZE, 0)[0].suppressed_by is None
    assert once(one, GAZE, HOUR - 10_000)[0].suppressed_by == "budget"
    assert once(one, GAZE, HOUR)[0].suppressed_by is None


def test_what_becomes_stronger_is_told_and_so_is_its_end() -> None:
    rule = WEAK[0] | {"escalate": {"after_ms": 9_000, "severity": "medium"}}
    one = limited(0, rule)
    assert feed(one, signal(GAZE, 0, 3_000), at_ms=3_000).alerts[0].suppressed_by == "budget"
    (worse,) = feed(one, signal(GAZE, 0, 9_000), at_ms=9_000).alerts
    assert (worse.transition, worse.suppressed_by) == (Transition.ESCALATED, None)
    (closed,) = feed(one, signal(GAZE, 0, 9_000, 9_500), at_ms=9_500).alerts
    assert closed.suppressed_by is None


def test_one_that_stays_weak_stays_in_the_count() -> None:
    rule = WEAK[1] | {"escalate": {"after_ms": 9_000, "severity": "low"}}
    one = limited(0, rule)
    feed(one, signal(HEAD, 0, 3_000), at_ms=3_000)
    (worse,) = feed(one, signal(HEAD, 0, 9_000), at_ms=9_000).alerts
    assert (worse.transition, worse.suppressed_by) == (Transition.ESCALATED, "budget")
    (summary,) = one.tell_grouped(None, facts.BEGAN).alerts
    assert ": 1 x head." in summary.reason


def test_what_a_break_held_back_is_counted_once_when_it_is_told_after_all() -> None:
    one = limited(0, WEAK[0])
    given_break = Break(break_id="b", start_ms=0, end_ms=5_000, by=BreakBy.STAFF)
    one.state.allowed = Allowances(breaks=(given_break,))
    assert feed(one, signal(GAZE, 0, 3_000), at_ms=3_000).alerts[0].suppressed_by == "break"
    (after,) = feed(one, signal(GAZE, 0, 6_000), at_ms=6_000).alerts
    assert (after.transition, after.suppressed_by) == (Transition.UPDATED, "budget")
    (summary,) = one.tell_grouped(None, facts.BEGAN).alerts
    assert ": 1 x Looking away." in summary.reason


def test_what_is_counted_is_not_counted_again_after_a_break() -> None:
    rule = WEAK[1] | {"escalate": {"after_ms": 9_000, "severity": "low"}}
    one = limited(0, rule)
    feed(one, signal(HEAD, 0, 3_000), at_ms=3_000)
    pause = Break(break_id="b", start_ms=8_000, end_ms=12_000, by=BreakBy.STAFF)
    one.state.allowed = Allowances(breaks=(pause,))
    assert feed(one, signal(HEAD, 0, 9_000), at_ms=9_000).alerts[0].suppressed_by == "budget"
    assert feed(one, signal(HEAD, 0, 20_000), at_ms=20_000).alerts == []
    (summary,) = one.tell_grouped(None, facts.BEGAN).alerts
    assert ": 1 x head." in summary.reason


def test_the_words_are_in_the_policy_s_language() -> None:
    rule = {
        "id": "gaze",
        "when": {"signal": "gaze_away"},
        "title": {"en": "x", "de": "Blick"},
        "reason": {"en": "x", "de": "x"},
    }
    closing = {"ended": {"en": "x", "de": "x"}, "unseen": {"en": "x", "de": "x"}}
    one = engine(rule, language="de", closing=closing, budget={"per_hour": 0})
    once(one, GAZE, 0)
    (summary,) = one.tell_grouped(None, facts.BEGAN).alerts
    assert summary.reason.startswith("Zusammengefasst") and "1 x Blick" in summary.reason


EVERY_RULE = [
    {"id": f"{kind}-{severity}", "category": category, "severity": severity}
    | {"when": {"signal": kind}, "reason": {"en": "x"}}
    for kind, category, severity in (
        ("gaze_away", "conduct", "low"),
        ("head_turned", "conduct", "info"),
        ("no_face", "conduct", "medium"),
        ("several_faces", "conduct", "high"),
        ("identity_unverified", "identity", "medium"),
        ("different_person", "identity", "high"),
        ("not_live", "integrity", "low"),
        ("camera_covered", "coverage", "low"),
        ("video_frozen", "coverage", "info"),
    )
]


@given(
    st.integers(0, 5),
    st.lists(
        st.tuples(
            st.sampled_from([rule["when"]["signal"] for rule in EVERY_RULE]),  # type: ignore[index]
            st.integers(3_000, 900_000),
        ),
        max_size=40,
    ),
)
def test_no_strong_rule_is_ever_grouped_and_the_counts_add_up(
    per_hour: int, script: list[tuple[str, int]]
) -> None:
    one, now, alerts = limited(per_hour, *EVERY_RULE), 0, list[Alert]()
    for kind, after_ms in script:
        now += after_ms
        alerts += one.tell_grouped(now, facts.BEGAN).alerts
        alerts += once(one, SignalKind(kind), now)
    alerts += one.tell_grouped(None, facts.BEGAN).alerts
    grouped, told, spent = Counter[str](), Counter[str](), list[int]()
    for alert in alerts:
        is_weak = alert.category is not Category.COVERAGE and alert.severity in (
            *(Severity.LOW, Severity.INFO),
        )
        assert alert.suppressed_by is None or (alert.suppressed_by == "budget" and is_weak)
        if alert.transition is Transition.UPDATED:
            for part in alert.reason.partition(": ")[2].rstrip(".").split(", "):
                count, _, rule = part.partition(" x ")
                told[rule] += int(count)
        elif alert.transition is Transition.OPENED and alert.suppressed_by:
            grouped[alert.rule_id] += 1
        elif alert.transition is Transition.OPENED and is_weak:
            spent.append(alert.occurred_ms)
    assert told == grouped
    assert [alert.seq for alert in alerts] == list(range(1, len(alerts) + 1))
    assert all(sum(at - HOUR < each <= at for each in spent) <= per_hour for at in spent)
