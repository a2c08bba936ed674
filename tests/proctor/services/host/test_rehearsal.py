"""A connection that is only tried out, and a session without biometrics, in a whole host over fakes."""

from dataclasses import replace

import pytest

from proctor.domain.candidates import ConsentScope
from proctor.domain.ids import SessionId
from proctor.domain.observations import FaceMatched, FacesSeen
from proctor.domain.perception import FaceAsk
from proctor.domain.sessions import SessionSpec
from proctor.services.host.rehearsal import LASTS_MS, read, rehearsal_key
from tests.fakes.media_peers import FakePeer
from tests.fakes.perception import template_of
from tests.proctor.services.host.room import ADA, Room

TRIED = SessionId("pre_ada")


async def join(room: Room, spec: SessionSpec) -> FakePeer:
    await room.host.join(spec, "offer")
    peer = room.peers.opened[-1]
    peer.sink.on_connection("connected")
    return peer


async def test_what_is_tried_is_decoded_and_analysed_and_no_judge_hears_of_it() -> None:
    async with Room() as room:
        await join(room, replace(room.spec(TRIED), is_rehearsal=True))
        await room.watch(4_000)
        kept = await room.live.get(rehearsal_key(TRIED))
        assert kept is not None
        seen = read(kept)
        assert seen.pictures >= 15 and seen.faces is not None
        assert seen.sound_ms >= 1_000 and not seen.no_video and not seen.no_audio
        await room.host.leave(TRIED, 1)
        await room.watch(2_000)
    assert room.judges.taken == []


async def test_a_trial_that_nobody_ends_is_let_go() -> None:
    async with Room() as room:
        await join(room, replace(room.spec(TRIED), is_rehearsal=True))
        await room.watch(LASTS_MS + 1_000)
        assert room.host.load().sessions == 0
    assert room.judges.taken == []


@pytest.mark.parametrize("biometrics", [True, False])
async def test_without_biometrics_no_embedding_is_asked_for_even_where_a_template_lies(
    biometrics: bool,
) -> None:
    async with Room() as room:
        await room.faces.put(template_of(room.spec(), "ana"))
        await join(room, replace(room.spec(ADA), biometrics=biometrics))
        await room.watch(8_000)
        assert len(room.seen(FacesSeen)) > 0
        faces = [asks for _, group, asks in room.perception.asked if group == "face"]
        asked = [ask for asks in faces for ask in asks if isinstance(ask, FaceAsk) and ask.embed]
        assert bool(asked) is biometrics
        assert bool(room.seen(FaceMatched)) is biometrics


async def test_without_biometrics_no_voice_is_told_from_another() -> None:
    scopes = (ConsentScope.FACE, ConsentScope.VOICE)
    for biometrics in (True, False):
        async with Room(groups=("speakers",), scopes=scopes) as room:
            await join(room, replace(room.spec(ADA), biometrics=biometrics))
            session = room.host._hosted[ADA].session
            assert session._audio is not None
            assert (session._audio.voices is not None) is biometrics
