"""What was judged live is judged again: the same bytes, wherever the shard was killed."""

import inspect
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.domain.alerts import Transition
from proctor.domain.allowances import Accommodation, Allowances, Break, BreakBy
from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.errors import InvalidInput
from proctor.domain.incidents import Verdict
from proctor.domain.notes import IncidentNote
from proctor.domain.observations import ClientEvent, Observation, StreamState
from proctor.domain.recordings import RESTORED
from proctor.domain.reports import TickReport
from proctor.fusion.alert_log import alert_log, alert_log_sha256
from proctor.fusion.difference import difference
from proctor.fusion.judge import SessionJudge
from proctor.fusion.memory import read_body, read_mark
from proctor.fusion.order import in_order
from proctor.fusion.replay import replay
from proctor.fusion.steps import STEPS
from proctor.fusion.tape import SEGMENT_BYTES, Tape, read_rows, write_rows
from tests.fakes import facts
from tests.fakes.engines import policy_text
from tests.fakes.tapes import Recorded

VIDEO, AUDIO = Modality.VIDEO, Modality.AUDIO


def story() -> list[Observation]:
    seen = facts.media_come() + facts.attentive_face(0, 6_000, 0.0, hz=2)
    seen += [facts.faces(at) for at in range(6_000, 12_000, 500)]
    seen += facts.attentive_face(12_000, 20_000, -20.0, hz=2)
    seen += [facts.speech(at, 180) for at in range(14_000, 19_000, 192)]
    return seen


def reports() -> list[TickReport]:
    return facts.reports(story(), 20_000)


def judged_live(one: Recorded, sent: Sequence[TickReport], end_ms: int = 20_500) -> None:
    one.play(sent)
    one.step(lambda judge: judge.end(end_ms, facts.BEGAN))
    one.write_down()


def test_the_same_rows_give_the_same_bytes() -> None:
    one = Recorded()
    judged_live(one, reports())
    once, again = replay([one.rows()]), replay([list(read_rows(write_rows(one.rows())))])
    assert {alert.rule_id for alert in one.alerts} == {"no_face", "looking_away", "speech"}
    assert alert_log(once.alerts) == alert_log(again.alerts) == alert_log(one.alerts)
    assert once.coverage == one.coverage
    assert once.is_whole and once.has_ended
    assert len(alert_log_sha256(once.alerts)) == 64


def test_the_log_leaves_out_the_wall_time_and_the_state_of_the_database() -> None:
    one = Recorded()
    judged_live(one, reports())
    later = [
        replace(a, raised_at=facts.BEGAN.replace(year=2030), unsynced=True) for a in one.alerts
    ]
    assert alert_log_sha256(later) == alert_log_sha256(one.alerts)
    assert alert_log_sha256(one.alerts[:-1]) != alert_log_sha256(one.alerts)
    assert b"raised_at" not in alert_log(one.alerts)


def test_every_step_of_the_judge_that_changes_it_is_recorded() -> None:
    """A method that is added later and forgotten here would be a hole in every recording."""
    looks = {"follows", "current", "export_mark", "export_body", "lost_evidence"}
    methods = {
        name
        for name, _ in inspect.getmembers(SessionJudge, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - looks == STEPS.keys()


def test_the_policy_stands_in_a_recording_once() -> None:
    one = Recorded()
    first = facts.reports(facts.media_come(), 2_000)
    second = facts.reports(facts.media_come(3_000), 5_000, epoch=2, from_ms=3_000)
    judged_live(one, [*first, *second], end_ms=5_000)
    text = write_rows(one.rows())
    assert text.count(b"face_attentive_hz") == 1
    assert replay([one.rows()]).spec.policy_text == facts.STANDARD_POLICY


def test_turns_of_the_timer_that_change_nothing_are_only_counted() -> None:
    one = Recorded()
    sent = facts.reports(facts.media_come(), 9_800)
    for report in sent:
        one.step(lambda judge, at=report.sent_ms: judge.tick(at, 200, facts.BEGAN))  # type: ignore[misc]
        one.step(lambda judge, at=report.sent_ms: judge.tick(at + 50, 250, facts.BEGAN))  # type: ignore[misc]
        one.play([report])
    one.write_down()
    rows = one.rows()
    assert [row.kind for row in rows] == ["begin"] + ["consume"] * len(sent)
    assert rows[-1].consumed == one.judge.mark.consumed == 3 * len(sent)
    assert {row.ticks for row in rows[1:]} == {2}
    assert (rows[-1].ticked_ms, rows[-1].silent_ms) == (9_850, 250)


def test_segments_are_cut_at_the_same_rows_whoever_cuts() -> None:
    patient, eager = Recorded(), Recorded()
    for part in range(40):
        from_ms = part * 10_000
        seen = [facts.faces(at, facts.face()) for at in range(from_ms, from_ms + 10_000, 100)]
        some = facts.reports(seen, from_ms + 9_800, from_ms=from_ms, first_seq=part * 50 + 1)
        for one in (patient, eager):
            one.play(some)
            one.write_down()
        eager.flush()
    cuts = []
    while (segment := patient.tape.cut()) is not None:
        cuts.append(segment.rows[-1].no)
        patient.tape.flushed(segment)
    assert len(cuts) >= 3
    assert eager.flushed[-1].no == cuts[-1]
    assert eager.tape.waiting_bytes < SEGMENT_BYTES
    assert [row.no for row in eager.rows()] == list(range(1, 2_002))


def test_another_policy_says_what_is_added_removed_and_moved() -> None:
    one = Recorded()
    judged_live(one, reports())
    text = facts.STANDARD_POLICY.replace(
        "for_ms: 3000\n    escalate: {after_ms: 60000",
        "for_ms: 7000\n    escalate: {after_ms: 60000",
    )
    other = replay([one.rows()], text)
    changed = difference(one.alerts, other.alerts)
    assert {alert.rule_id for alert in changed.removed} == {"no_face"}
    assert changed.added == ()
    assert all(alert.policy_version == 1 for alert in other.alerts)
    assert difference(one.alerts, replay([one.rows()]).alerts).is_none
    with pytest.raises(InvalidInput):
        replay([one.rows()], "id: x")


def test_another_policy_knows_nothing_of_the_threads_and_counts_that_a_later_take_begins_with() -> (
    None
):
    def text(*rules: tuple[str, str]) -> str:
        grouped = [{"id": id, "when": {"signal": kind}, "group": "looks"} for id, kind in rules]
        budget = {"per_hour": 1, "summary_every_ms": 10_000}
        return policy_text(
            *grouped,
            {"id": "talk", "when": {"signal": "speech"}},
            groups={"looks": {"window_ms": 60_000}},
            budget=budget,
        )

    one = Recorded(spec=facts.spec(policy=text(("nobody", "no_face"), ("away", "gaze_away"))))
    sent = reports()
    one.play(sent[:80])
    one.write_down()
    first = one.rows()
    later = one.judge.tape = Tape(one.spec, "20260101T120016000Z")
    later.begin(read_mark(one.judge.export_mark()), read_body(one.judge.export_body()))
    judged_live(one, sent[80:])
    later.saved(later.unsaved())
    segment = later.cut(to_the_end=True)
    assert segment is not None
    again = replay([first, segment.rows])
    assert alert_log(again.alerts) == alert_log(one.alerts)
    assert {alert.suppressed_by for alert in one.alerts} == {None, "grouped:nobody", "budget"}
    other = replay([first, segment.rows], text(("away", "gaze_away")))
    assert ("away", None) in {(alert.rule_id, alert.suppressed_by) for alert in other.alerts}
    assert "grouped:nobody" not in {alert.suppressed_by for alert in other.alerts}
    assert "nobody" not in {alert.rule_id for alert in other.alerts}


def test_replay_stops_after_the_alert_that_is_asked_about() -> None:
    one = Recorded()
    judged_live(one, reports())
    middle = one.alerts[1]
    assert replay([one.rows()], until=middle.alert_id).alerts[-1] == replace(
        middle, raised_at=facts.BEGAN
    )


def test_a_recording_with_a_hole_or_an_unknown_step_is_refused() -> None:
    one = Recorded()
    judged_live(one, reports())
    rows = one.rows()
    for broken in (
        [*rows[:5], *rows[6:]],
        rows[1:],
        [*rows, rows[-1]._replace(no=len(rows) + 1, kind="__init__")],
        [*rows, rows[-1]._replace(no=len(rows) + 1, text=b'{"end_ms": "x"}')],
        [],
    ):
        with pytest.raises(InvalidInput) as told:
            replay([broken])
        assert told.value.code == "recording/unreadable"


def test_alerts_that_were_given_other_numbers_have_them_in_the_replay() -> None:
    one = Recorded()
    one.play(reports())
    one.step(lambda judge: judge.renumbered(2, judge.alert_seq + 5))
    one.step(lambda judge: judge.end(20_500, facts.BEGAN))
    one.write_down()
    count = len(one.alerts)
    seqs = [alert.seq for alert in replay([one.rows()]).alerts]
    ended = sum(
        alert.transition is Transition.CLOSED and alert.occurred_ms > 20_000 for alert in one.alerts
    )
    live = count - ended
    assert seqs[: live - 2] == list(range(1, live - 1))
    assert seqs[live - 2 : live] == [live + 4, live + 5]


def test_a_report_that_breaks_its_judge_breaks_nothing_else() -> None:
    one = Recorded()
    sent = reports()
    nonsense = replace(facts.gaze(5_900, 1.0), gaze="left")  # type: ignore[arg-type]
    one.play(sent[:29])
    broken = replace(sent[29], observations=(nonsense,))
    with pytest.raises(AttributeError):
        one.judge.consume(broken, facts.BEGAN)
    one.step(lambda judge: judge.skip(broken))
    judged_live(one, sent[30:])
    again = replay([one.rows()])
    assert alert_log(again.alerts) == alert_log(one.alerts)
    assert not again.is_whole


times = st.integers(0, 30_000)
observations = st.one_of(
    st.builds(
        lambda at, n: facts.faces(at, *[facts.face(left=0.4 * i) for i in range(n)]),
        times,
        st.integers(0, 2),
    ),
    st.builds(lambda at: facts.faces(at, facts.TURNED_AWAY, small=True), times),
    st.builds(facts.gaze, times, st.sampled_from([None, 0.0, 5.0, -20.0, 40.0])),
    st.builds(facts.match, times, st.floats(0, 1)),
    st.builds(facts.body, times, st.sampled_from([None, 0.5, 0.01])),
    st.builds(facts.speech, times, st.sampled_from([0, 96, 192])),
    st.builds(facts.picture, times, st.sampled_from([0, 0, 2_500])),
    st.builds(facts.black, times),
    st.builds(
        facts.stream,
        times,
        st.sampled_from([VIDEO, AUDIO]),
        st.sampled_from([None, None, CoverageReason.NO_MEDIA]),
    ),
)


def away(from_ms: int) -> list[Observation]:
    """Long enough for alerts: nobody, then somebody who looks away."""
    nobody: list[Observation] = [facts.faces(at) for at in range(from_ms, from_ms + 6_000, 500)]
    return nobody + facts.attentive_face(from_ms + 6_000, from_ms + 11_000, -20.0, hz=2)


@dataclass(frozen=True)
class Fate:
    """What happens around a report: how often it comes, the timer, outages, the shard's death."""

    again: int
    tick: bool
    silent: bool
    store_lost: bool | None
    write: bool
    kill: bool
    flush: bool
    allow: Allowances | None
    note: bool


fates = st.builds(
    Fate,
    again=st.integers(0, 2),
    tick=st.booleans(),
    silent=st.integers(0, 9).map(lambda n: n == 0),
    store_lost=st.sampled_from([None, None, None, True, False]),
    write=st.integers(0, 3).map(lambda n: n > 0),
    kill=st.integers(0, 5).map(lambda n: n == 0),
    flush=st.integers(0, 5).map(lambda n: n == 0),
    allow=st.one_of(
        *[st.none()] * 4,
        st.builds(
            Allowances,
            accommodations=st.lists(st.sampled_from(Accommodation), max_size=2, unique=True).map(
                tuple
            ),
            breaks=st.lists(
                st.builds(
                    Break,
                    break_id=st.sampled_from(["a", "b"]),
                    start_ms=st.integers(0, 20_000),
                    end_ms=st.one_of(st.none(), st.integers(20_001, 30_000)),
                    by=st.sampled_from(BreakBy),
                ),
                max_size=1,
            ).map(tuple),
        ),
    ),
    note=st.integers(0, 9).map(lambda n: n == 0),
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(observations, max_size=60),
    st.integers(0, 15_000),
    st.lists(fates, min_size=1, max_size=61),
)
def test_replay_equals_live_whatever_happens_to_the_shard(
    seen: list[Observation], away_ms: int, happens: list[Fate]
) -> None:
    """Reports come again, out of turn; the timer turns; stores go away; the shard dies anywhere."""
    sent = facts.reports([*facts.media_come(), *away(away_ms), *seen], 30_000, tick_ms=500)
    one = Recorded()
    one.write_down()
    place = 0
    acknowledged = 0
    turns = 0
    while place < len(sent):
        fate = (
            happens[turns % len(happens)]
            if turns < 300
            else Fate(0, False, False, None, True, False, False, None, False)
        )
        turns += 1
        report = sent[place]
        if fate.tick:
            silent_ms = 3_000 if fate.silent else 200
            one.step(lambda judge, at=report.sent_ms, ms=silent_ms: judge.tick(at, ms, facts.BEGAN))  # type: ignore[misc]
        if fate.store_lost is not None:
            one.step(
                lambda judge, at=report.sent_ms, is_lost=fate.store_lost: judge.store_lost(
                    is_lost, at, facts.BEGAN
                )
            )  # type: ignore[misc]
        if fate.allow is not None:
            one.step(
                lambda judge, at=report.sent_ms, what=fate.allow: judge.allow(  # type: ignore[misc]
                    what, at, facts.BEGAN
                )
            )
        if fate.note and one.incidents:
            note = IncidentNote(
                note_id=f"note_{turns}", incident=one.incidents[0], verdict=Verdict.CONFIRMED
            )
            one.step(lambda judge, told=note: judge.annotate(told, facts.BEGAN))  # type: ignore[misc]
        for _ in range(1 + fate.again):
            one.play(sent[max(0, place - 1) : place + 1])
        place += 1
        if fate.write:
            one.write_down()
            acknowledged = place
        if fate.flush and fate.write:
            one.flush()
        if fate.kill:
            one.killed()
            now_ms = report.sent_ms + 300
            one.step(lambda judge, at=now_ms: judge.shard_lost(judge.mark.now_ms, at, facts.BEGAN))  # type: ignore[misc]
            place = acknowledged
    one.step(lambda judge: judge.end(30_250, facts.BEGAN))
    one.write_down()
    again = replay([one.rows()])
    assert alert_log(again.alerts) == alert_log(one.alerts)
    assert again.coverage == one.coverage
    assert again.priority == one.priority
    assert again.last_seq == one.judge.alert_seq
    assert [row.no for row in one.rows()] == list(range(1, one.tape.last_no + 1))
    assert sum(row.kind == RESTORED for row in one.rows()) <= turns


def shuffled(seen: Sequence[Observation], chance: random.Random) -> tuple[Observation, ...]:
    """Another order of arrival; what one source says of one thing stays in its order."""
    mixed = list(seen)
    chance.shuffle(mixed)
    story = iter([one for one in seen if isinstance(one, StreamState | ClientEvent)])
    return tuple(
        next(story) if isinstance(one, StreamState | ClientEvent) else one for one in mixed
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(observations, max_size=120), st.randoms(use_true_random=False))
def test_the_order_of_arrival_within_a_tick_does_not_matter(
    seen: list[Observation], chance: random.Random
) -> None:
    near = [replace(each, observed_ms=each.observed_ms // 250 * 250) for each in seen]  # type: ignore[type-var]
    sent = facts.reports([*facts.media_come(), *away(9_000), *near], 30_000, tick_ms=1_000)
    one, other = Recorded(), Recorded()
    judged_live(one, sent, 30_000)
    mixed = [replace(each, observations=shuffled(each.observations, chance)) for each in sent]
    judged_live(other, mixed, 30_000)
    assert alert_log(other.alerts) == alert_log(one.alerts)
    assert other.coverage == one.coverage
    assert other.judge.export_body() == one.judge.export_body()


def test_the_view_is_judged_before_what_is_seen_in_it() -> None:
    blind = facts.stream(1_000, VIDEO, CoverageReason.NO_MEDIA)
    kinds = [seen.kind for seen in in_order((facts.gaze(1_000, 0.0), facts.picture(1_000), blind))]
    assert kinds == ["stream_state", "picture_seen", "gaze_seen"]
    back = facts.stream(1_000, VIDEO)
    assert in_order((blind, back)) == [blind, back]
    assert in_order((back, blind)) == [back, blind]
