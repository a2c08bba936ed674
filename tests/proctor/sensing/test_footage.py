"""Liveness and footage: facts in, weak signals out, never by one odd reading."""

from collections.abc import Iterable
from typing import Any

import pytest

from proctor.domain.errors import InvalidInput
from proctor.domain.observations import FootageSeen, LivenessSeen, Observation
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.memory import nothing_yet, read_body, write_body
from proctor.fusion.policy import parse_policy
from proctor.sensing.limits import SensingLimits
from proctor.sensing.suite import SensingSuite, SuiteState
from tests.fakes import facts

MODEL = facts.Producer("liveness", "1", "c" * 64)


def live(at_ms: int, probability: float) -> LivenessSeen:
    return LivenessSeen(
        observed_ms=at_ms,
        probability=probability,
        producers=(MODEL,),
        frame_digest=facts.digest(at_ms),
    )


def footage(at_ms: int, **changes: Any) -> FootageSeen:
    plain: dict[str, Any] = {
        "repeated_ms": 0,
        "period_ms": 0,
        "double_share": 0.0,
        "noiseless_share": 0.0,
        "steady_ms": 0,
        "interval_ms": 200.0,
        "width_px": 320,
        "height_px": 240,
        "codec": "VP8",
    }
    return FootageSeen(observed_ms=at_ms, **plain | changes)


def suite() -> SensingSuite:
    made = SensingSuite(facts.SESSION, SensingLimits(), SuiteState())
    for state in facts.media_come():
        made.observe(state)
    return made


def play(made: SensingSuite, observations: Iterable[Observation]) -> dict[SignalKind, Signal]:
    """The newest state of each kind."""
    return {signal.kind: signal for seen in observations for signal in made.observe(seen).signals}


def test_a_face_that_is_called_not_live_again_and_again_is_told() -> None:
    made = suite()
    told = play(made, (live(at, 0.05) for at in range(0, 30_000, 5_000)))
    signal = told[SignalKind.NOT_LIVE]
    assert (signal.started_ms, signal.is_open, signal.support.observations) == (0, True, 6)
    assert signal.probability == pytest.approx(0.95, abs=0.01)
    assert signal.support.producers == (MODEL,)
    told = play(made, (live(at, 0.95) for at in range(30_000, 60_000, 5_000)))
    assert told[SignalKind.NOT_LIVE].ended_ms is not None


@pytest.mark.parametrize(
    ("story", "readings"),
    [
        ("too few", [(at, 0.01) for at in range(0, 20_000, 5_000)]),
        ("one burst", [(at, 0.01) for at in range(0, 2_000, 250)]),
        (
            "one odd picture",
            [(at, 0.001 if at == 10_000 else 0.9) for at in range(0, 50_000, 5_000)],
        ),
        ("hard to tell", [(at, 0.4) for at in range(0, 50_000, 5_000)]),
        ("long ago", [(at, 0.01) for at in range(0, 400_000, 100_000)]),
    ],
)
def test_liveness_stays_silent(story: str, readings: list[tuple[int, float]]) -> None:
    assert play(suite(), (live(*each) for each in readings)) == {}, story


def test_the_same_stretch_again_begins_where_it_began_and_ends() -> None:
    made = suite()
    seen = [footage(at) for at in range(0, 40_000, 5_000)]
    seen += [
        footage(at, repeated_ms=at - 28_000, period_ms=12_000)
        for at in range(40_000, 60_000, 5_000)
    ]
    signal = play(made, seen)[SignalKind.VIDEO_REPEATED]
    assert (signal.started_ms, signal.ended_ms) == (28_000, None)
    assert dict(signal.support.numbers)["period_s"] == 12.0
    told = play(made, [footage(at) for at in range(60_000, 75_000, 5_000)])
    assert told[SignalKind.VIDEO_REPEATED].ended_ms == 60_000


@pytest.mark.parametrize(
    ("kind", "numbers", "opens_ms"),
    [
        (SignalKind.PICTURES_DOUBLED, {"double_share": 0.3}, 10_000),
        (SignalKind.NO_CAMERA_NOISE, {"noiseless_share": 0.8}, 20_000),
        (SignalKind.STEADY_BEAT, {"steady_ms": 60_000}, 0),
    ],
)
def test_the_other_facts_have_to_last(
    kind: SignalKind, numbers: dict[str, float], opens_ms: int
) -> None:
    made = suite()
    for at in range(70_000, 100_000, 5_000):
        told = play(made, [footage(at, **numbers)])
        assert set(told) == ({kind} if at >= 70_000 + opens_ms else set())


def test_what_cannot_be_told_is_not_told() -> None:
    seen = (footage(at, noiseless_share=None) for at in range(0, 100_000, 5_000))
    assert play(suite(), seen) == {}


def test_another_shape_or_codec_is_told_once_and_a_smaller_picture_is_not() -> None:
    made = suite()
    assert play(made, [footage(0), footage(5_000, width_px=160, height_px=120)]) == {}
    told = play(made, [footage(10_000, width_px=160, height_px=120, codec="H264")])
    assert dict(told[SignalKind.SOURCE_CHANGED].support.numbers)["codec_changed"] == 1.0
    told = play(made, [footage(15_000, width_px=640, height_px=360, codec="H264")])
    assert told[SignalKind.SOURCE_CHANGED].started_ms == 15_000
    told = play(made, [footage(20_000, width_px=640, height_px=360, codec="H264")])
    assert told[SignalKind.SOURCE_CHANGED].ended_ms == 20_000
    # another connection may bring another camera: no fact about the one before
    made.reconnect(25_000)
    for state in facts.media_come(25_000):
        made.observe(state)
    assert play(made, [footage(26_000)]) == {}


def test_a_lost_view_ends_all_of_it_where_it_was_last_seen() -> None:
    made = suite()
    play(made, (live(at, 0.02) for at in range(0, 40_000, 5_000)))
    play(made, [footage(39_000, repeated_ms=15_000, period_ms=5_000)])
    lost = made.observe(facts.picture(45_000, still_ms=10_000)).signals
    ended = {signal.kind: signal.ended_ms for signal in lost}
    assert ended[SignalKind.NOT_LIVE] == 35_000
    assert ended[SignalKind.VIDEO_REPEATED] == 39_000
    assert play(made, [footage(46_000, repeated_ms=22_000, period_ms=5_000)]) == {}


def test_what_is_remembered_survives_being_written_down() -> None:
    body = nothing_yet()
    made = SensingSuite(facts.SESSION, SensingLimits(), body.suite)
    for state in facts.media_come():
        made.observe(state)
    play(made, [*(live(at, 0.02) for at in range(0, 40_000, 5_000)), footage(40_000)])
    assert read_body(write_body(body)) == body


@pytest.mark.parametrize(
    "kind",
    [
        "not_live",
        "steady_beat",
        "no_camera_noise",
        "pictures_doubled",
        "source_changed",
        "video_repeated",
        "identity_unverified",
    ],
)
def test_a_weak_fact_alone_is_never_urgent(kind: str) -> None:
    policy = facts.STANDARD_POLICY
    start = policy.index(f"  - id: {kind}")
    end = policy.index("title:", start)
    severity = next(line for line in policy[start:end].splitlines() if "severity" in line)
    urgent = (
        policy[:start] + policy[start:end].replace(severity, "    severity: high") + policy[end:]
    )
    with pytest.raises(InvalidInput, match="never reaches high"):
        parse_policy(urgent)
