from dataclasses import replace

import pytest

from proctor.fusion.rates import Sampling
from proctor.services.host.sampling import Around, Need, Shed, Slots, after, face_hz, owed

CALM = Need()
ATTENTIVE = Need(attentive=True)
BURST = Need(burst=True)
STILL = Need(around=Around.STILL, body_still=True)
CHANGED = Need(around=Around.CHANGED)
CROWDED = Need(around=Around.CROWDED)
TICK_MS = 200


def looks(
    lasting_ms: int, need: Need = CALM, shed: Shed = Shed.NOTHING, tick_ms: int = TICK_MS
) -> dict[str, list[int]]:
    """When each kind of look is owed over a while, everything owed being asked at once."""
    sampling, slots = Sampling(), Slots()
    times: dict[str, list[int]] = {"face": [], "small_faces": [], "body": []}
    for now_ms in range(0, lasting_ms, tick_ms):
        due = owed(sampling, slots, need, shed, now_ms)
        slots = after(sampling, slots, need, shed, due, now_ms)
        for kind, at in times.items():
            if getattr(due, kind):
                at.append(now_ms)
    return times


@pytest.mark.parametrize(
    ("need", "shed", "face", "small_faces", "body"),
    [
        (CALM, Shed.NOTHING, 20, 5, 4),
        (ATTENTIVE, Shed.NOTHING, 80, 10, 4),
        (BURST, Shed.NOTHING, 40, 5, 4),
        (ATTENTIVE, Shed.BODY, 80, 10, 0),
        (ATTENTIVE, Shed.SMALL_FACES, 80, 0, 0),
        (ATTENTIVE, Shed.ATTENTION, 20, 0, 0),
        (BURST, Shed.ATTENTION, 20, 0, 0),
        (ATTENTIVE, Shed.HALF_OF_FACES, 10, 0, 0),
        (STILL, Shed.NOTHING, 20, 2, 2),
        (replace(STILL, attentive=True), Shed.NOTHING, 80, 5, 2),
        (CHANGED, Shed.NOTHING, 40, 20, 4),
        (CHANGED, Shed.SMALL_FACES, 20, 0, 0),
        (CROWDED, Shed.NOTHING, 20, 5, 4),
        (replace(CROWDED, attentive=True), Shed.NOTHING, 80, 20, 4),
    ],
)
def test_how_often_each_kind_of_look_is_owed_in_twenty_seconds(
    need: Need, shed: Shed, face: int, small_faces: int, body: int
) -> None:
    times = looks(20_000, need, shed)
    assert {kind: len(at) for kind, at in times.items()} == {
        "face": face,
        "small_faces": small_faces,
        "body": body,
    }


def test_coarse_ticks_do_not_slow_the_rate_down() -> None:
    assert looks(2_000, ATTENTIVE)["face"] == [0, 400, 600, 800, 1000, 1400, 1600, 1800]
    assert len(looks(21_000, CALM, tick_ms=700)["face"]) == 21_000 // 1_000


def test_a_room_that_changes_is_searched_at_once() -> None:
    searched = Slots(face_ms=10_000, small_faces_ms=9_000, body_ms=9_000)
    assert not owed(Sampling(), searched, STILL, Shed.NOTHING, 10_500).face
    due = owed(Sampling(), searched, CHANGED, Shed.NOTHING, 10_500)
    assert (due.face, due.small_faces) == (True, True)


def test_everything_is_owed_at_the_start() -> None:
    due = owed(Sampling(), Slots(), CALM, Shed.NOTHING, 0)
    assert (due.face, due.small_faces, due.body) == (True, True, True)


def test_nothing_is_made_up_for_after_a_pause() -> None:
    slots = Slots(face_ms=1_000)
    due = owed(Sampling(), slots, CALM, Shed.NOTHING, 9_300)
    slots = after(Sampling(), slots, CALM, Shed.NOTHING, due, 9_300)
    assert slots.face_ms == 9_300
    assert not owed(Sampling(), slots, CALM, Shed.NOTHING, 10_200).face


def test_a_closer_look_begins_at_once() -> None:
    slots = Slots(face_ms=1_000, small_faces_ms=1_000, body_ms=1_000)
    assert not owed(Sampling(), slots, CALM, Shed.NOTHING, 1_300).face
    assert owed(Sampling(), slots, ATTENTIVE, Shed.NOTHING, 1_300).face


def test_a_policy_that_looks_faster_than_a_burst_is_not_slowed_by_one() -> None:
    quick = Sampling(face_hz=3.0, face_attentive_hz=5.0)
    assert face_hz(quick, BURST, Shed.NOTHING) == 3.0
    assert face_hz(quick, Need(attentive=True, burst=True), Shed.NOTHING) == 5.0
