"""Facts in, signals out: one story per behaviour."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.observations import Observation, PictureSeen, SeenFace
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.limits import SensingLimits
from proctor.sensing.suite import SensingSuite, SuiteState
from tests.fakes import facts

Spans = list[tuple[SignalKind, int, int | None]]


def suite() -> SensingSuite:
    made = SensingSuite(facts.SESSION, SensingLimits(), SuiteState())
    for state in facts.media_come():
        made.observe(state)
    return made


def play(made: SensingSuite, observations: Iterable[Observation]) -> list[Signal]:
    """Everything that changed, in order of time."""
    ordered = sorted(observations, key=lambda seen: seen.observed_ms)
    return [signal for seen in ordered for signal in made.observe(seen).signals]


def spans(signals: Iterable[Signal]) -> Spans:
    """The newest state of each signal."""
    newest = {signal.signal_id: signal for signal in signals}
    return [(each.kind, each.started_ms, each.ended_ms) for each in newest.values()]


def every(step_ms: int, from_ms: int, until_ms: int) -> range:
    return range(from_ms, until_ms, step_ms)


def test_nobody_in_the_picture_is_no_face_until_somebody_comes() -> None:
    seen = [facts.faces(at, facts.face()) for at in every(1_000, 0, 5_000)]
    seen += [facts.faces(at) for at in every(1_000, 5_000, 12_000)]
    seen += [facts.faces(at, facts.face()) for at in every(1_000, 12_000, 15_000)]
    assert spans(play(suite(), seen)) == [(SignalKind.NO_FACE, 5_000, 12_000)]


def test_a_box_without_a_mesh_is_turned_away_and_not_absent() -> None:
    seen = [facts.faces(at, facts.TURNED_AWAY) for at in every(500, 0, 8_000)]
    seen += [facts.faces(at, facts.face()) for at in every(500, 8_000, 10_000)]
    seen += [facts.gaze(at, 0.0) for at in every(500, 8_000, 14_000)]
    kinds = {kind for kind, _, _ in spans(play(suite(), seen))}
    assert kinds == {SignalKind.HEAD_TURNED}


def test_a_person_behind_is_found_by_the_searches_alone_and_stays_between_them() -> None:
    behind = (facts.face(), facts.SOMEBODY_BEHIND)
    seen: list[Observation] = []
    for at in every(500, 0, 20_000):
        searched = at % 2_000 == 0
        there = 4_000 <= at < 12_000 and searched
        seen.append(facts.faces(at, *(behind if there else behind[:1]), small=searched))
    (span,) = spans(play(suite(), seen))
    assert span == (SignalKind.SEVERAL_FACES, 4_000, 12_000)


def test_one_false_second_face_is_nobody() -> None:
    seen = [facts.faces(at, facts.face(), small=True) for at in every(1_000, 0, 9_000)]
    seen[4] = facts.faces(4_000, facts.face(), facts.SOMEBODY_BEHIND, small=True)
    assert play(suite(), seen) == []


@pytest.mark.parametrize("second", [facts.face(left=0.36), facts.face(left=0.4, width=0.13)])
def test_two_boxes_on_one_face_are_one_person(second: SeenFace) -> None:
    """Shifted a little, or a nose and a mouth inside a near face, as tiles find them."""
    seen = [facts.faces(at, facts.face(), second, small=True) for at in every(500, 0, 9_000)]
    assert play(suite(), seen) == []


def test_looking_away_counts_from_where_this_candidate_looks() -> None:
    seen = [facts.gaze(at, 6.0) for at in every(250, 0, 4_000)]
    seen += [facts.gaze(at, 6.0 - 12.0) for at in every(250, 4_000, 8_000)]
    assert play(suite(), seen) == []
    seen += [facts.gaze(at, 6.0 - 12.5) for at in every(250, 8_000, 12_000)]
    seen += [facts.gaze(at, 6.0) for at in every(250, 12_000, 14_000)]
    assert spans(play(suite(), seen)) == [(SignalKind.GAZE_AWAY, 8_000, 12_000)]


def test_a_blink_neither_opens_nor_resets() -> None:
    seen = [facts.gaze(at, 0.0) for at in every(250, 0, 4_000)]
    seen += [facts.gaze(at, None if at % 1_000 == 0 else -20.0) for at in every(250, 4_000, 7_000)]
    signals = play(suite(), seen)
    assert spans(signals) == [(SignalKind.GAZE_AWAY, 4_250, None)]
    assert dict(signals[-1].support.numbers)["yaw_from_base_deg"] == -20.0


def test_glances_are_normal() -> None:
    seen = [
        facts.gaze(at, -25.0 if at % 3_000 < 1_750 and at > 4_000 else 0.0)
        for at in every(250, 0, 30_000)
    ]
    assert play(suite(), seen) == []


def test_who_begins_by_looking_away_gets_no_baseline_there() -> None:
    seen = [facts.gaze(at, -25.0) for at in every(250, 0, 5_000)]
    seen += [facts.gaze(at, 2.0) for at in every(250, 5_000, 9_000)]
    seen += [facts.gaze(at, -25.0) for at in every(250, 9_000, 12_000)]
    assert spans(play(suite(), seen)) == [(SignalKind.GAZE_AWAY, 9_000, None)]


def test_without_a_plausible_baseline_the_camera_is_straight_ahead() -> None:
    seen = [facts.gaze(at, -30.0) for at in every(250, 0, 16_000)]
    assert spans(play(suite(), seen)) == [(SignalKind.GAZE_AWAY, 12_000, None)]


def test_a_turned_head_is_a_signal_of_its_own() -> None:
    seen = [facts.gaze(at, None, head_deg=5.0) for at in every(250, 0, 4_000)]
    seen += [facts.gaze(at, None, head_deg=45.0) for at in every(250, 4_000, 8_000)]
    seen += [facts.gaze(at, None, head_deg=5.0) for at in every(250, 8_000, 10_000)]
    assert spans(play(suite(), seen)) == [(SignalKind.HEAD_TURNED, 4_000, 8_000)]


def test_a_body_at_the_edge_leans_out() -> None:
    seen = [facts.body(at, 0.5) for at in every(5_000, 0, 10_000)]
    seen += [facts.body(at, 0.02) for at in every(5_000, 10_000, 25_000)]
    seen += [facts.body(25_000, 0.5)]
    assert spans(play(suite(), seen)) == [(SignalKind.BODY_MISSING, 10_000, 25_000)]


def test_a_body_that_is_not_found_is_missing_only_without_a_face() -> None:
    near = [facts.faces(at, facts.face()) for at in every(1_000, 0, 40_000)]
    lost = [facts.body(at, None) for at in every(5_000, 0, 40_000)]
    assert play(suite(), [*near, *lost]) == []
    assert spans(play(suite(), lost)) == [(SignalKind.BODY_MISSING, 0, None)]


def test_speech_is_enough_voice_within_a_window() -> None:
    cough = [facts.speech(at, 192 if at == 960 else 0) for at in every(192, 0, 5_000)]
    assert play(suite(), cough) == []
    talk = [facts.speech(at, 160 if 960 <= at < 6_000 else 0) for at in every(192, 0, 12_000)]
    signals = play(suite(), talk)
    ((kind, started_ms, ended_ms),) = spans(signals)
    assert (kind, started_ms) == (SignalKind.SPEECH, 960)
    assert ended_ms is not None
    assert 5_800 <= ended_ms <= 6_200
    assert dict(signals[-1].support.numbers)["voiced_s"] >= 4.0
    assert signals[0].support.frame_digest is None


def test_another_person_is_told_after_three_comparisons() -> None:
    one = suite()
    assert play(one, [facts.match(1_000, 0.02), facts.match(1_500, 0.05)]) == []
    (told,) = play(one, [facts.match(2_000, 0.04)])
    assert (told.kind, told.started_ms) == (SignalKind.DIFFERENT_PERSON, 1_000)
    assert told.probability > 0.9
    assert told.support.producers == (facts.DETECTOR, facts.EMBEDDER)
    back = play(one, [facts.match(at, 0.99) for at in (17_000, 17_500, 18_000)])
    assert spans(back) == [(SignalKind.DIFFERENT_PERSON, 1_000, 18_000)]


def test_one_bad_comparison_among_good_ones_says_nothing() -> None:
    probabilities = [0.98, 0.97, 0.001, 0.99, 0.95]
    seen = [facts.match(1_000 * n, p) for n, p in enumerate(probabilities)]
    assert play(suite(), seen) == []


def test_a_replacement_without_a_gap_is_told_with_the_next_three_comparisons() -> None:
    before = [facts.match(at, 0.99) for at in (1_000, 1_500, 2_000)]
    after = [facts.match(at, 0.01) for at in (16_000, 16_500, 17_000)]
    assert spans(play(suite(), [*before, *after])) == [(SignalKind.DIFFERENT_PERSON, 16_000, None)]


def test_after_a_gap_somebody_must_be_verified_again() -> None:
    one = suite()
    play(one, [facts.match(at, 0.99) for at in (1_000, 1_500, 2_000)])
    play(
        one,
        [
            facts.stream(10_000, Modality.VIDEO, CoverageReason.NO_MEDIA, 7_000),
            facts.stream(20_000, Modality.VIDEO),
        ],
    )
    there = [facts.faces(at, facts.face()) for at in every(1_000, 20_000, 55_000)]
    signals = play(one, there)
    assert spans(signals) == [(SignalKind.IDENTITY_UNVERIFIED, 20_000, None)]
    verified = play(one, [facts.match(at, 0.95) for at in (55_000, 55_500, 56_000)])
    assert spans(verified) == [(SignalKind.IDENTITY_UNVERIFIED, 20_000, 56_000)]


def test_nobody_is_unverified_where_nobody_was_ever_compared() -> None:
    there = [facts.faces(at, facts.face()) for at in every(1_000, 0, 120_000)]
    assert play(suite(), there) == []


def test_models_that_do_not_answer_are_no_missing_verification() -> None:
    one = suite()
    play(one, [facts.match(1_000, 0.5)])
    seen: list[Observation] = []
    for n in range(20):
        at = 2_000 + 10_000 * n
        seen += [facts.faces(at, facts.face())]
    assert play(one, seen) == []


def test_a_covered_camera_is_told_and_never_an_absent_candidate() -> None:
    seen: list[Observation] = [facts.picture(at) for at in every(1_000, 0, 5_000)]
    seen += [facts.black(at) for at in every(500, 5_000, 20_000)]
    seen += [facts.faces(at) for at in every(250, 5_100, 20_500)]
    seen += [facts.picture(at) for at in every(500, 20_000, 23_000)]
    seen += [facts.faces(at, facts.face()) for at in every(1_000, 20_600, 23_000)]
    assert spans(play(suite(), seen)) == [(SignalKind.CAMERA_COVERED, 5_000, 20_000)]


def test_in_the_dark_nobody_is_missed() -> None:
    seen: list[Observation] = [facts.dusk(at) for at in every(500, 0, 10_000)]
    seen += [facts.faces(at) for at in every(250, 100, 10_000)]
    one = suite()
    claims = [
        claim
        for each in sorted(seen, key=lambda fact: fact.observed_ms)
        for claim in one.observe(each).claims
    ]
    assert [(claim.reason, claim.since_ms) for claim in claims] == [(CoverageReason.TOO_DARK, 0)]
    assert one.sees


def test_a_sender_that_repeats_itself_is_frozen_from_its_first_repeat() -> None:
    seen = [facts.picture(at, max(0, at - 3_000)) for at in every(500, 0, 8_000)]
    seen += [facts.picture(8_000)]
    assert spans(play(suite(), seen)) == [(SignalKind.VIDEO_FROZEN, 3_000, 8_000)]


def test_an_outage_is_no_accusation() -> None:
    one = suite()
    play(one, [facts.faces(at) for at in every(500, 0, 1_500)])
    play(one, [facts.stream(2_000, Modality.VIDEO, CoverageReason.NO_MEDIA, 1_200)])
    assert play(one, [facts.faces(at) for at in every(500, 2_000, 20_000)]) == []
    assert not one.sees
    assert one.hears


def test_a_new_connection_takes_a_new_baseline() -> None:
    one = suite()
    play(one, [facts.gaze(at, 0.0) for at in every(250, 0, 4_000)])
    one.reconnect(5_000)
    for state in facts.media_come(6_000):
        one.observe(state)
    beside = [facts.gaze(at, 11.5) for at in every(250, 6_000, 11_000)]
    beside += [facts.gaze(at, 23.0) for at in every(250, 11_000, 16_000)]
    assert play(one, beside) == []


def measured(brightness: float, contrast: float, detail: float) -> PictureSeen:
    return replace(facts.picture(0), brightness=brightness, contrast=contrast, detail=detail)


@pytest.mark.parametrize(
    ("shown", "is_covered"),
    [
        (measured(0.0, 0.0, 0.0), True),  # black
        (measured(0.049, 0.007, 0.0007), True),  # black with strong noise
        (measured(0.304, 0.014, 0.00008), True),  # a finger
        (measured(0.881, 0.012, 0.00005), True),  # white paper
        (measured(0.353, 0.006, 0.00026), True),  # tape
        (measured(0.718, 0.052, 0.00024), True),  # paper, lit from behind
        (measured(0.586, 0.068, 0.00011), False),  # a plain wall with a lamp
        (measured(0.154, 0.044, 0.0007), False),  # a room at a fifth of its light
        (measured(0.154, 0.121, 0.0049), False),  # the darkest and the flattest of 338 photographs
        (measured(0.778, 0.177, 0.00015), False),  # a scene far out of focus
    ],
)
def test_what_counts_as_covered(shown: PictureSeen, is_covered: bool) -> None:
    """Figures as measured on real pictures and on covers drawn with noise and JPEG."""
    seen = [replace(shown, observed_ms=at) for at in every(500, 0, 2_000)]
    kinds = [kind for kind, _, _ in spans(play(suite(), seen))]
    assert kinds == ([SignalKind.CAMERA_COVERED] if is_covered else [])
