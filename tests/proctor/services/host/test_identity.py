import asyncio

import numpy as np
import pytest

from proctor.domain.candidates import FaceTemplate, ModelRef
from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.geometry import Box
from proctor.domain.observations import Producer
from proctor.services.host.identity import FaceTrack, IdentityCheck, IdentitySchedule
from tests.fakes.faces import FakeFaceIndex
from tests.fakes.perception import EMBEDDER, EMBEDDING, embedding_of, template_of
from tests.proctor.services.host.room import CALIBRATION, Room


def compared_at(schedule: IdentitySchedule, until_ms: int, face_from_ms: int = 0) -> list[int]:
    """When a face is compared that is looked at every 500 ms."""
    times = []
    for now_ms in range(0, until_ms, 500):
        if schedule.wants(now_ms) and now_ms >= face_from_ms:
            schedule.compared()
            times.append(now_ms)
    return times


def test_three_pictures_at_the_start_and_every_fifteen_seconds() -> None:
    assert compared_at(IdentitySchedule(15_000), 40_000) == [
        *(0, 500, 1_000),
        *(15_000, 15_500, 16_000),
        *(30_000, 30_500, 31_000),
    ]


def test_a_burst_waits_for_a_face() -> None:
    assert compared_at(IdentitySchedule(15_000), 12_000, face_from_ms=8_000) == [
        8_000,
        8_500,
        9_000,
    ]


def test_a_break_begins_a_burst_at_once_but_not_without_end() -> None:
    schedule = IdentitySchedule(15_000)
    times = []
    for now_ms in range(0, 12_000, 500):
        if now_ms >= 5_000:
            schedule.restart(now_ms)
        if schedule.wants(now_ms):
            schedule.compared()
            times.append(now_ms)
    assert times == [
        *(0, 500, 1_000),
        *(5_000, 5_500, 6_000),
        *(8_000, 8_500, 9_000),
        *(11_000, 11_500),
    ]


def test_pictures_are_hurried_only_while_a_burst_is_young() -> None:
    schedule = IdentitySchedule(15_000)
    assert schedule.hurries(0)
    schedule.wants(0)
    assert schedule.hurries(1_900) and not schedule.hurries(2_000)
    for _ in range(3):
        schedule.compared()
    assert not schedule.hurries(500)
    assert schedule.hurries(15_000)


@pytest.mark.parametrize(
    ("before", "now", "broke"),
    [
        (None, Box(0.3, 0.2, 0.3, 0.4), True),
        (Box(0.3, 0.2, 0.3, 0.4), Box(0.42, 0.25, 0.3, 0.4), False),
        (Box(0.1, 0.2, 0.3, 0.4), Box(0.6, 0.2, 0.3, 0.4), True),
        (Box(0.3, 0.2, 0.3, 0.4), Box(0.35, 0.3, 0.08, 0.1), True),
        (Box(0.3, 0.2, 0.3, 0.4), None, False),
    ],
)
def test_when_another_face_may_be_there(before: Box | None, now: Box | None, broke: bool) -> None:
    track = FaceTrack()
    track.follow(before)
    assert track.follow(now) is broke


def check(index: FakeFaceIndex) -> IdentityCheck:
    return IdentityCheck(Room().spec(), index, {EMBEDDING: CALIBRATION}, 15_000)


async def test_the_same_person_is_likely_and_another_is_not() -> None:
    index = FakeFaceIndex()
    await index.put(template_of(Room().spec(), "ana", version=4))
    identity = check(index)
    assert not identity.wants(0) and not identity.hurries(0)
    await identity.look_up(0)
    assert identity.wants(0)
    same = identity.compare(embedding_of("ana"), EMBEDDER)
    other = identity.compare(embedding_of("ben"), EMBEDDER)
    assert same is not None and same[0] > 0.95 and same[1] == 4
    assert other is not None and other[0] < 0.01


async def test_vectors_of_another_model_are_never_compared() -> None:
    index = FakeFaceIndex()
    await index.put(template_of(Room().spec(), "ana"))
    identity = check(index)
    await identity.look_up(0)
    assert identity.compare(embedding_of("ana"), Producer(EMBEDDER.model, "4", "0" * 64)) is None
    with pytest.raises(ValueError, match="length"):
        identity.compare(np.zeros(512, np.float32), EMBEDDER)


async def test_a_template_is_looked_up_again_and_followed() -> None:
    index, spec = FakeFaceIndex(), Room().spec()
    identity = check(index)
    assert identity.should_look_up(0) and not identity.should_look_up(200)
    await identity.look_up(0)
    assert not identity.should_look_up(9_999) and identity.should_look_up(10_000)
    await index.put(template_of(spec, "ana"))
    await identity.look_up(10_000)
    assert identity.wants(10_000)
    assert not identity.should_look_up(54_999) and identity.should_look_up(55_000)
    await index.erase(spec.tenant_id, spec.candidate_id)
    await identity.look_up(55_000)
    assert not identity.wants(60_000)
    assert ModelRef("fake-embedding", "3") == EMBEDDING


async def test_an_enrolment_that_cannot_be_had_is_told_after_a_while() -> None:
    index = FakeFaceIndex()
    await index.put(template_of(Room().spec(), "ana"))
    identity = check(index)
    index.down = True
    for now_ms in (0, 10_000):
        assert identity.should_look_up(now_ms)
        with pytest.raises(StateStoreUnavailable):
            await identity.look_up(now_ms)
        assert [identity.away_since(at) for at in (14_900, 15_000)] == [None, 0]
    index.down = False
    assert identity.should_look_up(20_000)
    await identity.look_up(20_000)
    assert identity.away_since(30_000) is None
    index.down = True
    assert identity.should_look_up(65_000)
    with pytest.raises(StateStoreUnavailable):
        await identity.look_up(65_000)
    assert identity.away_since(90_000) is None, "what was loaded is compared with"


async def test_a_look_up_that_hangs_is_not_made_again_and_brings_nothing_after_the_end() -> None:
    index, door = FakeFaceIndex(), asyncio.Event()
    template = template_of(Room().spec(), "ana")

    async def slow(*_: object) -> FaceTemplate:
        await door.wait()
        return template

    index.find = slow  # type: ignore[method-assign, assignment]
    identity = check(index)
    assert identity.should_look_up(0)
    looking = asyncio.create_task(identity.look_up(0))
    await asyncio.sleep(0)
    assert not identity.should_look_up(30_000)
    assert identity.away_since(30_000) == 0
    identity.forget()
    door.set()
    await looking
    assert identity.compare(embedding_of("ana"), EMBEDDER) is None


async def test_when_the_connection_is_over_the_template_is_forgotten() -> None:
    index = FakeFaceIndex()
    await index.put(template_of(Room().spec(), "ana"))
    identity = check(index)
    await identity.look_up(0)
    identity.forget()
    assert identity.compare(embedding_of("ana"), EMBEDDER) is None
