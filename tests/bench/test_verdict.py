"""Expected against received: what counts as answered, late, unexpected or allowed; and the sums."""

from datetime import UTC, datetime

import numpy as np
import pytest

from bench.candidate.listener import Heard
from bench.candidate.pictures import Covered
from bench.candidate.scenes import Expected, Scene, Script
from bench.candidate.sounds import QuietRoom
from bench.candidate.wire import AlertView, CoveragePart, SessionView
from bench.verdict import judge, percentiles, scene_of, unaccounted_ms

STARTED_AT = 1_000_000.0
BEGAN_AT = STARTED_AT + 0.4  # the offer was accepted, then media began to flow


def scene(name: str, start_s: float, *rules: str, may: frozenset[str] = frozenset()) -> Scene:
    expects = tuple(Expected(rule_id=rule, within_s=7.0, dwell_s=3.0) for rule in rules)
    return Scene(
        name=name, start_s=start_s, picture=Covered(), sound=QuietRoom(), expects=expects, may=may
    )


SCRIPT = Script(
    [
        scene("calm", 0),
        scene("leaves", 10, "no_face"),
        scene("calm again", 20),
        scene("another", 30, "different_person", may=frozenset({"looking_away"})),
    ],
    45,
)


def heard(rule: str, happened_s: float, at_s: float, transition: str = "opened") -> Heard:
    """An alert that dates the behaviour to second `happened_s` of the script, arriving at `at_s`."""
    alert = AlertView(
        alert_id=f"alr_{rule}_{happened_s}_{transition}",
        seq=1,
        session_id="ses_1",
        incident_id=f"inc_{rule}_{happened_s}",
        transition=transition,
        rule_id=rule,
        category="conduct",
        severity="medium",
        title=rule,
        reason="because",
        occurred_ms=round((happened_s + 0.4) * 1000),
        raised_at=datetime.fromtimestamp(BEGAN_AT + at_s, UTC),
    )
    return Heard(1, alert, BEGAN_AT + at_s)


def test_what_was_expected_and_came_in_time_holds_with_its_delay() -> None:
    news = [
        heard("no_face", 10.2, 13.6),
        heard("no_face", 20.3, 21.0, "closed"),
        heard("different_person", 30.1, 34.0),
    ]
    verdict = judge(SCRIPT, BEGAN_AT, STARTED_AT, news)
    assert verdict.holds
    assert [row.delay_s for row in verdict.rows] == pytest.approx([3.6, 4.0])
    assert [row.beyond_dwell_s for row in verdict.rows] == pytest.approx([0.6, 1.0])


def test_an_alert_that_does_not_come_is_missing() -> None:
    verdict = judge(SCRIPT, BEGAN_AT, STARTED_AT, [heard("no_face", 10.2, 13.6)])
    assert not verdict.holds
    assert [row.expected.rule_id for row in verdict.missing] == ["different_person"]
    assert verdict.rows[1].delay_s is None and verdict.rows[1].beyond_dwell_s is None


def test_an_alert_that_comes_too_late_is_missing_and_unexpected() -> None:
    news = [heard("no_face", 10.2, 17.5), heard("different_person", 30.1, 34.0)]
    verdict = judge(SCRIPT, BEGAN_AT, STARTED_AT, news)
    assert [row.expected.rule_id for row in verdict.missing] == ["no_face"]
    assert [item.alert.rule_id for item in verdict.unexpected] == ["no_face"]


def test_an_alert_of_another_scene_answers_nothing() -> None:
    news = [heard("no_face", 22.0, 25.0), heard("different_person", 30.1, 34.0)]
    verdict = judge(SCRIPT, BEGAN_AT, STARTED_AT, news)
    assert len(verdict.missing) == 1 and len(verdict.unexpected) == 1


def test_a_second_alert_of_the_same_rule_is_unexpected() -> None:
    news = [
        heard("no_face", 10.2, 13.6),
        heard("no_face", 15.0, 18.2),
        heard("different_person", 30.1, 34.0),
    ]
    verdict = judge(SCRIPT, BEGAN_AT, STARTED_AT, news)
    assert not verdict.missing
    assert [item.alert.occurred_ms for item in verdict.unexpected] == [15_400]


def test_what_a_scene_allows_is_neither_missing_nor_unexpected() -> None:
    base = [heard("no_face", 10.2, 13.6), heard("different_person", 30.1, 34.0)]
    allowed = judge(SCRIPT, BEGAN_AT, STARTED_AT, [*base, heard("looking_away", 31.0, 33.5)])
    assert allowed.holds and len(allowed.tolerated) == 1
    elsewhere = judge(SCRIPT, BEGAN_AT, STARTED_AT, [*base, heard("looking_away", 5.0, 7.5)])
    assert not elsewhere.holds


def test_a_behaviour_may_be_dated_a_little_before_its_scene() -> None:
    news = [heard("no_face", 9.2, 13.0), heard("different_person", 30.1, 34.0)]
    assert judge(SCRIPT, BEGAN_AT, STARTED_AT, news).holds


def test_an_alert_belongs_to_the_scene_in_which_its_behaviour_began() -> None:
    news = heard("speech", 12.0, 25.0)
    assert scene_of(news, SCRIPT, BEGAN_AT, STARTED_AT).name == "leaves"


def session(*parts: tuple[str, str, int, int]) -> SessionView:
    return SessionView(
        session_id="ses_1",
        state="ended",
        epoch=1,
        started_at=datetime.fromtimestamp(STARTED_AT, UTC),
        ended_at=datetime.fromtimestamp(STARTED_AT + 10, UTC),
        coverage=tuple(
            CoveragePart(
                modality=modality,
                state=state,
                reason=None if state == "monitored" else "no_media",
                start_ms=start,
                end_ms=end,
            )
            for modality, state, start, end in parts
        ),
    )


@pytest.mark.parametrize(
    ("video", "off_ms"),
    [
        ([(0, 10_000)], 0),
        ([(0, 4_000), (4_000, 10_000)], 0),
        ([(0, 4_000), (4_300, 10_000)], 300),  # a hole
        ([(0, 4_000), (3_900, 10_000)], 100),  # an overlap
        ([(50, 10_000)], 50),
        ([(0, 9_980)], 20),
        ([(0, 4_000), (3_800, 9_800)], 400),  # an overlap does not make up for a short end
        ([], 10_000),
    ],
)
def test_coverage_is_accounted_for_to_the_millisecond(
    video: list[tuple[int, int]], off_ms: int
) -> None:
    parts = [("video", "blind", start, end) for start, end in video]
    assert unaccounted_ms(session(*parts, ("audio", "monitored", 0, 10_000))) == off_ms


def test_a_session_that_goes_on_has_no_sum() -> None:
    going_on = session().model_copy(update={"ended_at": None})
    with pytest.raises(ValueError, match="has ended"):
        unaccounted_ms(going_on)


def test_percentiles_are_numpys() -> None:
    values = list(np.random.default_rng(1).exponential(2.0, 200))
    found = percentiles(values)
    assert found["p50"] == pytest.approx(np.median(values))
    assert found["p50"] < found["p95"] < found["p99"] < found["max"] == max(values)
    assert percentiles([3.0])["p99"] == 3.0
    assert percentiles([]) == {}
