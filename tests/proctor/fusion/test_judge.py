"""A session from its first report to its end: what is told, what is not, and that it is told once."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.domain.alerts import Alert, Transition
from proctor.domain.coverage import CoverageInterval, CoverageReason, CoverageState, Modality
from proctor.domain.errors import InvalidInput
from proctor.domain.incidents import Category
from proctor.domain.observations import Observation
from proctor.domain.reports import CommandName, TickReport
from proctor.fusion.judge import SessionJudge
from proctor.fusion.judgement import Judgement
from proctor.fusion.memory import read_body, read_mark
from tests.fakes import facts

VIDEO, AUDIO = Modality.VIDEO, Modality.AUDIO


def judge() -> SessionJudge:
    return SessionJudge(facts.spec())


def play(one: SessionJudge, reports: Iterable[TickReport]) -> list[Alert]:
    return [alert for report in reports for alert in one.consume(report, facts.BEGAN).alerts]


def told(alerts: Sequence[Alert]) -> list[tuple[str, Transition, int]]:
    return [(alert.rule_id, alert.transition, alert.occurred_ms) for alert in alerts]


def video(parts: Iterable[CoverageInterval]) -> list[tuple[int, int | None, str]]:
    return [
        (part.start_ms, part.end_ms, part.reason or part.state)
        for part in parts
        if part.modality is VIDEO
    ]


def coverage(one: SessionJudge, end_ms: int) -> tuple[CoverageInterval, ...]:
    ended = one.end(end_ms, facts.BEGAN).coverage
    assert ended is not None
    return ended


def gaze_clip() -> list[Observation]:
    """Readings as the models make them of the gaze clip (ACCURACY): centre, 4 s left, centre again.

    At first once a second, four times a second from when the shard asks to look closer; the centre
    lies 5 degrees farther after the look away; eyes close now and then.
    """
    seen = facts.media_come()
    seen += facts.attentive_face(200, 5_600, -0.9)
    seen += facts.attentive_face(5_600, 10_200, -19.6)
    seen += facts.attentive_face(10_200, 15_000, 4.7)
    seen += [facts.gaze(at, None) for at in (2_050, 7_050, 8_050, 12_050)]
    seen += [facts.picture(at) for at in range(100, 15_000, 1_000)]
    return seen


def test_one_look_to_the_left_is_one_incident_with_its_reasons() -> None:
    one = judge()
    alerts = play(one, facts.reports(gaze_clip(), 15_000))
    assert told(alerts) == [
        ("looking_away", Transition.OPENED, 5_600),
        ("looking_away", Transition.CLOSED, 10_200),
    ]
    opened, closed = alerts
    assert [alert.seq for alert in alerts] == [1, 2]
    assert opened.incident_id == closed.incident_id
    assert opened.reason == (
        "The gaze was -19 degrees from where this candidate usually looks for 2.0 s."
    )
    assert opened.frame_digest == facts.digest(7_600)
    assert opened.producers == (facts.DETECTOR, facts.GAZE_MODEL)
    assert video(coverage(one, 15_000)) == [(0, 15_000, "monitored")]


def test_at_one_picture_a_second_the_same_look_is_seen() -> None:
    seen = [
        each
        for each in gaze_clip()
        if each.observed_ms % 1_000 in (0, 100, 200) or each.observed_ms > 6_300
    ]
    opened = [alert for alert in play(judge(), facts.reports(seen, 15_000)) if alert.seq == 1]
    assert told(opened) == [("looking_away", Transition.OPENED, 6_100)]


def test_the_host_is_asked_to_look_closer_while_something_is_open_to_doubt() -> None:
    one = judge()
    seen = facts.media_come() + facts.attentive_face(0, 10_000, 0.0)
    seen += [facts.gaze(10_000, -20.0)]
    asked = [
        (report.sent_ms, command.until_ms)
        for report in facts.reports(seen, 12_000)
        for command in one.consume(report, facts.BEGAN).commands
        if command.name is CommandName.LOOK_CLOSER
    ]
    assert asked == [(0, 3_000), (2_000, 5_000), (10_000, 13_000), (12_000, 15_000)]


def test_leaving_coming_back_with_company_and_covering_the_camera() -> None:
    seen = facts.media_come() + facts.attentive_face(0, 10_000, 0.0, hz=2)
    seen += [facts.faces(at) for at in range(10_000, 20_000, 500)]
    both = (facts.face(), facts.face(left=0.7, width=0.25))
    seen += [facts.faces(at, *both, small=True) for at in range(20_000, 30_000, 1_000)]
    seen += [facts.faces(at, facts.face(), small=True) for at in range(30_000, 40_000, 1_000)]
    seen += [facts.picture(at) for at in range(0, 40_000, 1_000)]
    seen += [facts.black(at) for at in range(40_000, 50_000, 500)]
    seen += [facts.faces(at) for at in range(40_000, 50_000, 1_000)]
    seen += [facts.picture(at) for at in range(50_000, 55_000, 500)]
    seen += [facts.faces(at, facts.face()) for at in range(50_500, 55_000, 500)]
    one = judge()
    alerts = play(one, facts.reports(seen, 55_000))
    assert told(alerts) == [
        ("no_face", Transition.OPENED, 10_000),
        ("no_face", Transition.CLOSED, 20_000),
        ("several_faces", Transition.OPENED, 20_000),
        ("several_faces", Transition.CLOSED, 30_000),
        ("camera_covered", Transition.OPENED, 40_000),
        ("camera_covered", Transition.CLOSED, 50_000),
    ]
    assert video(coverage(one, 55_000)) == [
        (0, 40_000, "monitored"),
        (40_000, 50_500, "covered"),
        (50_500, 55_000, "monitored"),
    ]


def test_another_person_and_speech_are_told_with_their_numbers() -> None:
    seen = facts.media_come() + facts.attentive_face(0, 12_000, 0.0, hz=1)
    seen += [facts.match(at, 0.02) for at in (1_000, 1_500, 2_000)]
    seen += [facts.speech(at, 180) for at in range(5_000, 9_000, 192)]
    alerts = play(judge(), facts.reports(seen, 12_000))
    opened = {alert.rule_id: alert for alert in alerts if alert.transition is Transition.OPENED}
    assert set(opened) == {"different_person", "speech"}
    assert opened["different_person"].occurred_ms == 1_000
    assert opened["different_person"].category is Category.IDENTITY
    assert opened["different_person"].reason.startswith("3 comparisons with the enrolled face")
    assert opened["speech"].occurred_ms == 5_000
    assert opened["speech"].frame_digest is None
    assert opened["speech"].producers == (facts.VOICE_MODEL,)


def test_a_silent_host_is_blind_since_its_last_word_and_accuses_nobody() -> None:
    one = judge()
    seen = facts.media_come() + facts.attentive_face(0, 5_000, 0.0)
    seen += facts.attentive_face(5_000, 8_000, -20.0)
    alerts = play(one, facts.reports(seen, 8_000))
    assert told(alerts) == [("looking_away", Transition.OPENED, 5_000)]
    assert one.tick(10_400, 2_400, facts.BEGAN) == Judgement()
    lost = one.tick(10_600, 2_600, facts.BEGAN)
    assert told(lost.alerts) == [("looking_away", Transition.CLOSED, 7_750)]
    assert lost.alerts[0].reason.endswith("what came after is not known.")
    assert video(lost.coverage or ()) == [(0, 8_000, "monitored"), (8_000, None, "host_lost")]
    later = one.tick(60_000, 52_000, facts.BEGAN)
    assert replace(later, priority=None) == Judgement()
    assert later.priority is not None and later.priority.withheld == "coverage"

    again = facts.reports(facts.media_come(20_000), 21_000, epoch=2, from_ms=19_000)
    assert play(one, again) == []
    assert video(coverage(one, 21_000)) == [
        (0, 8_000, "monitored"),
        (8_000, 19_000, "host_lost"),
        (19_000, 20_000, "no_media"),
        (20_000, 21_000, "monitored"),
    ]


def test_a_shard_that_was_cut_off_hears_afterwards_what_was_seen() -> None:
    one = judge()
    whole = facts.reports(facts.media_come() + facts.attentive_face(0, 10_000, 0.0), 10_000)
    play(one, whole[:20])
    one.tick(8_000, 4_200, facts.BEGAN)
    assert one.is_cut_off
    play(one, whole[20:])
    assert video(coverage(one, 10_000))[-1] == (4_000, 10_000, "monitored")


def test_an_orderly_goodbye_is_no_lost_host() -> None:
    one = judge()
    play(one, facts.reports(facts.media_come(), 4_000))
    play(one, [facts.report(22, 4_200, closing=True)])
    assert replace(one.tick(60_000, 56_000, facts.BEGAN), priority=None) == Judgement()
    assert video(coverage(one, 9_000)) == [(0, 4_200, "monitored"), (4_200, 9_000, "no_media")]


def exported(one: SessionJudge) -> tuple[bytes, bytes]:
    return one.export_mark(), one.export_body()


def restored(one: SessionJudge) -> SessionJudge:
    mark, body = exported(one)
    return SessionJudge(one.spec, read_mark(mark), read_body(body))


def test_a_restarted_shard_tells_the_time_it_was_away() -> None:
    one = judge()
    reports = facts.reports(facts.media_come() + facts.attentive_face(0, 8_000, 0.0), 8_000)
    play(one, reports[:20])
    again = restored(one)
    again.shard_lost(3_800, 6_000, facts.BEGAN)
    play(again, reports[20:])
    assert video(coverage(again, 8_000)) == [
        (0, 3_800, "monitored"),
        (3_800, 6_000, "shard_lost"),
        (6_000, 8_000, "monitored"),
    ]


def test_a_session_whose_memory_is_gone_was_blind_and_goes_on_from_its_facts() -> None:
    one = judge()
    first = facts.report(41, 8_000, [facts.picture(7_900)], with_spec=True)
    one.begin_unknown(first, facts.BEGAN)
    assert one.follows(first)
    play(one, [first, facts.report(42, 8_200, [facts.speech(8_100)])])
    parts = coverage(one, 9_000)
    assert video(parts) == [(0, 8_000, "host_lost"), (8_000, 9_000, "monitored")]
    assert parts[-1] == CoverageInterval(
        modality=AUDIO,
        state=CoverageState.MONITORED,
        reason=None,
        start_ms=8_100,
        end_ms=9_000,
    )


def test_of_an_unknown_session_everything_is_blind() -> None:
    ended = judge().end(5_000, facts.BEGAN)
    assert [(part.start_ms, part.end_ms, part.reason) for part in ended.coverage or ()] == [
        (0, 5_000, CoverageReason.HOST_LOST)
    ] * 2


def test_reports_lost_for_good_are_told() -> None:
    one = judge()
    play(one, facts.reports(facts.media_come(), 2_000))
    later = facts.report(30, 6_000, [facts.picture(5_900)], with_spec=True)
    assert one.follows(later)
    assert not one.follows(replace(later, spec=None))
    play(one, [later])
    assert (2_000, 6_000, "shard_lost") in video(coverage(one, 7_000))


def test_the_end_closes_what_is_open_and_comes_once() -> None:
    one = judge()
    seen = facts.media_come() + facts.attentive_face(0, 4_000, 0.0)
    play(one, facts.reports([*seen, *facts.attentive_face(4_000, 8_000, 30.0)], 8_000))
    ended = one.end(8_100, facts.BEGAN)
    assert told(ended.alerts) == [("looking_away", Transition.CLOSED, 8_100)]
    assert [part.end_ms for part in ended.coverage or ()] == [8_100, 8_100]
    assert one.end(9_000, facts.BEGAN) == Judgement()


def test_a_policy_that_cannot_be_read_judges_nobody() -> None:
    with pytest.raises(InvalidInput):
        SessionJudge(facts.spec(policy="id: x"))


def test_everything_that_is_consumed_is_counted() -> None:
    one = judge()
    play(one, facts.reports(facts.media_come(), 1_000))
    one.tick(1_500, 500, facts.BEGAN)
    one.tick(5_000, 4_000, facts.BEGAN)
    one.end(5_000, facts.BEGAN)
    assert one.mark.consumed == 6 + 2 + 1


times = st.integers(0, 30_000)
observations = st.one_of(
    st.builds(
        lambda at, n: facts.faces(at, *[facts.face(left=0.4 * i) for i in range(n)]),
        times,
        st.integers(0, 2),
    ),
    st.builds(lambda at: facts.faces(at, facts.TURNED_AWAY, small=True), times),
    st.builds(
        facts.gaze,
        times,
        st.sampled_from([None, 0.0, 5.0, -20.0, 40.0]),
        st.sampled_from([0.0, 50.0]),
    ),
    st.builds(facts.match, times, st.floats(0, 1)),
    st.builds(facts.body, times, st.sampled_from([None, 0.5, 0.01])),
    st.builds(facts.speech, times, st.sampled_from([0, 96, 192])),
    st.builds(facts.picture, times, st.sampled_from([0, 0, 2_500])),
    st.builds(facts.black, times),
    st.builds(facts.dusk, times),
    st.builds(
        facts.stream,
        times,
        st.sampled_from([VIDEO, AUDIO]),
        st.sampled_from([None, None, CoverageReason.NO_MEDIA]),
    ),
)


def stepped(one: SessionJudge, report: TickReport) -> list[Judgement]:
    """A report and, every now and then, the timer."""
    ticked = Judgement()
    if report.seq % 7 == 0:
        ticked = one.tick(report.sent_ms, 3_000 if report.seq % 21 == 0 else 200, facts.BEGAN)
    return [ticked, one.consume(report, facts.BEGAN)]


def all_alerts(one: SessionJudge, reports: Iterable[TickReport]) -> list[Alert]:
    return [
        alert for report in reports for judged in stepped(one, report) for alert in judged.alerts
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(observations, max_size=80), st.integers(1, 60))
def test_a_restored_judge_judges_on_as_the_first_would_have(
    seen: list[Observation], cut: int
) -> None:
    reports = facts.reports([*facts.media_come(), *seen], 30_000, tick_ms=500)
    one = judge()
    for report in reports[:cut]:
        stepped(one, report)
    other = restored(one)
    assert exported(other) == exported(one)
    for report in reports[cut:]:
        assert stepped(other, report) == stepped(one, report)
    assert exported(other) == exported(one)


@settings(max_examples=60, deadline=None)
@given(st.lists(observations, max_size=120))
def test_alerts_have_no_holes_incidents_are_whole_and_coverage_adds_up(
    seen: list[Observation],
) -> None:
    one = judge()
    alerts = all_alerts(one, facts.reports([*facts.media_come(), *seen], 30_000, tick_ms=500))
    ended = one.end(30_250, facts.BEGAN)
    alerts += ended.alerts
    assert [alert.seq for alert in alerts] == list(range(1, len(alerts) + 1))
    assert len({alert.alert_id for alert in alerts}) == len(alerts)
    stories: dict[str, list[Transition]] = {}
    for alert in alerts:
        stories.setdefault(alert.incident_id, []).append(alert.transition)
    for story in stories.values():
        assert story[0] is Transition.OPENED
        assert story[-1] is Transition.CLOSED
        assert Transition.OPENED not in story[1:]
        assert Transition.CLOSED not in story[:-1]
    for modality in Modality:
        parts = [part for part in ended.coverage or () if part.modality is modality]
        assert sum((part.end_ms or 0) - part.start_ms for part in parts) == 30_250


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 30_000), max_size=12, unique=True),
    st.sampled_from([CoverageReason.NO_MEDIA, CoverageReason.AUDIO_MISSING]),
)
def test_no_rule_fires_from_missing_data(cuts: list[int], reason: CoverageReason) -> None:
    """A face that is there whenever it can be seen; media and models that come and go as they like."""
    blind = False
    seen: list[Observation] = facts.media_come()
    for at in range(0, 30_000, 500):
        if any(at - 500 < cut <= at for cut in cuts):
            blind = not blind
            for modality in Modality:
                seen.append(facts.stream(at, modality, reason if blind else None, max(0, at - 400)))
        seen += [facts.faces(at)] if blind else [facts.faces(at, facts.face()), facts.gaze(at, 1.0)]
        seen += [facts.body(at, None)] if blind else []
    one = judge()
    alerts = all_alerts(one, facts.reports(seen, 30_000, tick_ms=500))
    alerts += one.tick(90_000, 60_000, facts.BEGAN).alerts
    alerts += one.end(90_000, facts.BEGAN).alerts
    assert alerts == []
