"""Whatever happens in whatever order: nothing holds on missing data, nothing is left out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.domain.alerts import Alert, Transition
from proctor.domain.incidents import Severity
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.engine import FusionEngine
from proctor.fusion.memory import nothing_yet, read_body, write_body
from proctor.fusion.policy import parse_policy
from proctor.fusion.teller import Outcome
from tests.fakes import facts
from tests.fakes.engines import policy_text, spell

KINDS = ("gaze_away", "speech", "no_face", "camera_covered")
RULES = (
    {"id": "covered", "when": {"signal": "camera_covered"}, "severity": "medium"},
    {"id": "nobody", "when": {"signal": "no_face"}, "inhibited_by": ["covered"]},
    {"id": "away", "when": {"signal": "gaze_away"}, "for_ms": 2_000, "group": "looks"},
    {
        "id": "often",
        "when": {"count": {"signal": "gaze_away", "at_least": 2, "last_ms": 15_000}},
        "group": "looks",
        "escalate": {"after_ms": 4_000, "severity": "medium"},
    },
    {
        "id": "talks",
        "severity": "high",
        "when": {
            "all": [
                {"within": {"signal": "speech", "last_ms": 8_000}},
                {"any": [{"signal": "gaze_away"}, {"signal": "no_face"}]},
                {"not": {"within": {"signal": "camera_covered", "last_ms": 3_000}}},
            ]
        },
    },
    {
        "id": "seldom",
        "inhibited_by": ["covered", "talks"],
        "when": {
            "all": [
                {"signal": "speech"},
                {"not": {"count": {"signal": "no_face", "at_least": 2, "last_ms": 9_000}}},
            ]
        },
    },
)
POLICY = parse_policy(policy_text(*RULES, groups={"looks": {"window_ms": 10_000}}))

SEEN, ENDED = "seen", "ended"
Moment = tuple[int, dict[str, str], frozenset[str]]
"""(how long after the one before, what is seen of which kind, the kinds whose view has a gap)."""

moments = st.lists(
    st.tuples(
        st.integers(100, 4_000),
        st.dictionaries(st.sampled_from(KINDS), st.sampled_from([SEEN, ENDED])),
        st.one_of(st.just(frozenset[str]()), st.frozensets(st.sampled_from(KINDS))),
    ),
    max_size=40,
)


@dataclass
class Told:
    """What an engine said, and what it had been fed by then."""

    alerts: list[Alert] = field(default_factory=list)
    whole_from_ms: dict[SignalKind, int] = field(default_factory=dict)
    known: set[Signal] = field(default_factory=set)


def play(
    story: Iterable[Moment],
    order: Callable[[list[Signal]], list[Signal]] = list,
    check: Callable[[Told, int, Outcome], None] = lambda *_: None,
    write_down: bool = False,
) -> Told:
    """Feed a story moment by moment; gaps end what was open, as the sensors do."""
    body, told = nothing_yet(), Told()
    now_ms, began = 0, dict[str, tuple[int, int]]()
    for after_ms, seen, gaps in story:
        now_ms += after_ms
        signals: list[Signal] = []
        for kind in sorted(seen.keys() | (gaps & began.keys())):
            first_ms, last_ms = began.get(kind, (now_ms, now_ms))
            if kind in gaps or seen.get(kind) == ENDED:
                if kind in began:
                    del began[kind]
                    end_ms = last_ms if kind in gaps else now_ms
                    signals.append(spell(kind, first_ms, last_ms, end_ms))
            else:
                began[kind] = (first_ms, now_ms)
                signals.append(spell(kind, first_ms, now_ms))
        lost = {SignalKind(kind) for kind in gaps}
        if write_down:
            body = read_body(write_body(body))
        engine = FusionEngine(facts.spec(), POLICY, body.engine)
        told.known.update(signals)
        outcomes = [engine.feed(order(signals), now_ms, facts.BEGAN, lost)]
        check(told, now_ms, outcomes[0])
        if gaps:
            told.whole_from_ms.update(dict.fromkeys(lost, now_ms))
            outcomes.append(engine.forget(lost, now_ms, facts.BEGAN))
        outcomes.append(engine.advance(now_ms, facts.BEGAN))
        for outcome in outcomes[1:]:
            check(told, now_ms, outcome)
        told.alerts += [alert for outcome in outcomes for alert in outcome.alerts]
    last = FusionEngine(facts.spec(), POLICY, body.engine).close_all(now_ms, facts.BEGAN)
    told.alerts += last.alerts
    return told


@settings(deadline=None, max_examples=200)  # the machine is shared
@given(moments)
def test_numbers_have_no_holes_and_no_id_comes_twice(story: list[Moment]) -> None:
    alerts = play(story).alerts
    assert [alert.seq for alert in alerts] == list(range(1, len(alerts) + 1))
    assert len({alert.alert_id for alert in alerts}) == len(alerts)


@settings(deadline=None, max_examples=200)
@given(moments)
def test_the_order_of_what_one_moment_changed_does_not_matter(story: list[Moment]) -> None:
    assert play(story, lambda signals: signals[::-1]).alerts == play(story).alerts


@settings(deadline=None, max_examples=200)
@given(moments)
def test_whatever_is_written_down_goes_on_as_if_it_had_not_been(story: list[Moment]) -> None:
    assert play(story, write_down=True).alerts == play(story).alerts


@settings(deadline=None, max_examples=200)
@given(moments)
def test_nothing_opens_or_grows_worse_but_by_what_is_seen_now(story: list[Moment]) -> None:
    def check(told: Told, now_ms: int, outcome: Outcome) -> None:
        for alert in outcome.alerts:
            if alert.transition not in (Transition.OPENED, Transition.ESCALATED):
                continue
            assert set(alert.signals) <= told.known  # nothing that was not really seen
            assert any(
                each.ended_ms is None and each.support.frame_digest == facts.digest(now_ms)
                for each in alert.signals
            )
            for each in alert.signals:
                assert each.ended_ms is None or each.ended_ms >= told.whole_from_ms.get(
                    each.kind, 0
                )

    play(story, check=check)


@settings(deadline=None, max_examples=200)
@given(moments)
def test_after_a_gap_a_story_is_judged_as_if_it_began_there(story: list[Moment]) -> None:
    """What was seen before everything was out of view for a moment accuses nobody afterwards."""
    gap: Moment = (1_000, {}, frozenset(KINDS))
    busy: list[Moment] = [
        (1_000, dict.fromkeys(KINDS, state), frozenset())
        for state in (SEEN, SEEN, ENDED, SEEN, ENDED)
    ]
    fresh = play([gap, *story]).alerts
    later = [a for a in play([*busy, gap, *story]).alerts if a.occurred_ms > 6_000]
    assert [(a.rule_id, a.occurred_ms - 5_000) for a in later if a.transition == "opened"] == [
        (a.rule_id, a.occurred_ms) for a in fresh if a.transition == "opened"
    ]


@settings(deadline=None, max_examples=200)
@given(moments)
def test_what_is_kept_quiet_is_recorded_and_has_its_reason(story: list[Moment]) -> None:
    alerts = play(story).alerts
    opened = {a.incident_id for a in alerts if a.transition is Transition.OPENED}
    closed = {a.incident_id for a in alerts if a.transition is Transition.CLOSED}
    assert closed == opened  # every incident is recorded from its opening to its end
    for index, alert in enumerate(alerts):
        before = alerts[:index]
        was_told = any(
            a.incident_id == alert.incident_id and a.suppressed_by is None for a in before
        )
        if alert.transition is Transition.CLOSED:
            assert (alert.suppressed_by is None) == was_told
            continue
        if alert.suppressed_by is None:
            continue
        assert alert.severity is not Severity.HIGH
        why, _, by = alert.suppressed_by.partition(":")
        if why == "grouped":
            update = alerts[index + 1]
            assert (update.transition, update.rule_id) == (Transition.UPDATED, by)
            assert update.suppressed_by is None
        else:
            last = next(a for a in reversed(before) if a.rule_id == by)
            assert why == "inhibited" and last.transition is not Transition.CLOSED
