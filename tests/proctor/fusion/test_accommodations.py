"""Accommodations and breaks hold news back with a record; nothing else changes, nobody hides in them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.alerts import Alert, Transition
from proctor.domain.allowances import Accommodation, Allowances, Break, BreakBy
from proctor.domain.ids import IncidentId
from proctor.domain.incidents import Severity, Verdict
from proctor.domain.notes import IncidentNote
from proctor.domain.signals import SignalKind
from proctor.fusion.covers import COVERS, ON_A_BREAK, free_since_ms, last_free_ms
from proctor.fusion.engine import FusionEngine
from tests.fakes import facts
from tests.proctor.fusion.test_engine import AWAY, engine, feed, signal

GAZE, SPEECH, FACES = SignalKind.GAZE_AWAY, SignalKind.SPEECH, SignalKind.SEVERAL_FACES
LOOK = "accommodation:may_look_away"
NEVER_COVERED = {
    *(SignalKind.DIFFERENT_PERSON, SignalKind.IDENTITY_UNVERIFIED, SignalKind.CAMERA_COVERED),
    *(SignalKind.VIDEO_FROZEN, SignalKind.NOT_LIVE, SignalKind.VIDEO_REPEATED),
    *(SignalKind.PICTURES_DOUBLED, SignalKind.NO_CAMERA_NOISE, SignalKind.STEADY_BEAT),
    SignalKind.SOURCE_CHANGED,
}


def allow(one: FusionEngine, *what: Accommodation, breaks: tuple[Break, ...] = ()) -> FusionEngine:
    one.state.allowed = Allowances(accommodations=what, breaks=breaks)
    return one


def pause(start_ms: int, end_ms: int | None) -> Break:
    return Break(break_id=f"brk_{start_ms}", start_ms=start_ms, end_ms=end_ms, by=BreakBy.STAFF)


def said(alerts: list[Alert]) -> list[tuple[Transition, str | None]]:
    return [(alert.transition, alert.suppressed_by) for alert in alerts]


def test_no_accommodation_covers_who_sits_there_nor_what_the_pictures_say() -> None:
    assert not ON_A_BREAK & NEVER_COVERED
    assert set(SignalKind) == ON_A_BREAK | NEVER_COVERED
    assert set(COVERS) == set(Accommodation)


def test_what_is_covered_is_recorded_numbered_and_not_told() -> None:
    one = allow(engine(AWAY), Accommodation.MAY_LOOK_AWAY)
    opened = feed(one, signal(GAZE, 1_000, 6_000), at_ms=6_000)
    closed = feed(one, signal(GAZE, 1_000, 6_000, 9_000), at_ms=9_000)
    assert said(opened.alerts) == [(Transition.OPENED, LOOK)]
    assert said(closed.alerts) == [(Transition.CLOSED, LOOK)]
    assert [alert.seq for alert in opened.alerts + closed.alerts] == [1, 2]
    (incident,) = closed.incidents
    assert (incident.suppressed_by, incident.is_told) == (LOOK, False)


def test_other_behaviour_is_told_as_ever() -> None:
    talk = {"id": "talk", "when": {"signal": "speech"}}
    one = allow(engine(AWAY, talk), Accommodation.MAY_LOOK_AWAY)
    assert said(feed(one, signal(SPEECH, 0, 3_000), at_ms=3_000).alerts) == [
        (Transition.OPENED, None)
    ]


def test_a_rule_that_needs_a_covered_signal_is_held_back_and_one_that_does_not_is_told() -> None:
    parts = [{"signal": "gaze_away"}, {"signal": "speech"}]
    both = {"id": "both", "when": {"all": parts}}
    either = {"id": "either", "when": {"any": parts}}
    one = allow(engine(both, either), Accommodation.MAY_LOOK_AWAY)
    first = feed(one, signal(GAZE, 0, 3_000), at_ms=3_000).alerts
    assert [(a.rule_id, *said([a])[0]) for a in first] == [("either", Transition.OPENED, LOOK)]
    second = feed(one, signal(SPEECH, 3_000, 6_000), at_ms=6_000).alerts
    assert [(a.rule_id, *said([a])[0]) for a in second] == [
        ("both", Transition.OPENED, LOOK),
        ("either", Transition.UPDATED, None),  # it would hold by the speech alone
    ]
    assert second[1].incident_id == first[0].incident_id


def test_without_the_covered_signal_it_must_hold_for_long_enough() -> None:
    parts = [{"signal": "gaze_away"}, {"signal": "speech"}]
    one = allow(
        engine({"id": "any", "when": {"any": parts}, "for_ms": 4_000}), Accommodation.MAY_LOOK_AWAY
    )
    assert said(feed(one, signal(GAZE, 0, 5_000), at_ms=5_000).alerts) == [
        (Transition.OPENED, LOOK)
    ]
    assert feed(one, signal(SPEECH, 5_000, 8_000), at_ms=8_000).alerts == []
    assert said(feed(one, signal(SPEECH, 5_000, 9_000), at_ms=9_000).alerts) == [
        (Transition.UPDATED, None)
    ]


def test_a_high_identity_rule_is_never_held_back() -> None:
    when = {"any": [{"signal": "different_person"}, {"signal": "several_faces"}]}
    rule = {"id": "who", "category": "identity", "severity": "high", "when": when}
    later = (
        rule
        | {"id": "later", "severity": "low"}
        | {"escalate": {"after_ms": 9_000, "severity": "high"}}
    )
    one = allow(engine(rule, later), *Accommodation, breaks=(pause(0, None),))
    assert said(feed(one, signal(FACES, 0, 3_000), at_ms=3_000).alerts) == [
        (Transition.OPENED, None),
        (Transition.OPENED, None),
    ]


def test_several_accommodations_are_named_together() -> None:
    one = allow(
        engine({"id": "talk", "when": {"signal": "speech"}}),
        *(Accommodation.READER_PRESENT, Accommodation.MAY_SPEAK, Accommodation.MAY_LEAVE_SEAT),
    )
    (alert,) = feed(one, signal(SPEECH, 0, 3_000), at_ms=3_000).alerts
    assert alert.suppressed_by == "accommodation:may_speak+reader_present"


def test_an_accommodation_that_is_taken_back_tells_what_still_lasts() -> None:
    one = allow(engine(AWAY), Accommodation.MAY_LOOK_AWAY)
    feed(one, signal(GAZE, 0, 6_000), at_ms=6_000)
    allow(one)
    assert said(feed(one, signal(GAZE, 0, 7_000), at_ms=7_000).alerts) == [
        (Transition.UPDATED, None)
    ]
    assert feed(one, signal(GAZE, 0, 8_000), at_ms=8_000).alerts == []
    assert said(feed(one, signal(GAZE, 0, 8_000, 9_000), at_ms=9_000).alerts) == [
        (Transition.CLOSED, None)
    ]


def test_one_that_is_given_late_takes_nothing_back_and_its_end_is_told() -> None:
    one = engine(AWAY | {"escalate": {"after_ms": 9_000, "severity": "medium"}})
    feed(one, signal(GAZE, 0, 6_000), at_ms=6_000)
    allow(one, Accommodation.MAY_LOOK_AWAY)
    worse = feed(one, signal(GAZE, 0, 9_500), at_ms=9_500)
    assert said(worse.alerts) == [(Transition.ESCALATED, LOOK)]
    assert worse.incidents[0].severity is Severity.MEDIUM
    assert said(feed(one, signal(GAZE, 0, 9_500, 9_900), at_ms=9_900).alerts) == [
        (Transition.CLOSED, None)
    ]


def test_a_break_holds_back_and_who_stays_away_after_it_is_told() -> None:
    gone = {"id": "gone", "when": {"signal": "no_face"}, "severity": "medium", "for_ms": 3_000}
    one = allow(engine(gone), breaks=(pause(10_000, 60_000),))
    away = SignalKind.NO_FACE
    assert said(feed(one, signal(away, 12_000, 20_000), at_ms=20_000).alerts) == [
        (Transition.OPENED, "break")
    ]
    assert feed(one, signal(away, 12_000, 62_900), at_ms=62_900).alerts == []
    (told,) = feed(one, signal(away, 12_000, 63_000), at_ms=63_000).alerts
    assert (told.transition, told.suppressed_by, told.occurred_ms) == (
        *(Transition.UPDATED, None),
        12_000,
    )


LONG = {"escalate": {"after_ms": 30_000, "severity": "high"}}


def severities(alerts: list[Alert]) -> list[tuple[Transition, str | None, Severity]]:
    return [(alert.transition, alert.suppressed_by, alert.severity) for alert in alerts]


def test_a_break_makes_nothing_worse_that_is_told_after_it() -> None:
    """Three seconds late from a break of fifty: the fifty are no reason to call it high."""
    gone = {"id": "gone", "when": {"signal": "no_face"}, "severity": "low", "for_ms": 3_000} | LONG
    one, away = allow(engine(gone), breaks=(pause(10_000, 60_000),)), SignalKind.NO_FACE
    alerts = feed(one, signal(away, 12_000, 20_000), at_ms=20_000).alerts
    alerts += feed(one, signal(away, 12_000, 50_000), at_ms=50_000).alerts
    assert severities(alerts) == [
        (Transition.OPENED, "break", Severity.LOW),
        (Transition.ESCALATED, "break", Severity.HIGH),
    ]
    late = feed(one, signal(away, 12_000, 63_000), at_ms=63_000).alerts
    assert severities(late) == [(Transition.UPDATED, None, Severity.LOW)]
    assert feed(one, signal(away, 12_000, 70_000), at_ms=70_000).alerts == []
    much_too_late = feed(one, signal(away, 12_000, 90_000), at_ms=90_000).alerts
    assert severities(much_too_late) == [(Transition.UPDATED, None, Severity.HIGH)]
    back = feed(one, signal(away, 12_000, 91_000, 91_000), at_ms=91_500).alerts
    assert severities(back) == [(Transition.CLOSED, None, Severity.HIGH)]


def test_who_is_a_little_late_stays_a_little_late_to_the_end() -> None:
    gone = {"id": "gone", "when": {"signal": "no_face"}, "severity": "low", "for_ms": 3_000} | LONG
    one, away = allow(engine(gone), breaks=(pause(10_000, 60_000),)), SignalKind.NO_FACE
    for until in (20_000, 50_000, 63_000):
        feed(one, signal(away, 12_000, until), at_ms=until)
    (opened,) = one.state.incidents.values()
    note = IncidentNote(note_id="ver_1", incident=opened, verdict=Verdict.DISMISSED)
    told = one.annotate(note, facts.BEGAN).alerts
    told += feed(one, signal(away, 12_000, 64_000, 64_000), at_ms=64_500).alerts
    assert severities(told) == [
        (Transition.UPDATED, None, Severity.LOW),
        (Transition.CLOSED, None, Severity.LOW),
    ]


def test_a_covered_signal_makes_nothing_worse_that_another_one_tells() -> None:
    parts = [{"signal": "gaze_away"}, {"signal": "speech"}]
    worse = {"escalate": {"after_ms": 30_000, "severity": "medium"}}
    rule = {"id": "either", "when": {"any": parts}, "severity": "low", "for_ms": 2_000} | worse
    one = allow(engine(rule), Accommodation.MAY_LOOK_AWAY)
    alerts = feed(one, signal(GAZE, 0, 40_000), at_ms=40_000).alerts
    alerts += feed(one, signal(SPEECH, 40_000, 42_000), at_ms=42_000).alerts
    assert severities(alerts) == [
        (Transition.OPENED, LOOK, Severity.LOW),
        (Transition.ESCALATED, LOOK, Severity.MEDIUM),
        (Transition.UPDATED, None, Severity.LOW),
    ]


def test_one_that_was_told_before_a_break_ends_as_it_was_told() -> None:
    gone = {"id": "gone", "when": {"signal": "no_face"}, "severity": "low", "for_ms": 3_000} | LONG
    one, away = allow(engine(gone), breaks=(pause(10_000, 60_000),)), SignalKind.NO_FACE
    alerts = feed(one, signal(away, 1_000, 5_000), at_ms=5_000).alerts
    alerts += feed(one, signal(away, 1_000, 40_000), at_ms=40_000).alerts
    alerts += feed(one, signal(away, 1_000, 55_000, 55_000), at_ms=55_500).alerts
    assert severities(alerts) == [
        (Transition.OPENED, None, Severity.LOW),
        (Transition.ESCALATED, "break", Severity.HIGH),
        (Transition.CLOSED, None, Severity.LOW),
    ]


def test_who_comes_back_in_time_is_not_told_of() -> None:
    gone = {"id": "gone", "when": {"signal": "no_face"}, "for_ms": 3_000}
    one = allow(engine(gone), breaks=(pause(10_000, 60_000),))
    away = SignalKind.NO_FACE
    feed(one, signal(away, 12_000, 20_000), at_ms=20_000)
    assert said(feed(one, signal(away, 12_000, 61_000, 61_000), at_ms=61_500).alerts) == [
        (Transition.CLOSED, "break")
    ]


def test_identity_and_the_pictures_own_facts_know_no_break() -> None:
    rules = [
        {"id": "who", "category": "identity", "when": {"signal": "identity_unverified"}},
        {"id": "again", "category": "integrity", "when": {"signal": "video_repeated"}},
    ]
    one = allow(engine(*rules), breaks=(pause(0, None),))
    for kind in (SignalKind.IDENTITY_UNVERIFIED, SignalKind.VIDEO_REPEATED):
        assert said(feed(one, signal(kind, 0, 3_000), at_ms=3_000).alerts) == [
            (Transition.OPENED, None)
        ]


def test_the_time_outside_breaks() -> None:
    breaks = [pause(10, 20), pause(30, 30), pause(40, None)]  # the second was called off
    assert free_since_ms(0, 5, breaks) == 0
    assert free_since_ms(0, 15, breaks) is None
    assert free_since_ms(0, 35, breaks) == 20
    assert free_since_ms(25, 35, breaks) == 25
    assert free_since_ms(0, 99, breaks) is None
    assert last_free_ms(0, 99, breaks) == 39
    assert last_free_ms(12, 19, breaks) is None
    assert last_free_ms(5, 15, [pause(8, 12), pause(12, 20)]) == 7


def test_a_lost_incident_that_is_closed_takes_none_of_its_rule_s_with_it() -> None:
    """The database knows one of before the loss and the one that goes on now: the second goes on."""
    one = engine(AWAY)
    (now,) = feed(one, signal(GAZE, 9_000, 15_000), at_ms=15_000).incidents
    lost = replace(now, incident_id=IncidentId("inc_lost"), opened_ms=1_000)
    told = one.adopt((lost, now), 7, facts.BEGAN)
    assert [incident.incident_id for incident in told.incidents] == ["inc_lost"]
    (closed,) = one.close_all(20_000, facts.BEGAN).incidents
    assert closed.incident_id == now.incident_id


EVERY_MODEL = {"objects_every_s": 5.0, "speakers_every_s": 10.0}
kinds = st.sampled_from([GAZE, SPEECH, FACES, SignalKind.NO_FACE, SignalKind.DIFFERENT_PERSON])
steps = st.lists(st.tuples(kinds, st.integers(200, 9_000), st.booleans()), max_size=12)
pauses = st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 20_000)), max_size=3)
RULES = [
    AWAY,
    {"id": "talk", "when": {"signal": "speech"}, "severity": "medium"},
    {"id": "faces", "when": {"any": [{"signal": "several_faces"}, {"signal": "speech"}]}},
    {
        "id": "who",
        "category": "identity",
        "severity": "high",
        "when": {"signal": "different_person"},
    },
    {"id": "gone", "when": {"signal": "no_face"}, "for_ms": 2_000}
    | {"escalate": {"after_ms": 6_000, "severity": "high"}},
]


def played(
    script: list[tuple[SignalKind, int, bool]], allowed: Allowances, **more: object
) -> list[Alert]:
    """Signals that last or end, one after the other, in a session with these allowances."""
    one, now, began, alerts = engine(*RULES, **more), 0, dict[SignalKind, int](), list[Alert]()
    one.state.allowed = allowed
    for kind, lasts, ends in script:
        since = began.setdefault(kind, now)
        now += lasts
        ended_ms = now if ends else None
        if ends:
            del began[kind]
        alerts += feed(one, signal(kind, since, now, ended_ms), at_ms=now).alerts
    return alerts + one.close_all(now, facts.BEGAN).alerts


@given(steps, st.sets(st.sampled_from(list(Accommodation))), pauses)
def test_suppression_is_always_recorded_and_hides_no_fact(
    script: list[tuple[SignalKind, int, bool]],
    accommodations: set[Accommodation],
    planned: list[tuple[int, int]],
) -> None:
    """The same incidents at the same moments, numbers without holes: only delivery differs.

    What is told is as severe as ever, or less where what made it worse is held back.
    """
    breaks = tuple(
        replace(pause(start, start + length), break_id=str(number))
        for number, (start, length) in enumerate(planned)
    )
    free = played(script, Allowances())
    quiet = played(script, Allowances(accommodations=tuple(sorted(accommodations)), breaks=breaks))

    def facts_of(alerts: list[Alert]) -> list[tuple[str, Transition, int]]:
        return [(one.rule_id, one.transition, one.occurred_ms) for one in changes(alerts)]

    def changes(alerts: list[Alert]) -> list[Alert]:
        return [alert for alert in alerts if alert.transition is not Transition.UPDATED]

    assert facts_of(quiet) == facts_of(free)
    order = list(Severity)
    for one, as_ever in zip(changes(quiet), changes(free), strict=True):
        if one.suppressed_by is None:
            assert order.index(one.severity) <= order.index(as_ever.severity)
        else:
            assert one.severity is as_ever.severity
    assert [alert.seq for alert in quiet] == list(range(1, len(quiet) + 1))
    for alert in quiet:
        why = alert.suppressed_by
        assert why is None or why == "break" or why.startswith("accommodation:")
        assert alert.rule_id != "who" or why is None
    told: set[str] = set()
    for alert in quiet:  # whoever hears of a beginning hears of the end, and the other way round
        if alert.transition is Transition.CLOSED:
            assert (alert.suppressed_by is None) == (alert.incident_id in told)
        elif alert.suppressed_by is None:
            told.add(alert.incident_id)


@pytest.mark.parametrize("what", list(Accommodation))
def test_each_accommodation_holds_back_what_it_covers_and_nothing_else(what: Accommodation) -> None:
    names = [(kind, {"id": kind.value, "when": {"signal": kind.value}}) for kind in SignalKind]
    for kind, rule in names:
        one = engine(rule | {"reason": {"en": "x"}}, sampling=EVERY_MODEL)
        (alert,) = feed(allow(one, what), signal(kind, 0, 9_000), at_ms=9_000).alerts
        assert (alert.suppressed_by is not None) == (kind in COVERS[what]), kind


def test_the_documented_table_is_the_table() -> None:
    page = (facts.ROOT / "docs" / "priority.md").read_text()
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `")]
    told = {name.split("`")[1]: set(kinds.strip().split(", ")) for name, kinds in rows}
    assert told == {name.value: {kind.value for kind in COVERS[name]} for name in Accommodation}
