"""Sounds and scenes in, alerts out: another voice, several, whispers, a voice beside still lips."""

import pytest

from proctor.domain.candidates import ConsentScope
from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.incidents import Category, Severity
from proctor.services.host.rounds import Group
from tests.fakes.media_peers import MUTED, SPEAKING, WHISPERING, Microphone
from tests.fakes.perception import Scene, Trouble, template_of
from tests.proctor.services.host.room import STANDARD
from tests.proctor.services.host.test_with_a_shard import Court

SERVED = (Group.SPEAKERS,)
BOTH = (ConsentScope.FACE, ConsentScope.VOICE)


async def sit(court: Court, *scenes: Scene) -> None:
    """The enrolled candidate joins, and these scenes follow."""
    room = court.room
    await room.faces.put(template_of(room.spec(), "ana"))
    room.perception.scenes += scenes
    await room.join()


async def test_another_voice_is_told_once_the_candidate_s_is_known() -> None:
    async with Court(SERVED, BOTH) as court:
        await sit(court, Scene(from_ms=90_000, people=("ana",), voices=("ben",)))
        await court.room.watch(150_000, microphone=SPEAKING)
        await court.end()
        opened = dict(court.opened())
        assert list(opened) == ["speech", "other_voice"]
        assert 80_000 <= opened["other_voice"] <= 110_000
        (alert,) = [
            each
            for each in court.incidents.database.alerts.values()
            if each.rule_id == "other_voice" and each.transition == "opened"
        ]
        assert alert.severity is Severity.MEDIUM and alert.category is Category.CONDUCT
        assert "probability of 0%" in alert.reason
        assert [producer.model for producer in alert.producers] == ["fake-speakers"]


@pytest.mark.parametrize("scopes", [(), (ConsentScope.FACE,)])
async def test_without_consent_to_it_there_is_no_other_voice(
    scopes: tuple[ConsentScope, ...],
) -> None:
    async with Court(SERVED, scopes) as court:
        await sit(court, Scene(from_ms=90_000, people=("ana",), voices=("ben",)))
        await court.room.watch(150_000, microphone=SPEAKING)
        await court.end()
        assert [rule for rule, _ in court.opened()] == ["speech"]


async def test_two_voices_are_several_voices() -> None:
    async with Court(SERVED) as court:
        await sit(court, Scene(from_ms=30_000, people=("ana",), voices=("ana", "ben")))
        await court.room.watch(70_000, microphone=SPEAKING)
        await court.end()
        opened = dict(court.opened())
        assert list(opened) == ["speech", "several_voices"]
        assert 20_000 <= opened["several_voices"] <= 42_000


async def test_a_whisper_is_a_hint_and_no_more() -> None:
    async with Court() as court:
        await sit(court)
        await court.room.watch(10_000)
        await court.room.watch(5_000, microphone=WHISPERING)
        await court.room.watch(5_000)
        await court.end()
        opened = dict(court.opened())
        assert list(opened) == ["speech", "whispering"]
        assert 9_400 <= opened["whispering"] <= 10_400
        severities = {a.rule_id: a.severity for a in court.incidents.database.alerts.values()}
        assert severities["whispering"] is Severity.INFO


@pytest.mark.parametrize("lips_still", [True, False])
async def test_a_voice_beside_still_lips(lips_still: bool) -> None:
    async with Court() as court:
        await sit(court, Scene(from_ms=10_000, people=("ana",), lips_still=lips_still))
        await court.room.watch(10_000)
        await court.room.watch(10_000, microphone=SPEAKING)
        await court.room.watch(5_000)
        await court.end()
        opened = [rule for rule, _ in court.opened()]
        assert opened == ["speech", *(["voice_without_lips"] if lips_still else [])]


async def test_lips_that_are_not_seen_say_nothing() -> None:
    async with Court() as court:
        await sit(court, Scene(from_ms=10_000, people=("ana",), lips_still=True, turned_away=True))
        await court.room.watch(10_000)
        await court.room.watch(10_000, microphone=SPEAKING)
        await court.room.watch(5_000, lens=None, microphone=SPEAKING)
        await court.end()
        assert "voice_without_lips" not in dict(court.opened())


async def test_faults_of_sound_are_coverage_and_never_an_accusation() -> None:
    async with Court(SERVED, BOTH) as court:
        room = court.room
        room.policy = STANDARD.replace("still_after_ms: 300000", "still_after_ms: 60000")
        room.perception.troubles = [
            Trouble(group="speakers", kind="hangs", from_ms=0, to_ms=100_000),
            Trouble(group="speakers", kind="invalid", from_ms=100_000, to_ms=130_000),
        ]
        await sit(court)
        await room.watch(15_000, microphone=SPEAKING)
        await room.watch(115_000)
        await room.watch(20_000, microphone=MUTED)
        await room.watch(20_000, microphone=None)
        await room.watch(80_000, microphone=Microphone(0.0002))
        length_ms = await court.end()
        assert {rule for rule, _ in court.opened()} == {"speech"}
        audio = court.covered_ms(Modality.AUDIO)
        assert sum(audio.values()) == length_ms
        assert audio[CoverageReason.MODEL_TIMEOUT] >= 30_000
        assert audio[CoverageReason.AUDIO_MISSING] >= 17_000
        assert audio[CoverageReason.AUDIO_SILENT] >= 15_000 + 75_000
