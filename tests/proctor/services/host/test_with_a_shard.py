"""A host and a real fusion shard together: scenes in front of the camera become alerts and coverage."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from typing import Literal

import pytest

from proctor.domain.alerts import Transition
from proctor.domain.candidates import ConsentScope
from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.incidents import Category, Severity
from proctor.ports import Tracer
from proctor.services.host.evidence_box import USUAL_LIMITS, KeepingLimits
from proctor.services.judge_sessions import JudgeShard
from proctor.services.no_tracing import OFF
from tests.fakes.clock import FakeClock
from tests.fakes.live_state import FakeCheckpoints, FakeLiveState
from tests.fakes.media_peers import COVERED, SPEAKING, Lens
from tests.fakes.metrics import FakeMetrics
from tests.fakes.perception import OBJECTS, Scene, Trouble, template_of
from tests.fakes.stores import FakeIncidentStore
from tests.proctor.services.host.room import ADA, STANDARD, Room


class Court:
    """A room whose judges are a real shard over fake stores."""

    def __init__(
        self,
        groups: Collection[str] = (),
        scopes: tuple[ConsentScope, ...] = (ConsentScope.FACE,),
        policy: str = STANDARD,
        keeping: KeepingLimits = USUAL_LIMITS,
        tracer: Tracer = OFF,
    ) -> None:
        self.tracer = tracer
        self.incidents = FakeIncidentStore()
        self.room = Room(
            judges=self._shard,
            groups=groups,
            scopes=scopes,
            policy=policy,
            keeping=keeping,
            tracer=tracer,
        )

    def _shard(self, clock: FakeClock) -> JudgeShard:
        self.shard = JudgeShard(
            name="shard-test",
            incidents=self.incidents,
            checkpoints=FakeCheckpoints(),
            live=FakeLiveState(clock),
            clock=clock,
            metrics=FakeMetrics(),
            tracer=self.tracer,
        )
        return self.shard

    async def __aenter__(self) -> "Court":
        await self.shard.start()
        self._running = asyncio.create_task(self.shard.run())
        await self.room.__aenter__()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.room.__aexit__(None, None, None)
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def end(self) -> int:
        """End the session now; its length."""
        await self.room.host.leave(ADA, 1)
        await self.room.clock.advance(400)
        length_ms = self.room.clock.monotonic_ms()
        ended_at = self.room.started_at + timedelta(milliseconds=length_ms)
        await self.shard.end(self.room.spec(), ended_at)
        return length_ms

    def opened(self) -> list[tuple[str, int]]:
        """(rule, session time of the behaviour's beginning) of every alert that opened."""
        alerts = self.incidents.database.alerts
        return [
            (alert.rule_id, alert.occurred_ms)
            for alert in sorted(alerts.values(), key=lambda alert: alert.seq)
            if alert.transition is Transition.OPENED
        ]

    def covered_ms(self, modality: Modality) -> dict[CoverageReason | None, int]:
        """How long each state of a modality lasted; None is monitored."""
        sums: dict[CoverageReason | None, int] = {}
        for part in self.incidents.database.coverage[ADA]:
            if part.modality is modality:
                assert part.end_ms is not None
                sums[part.reason] = sums.get(part.reason, 0) + part.end_ms - part.start_ms
        return sums


async def test_what_happens_in_front_of_the_camera_becomes_the_alerts_expected() -> None:
    async with Court() as court:
        room = court.room
        await room.faces.put(template_of(room.spec(), "ana"))
        room.perception.scenes = [
            Scene(from_ms=0, people=("ana",)),
            Scene(from_ms=12_000, people=("ana",), yaw_deg=-25.0),
            Scene(from_ms=18_000, people=("ana",)),
            Scene(from_ms=24_000, people=()),
            Scene(from_ms=32_000, people=("ana", "ben")),
            Scene(from_ms=42_000, people=("ana",)),
            Scene(from_ms=60_000, people=("ben",), left=0.1),
            Scene(from_ms=72_000, people=("ana",)),
        ]
        await room.join()
        await room.watch(48_000)
        await room.watch(4_000, microphone=SPEAKING)
        await room.watch(28_000)
        await room.watch(6_000, lens=COVERED)
        await room.watch(8_000)
        length_ms = await court.end()
        opened = dict(court.opened())
        assert list(opened) == [
            "looking_away",
            "no_face",
            "several_faces",
            "speech",
            "different_person",
            "camera_covered",
        ]
        assert 11_800 <= opened["looking_away"] <= 13_400
        assert 23_800 <= opened["no_face"] <= 25_200
        assert 31_800 <= opened["several_faces"] <= 34_400
        assert 47_400 <= opened["speech"] <= 48_400
        assert 59_800 <= opened["different_person"] <= 61_400
        assert 79_800 <= opened["camera_covered"] <= 80_400
        delays_ms = {
            alert.rule_id: (alert.raised_at - room.started_at) / timedelta(milliseconds=1)
            - alert.occurred_ms
            for alert in court.incidents.database.alerts.values()
            if alert.transition is Transition.OPENED
        }
        assert max(delays_ms.values()) <= 5_000
        covered = court.covered_ms(Modality.VIDEO)
        assert sum(covered.values()) == length_ms
        assert 5_600 <= covered[CoverageReason.COVERED] <= 6_600
        assert covered[None] >= length_ms - 8_000
        assert sum(court.covered_ms(Modality.AUDIO).values()) == length_ms


async def test_a_quiet_session_of_the_enrolled_person_raises_nothing() -> None:
    async with Court() as court:
        room = court.room
        await room.faces.put(template_of(room.spec(), "ana"))
        await room.join()
        await room.watch(60_000)
        length_ms = await court.end()
        assert court.opened() == []
        for modality in Modality:
            covered = court.covered_ms(modality)
            assert sum(covered.values()) == length_ms
            assert covered[None] >= 0.95 * length_ms


async def test_faults_are_told_as_coverage_and_never_held_against_anybody() -> None:
    async with Court() as court:
        room = court.room
        await room.faces.put(template_of(room.spec(), "ana"))
        room.perception.troubles = [
            Trouble(group="face", kind="hangs", from_ms=10_000, to_ms=20_000),
            Trouble(group="speech", kind="is_away", from_ms=30_000, to_ms=45_000),
            Trouble(group="face", kind="nan", from_ms=50_000, to_ms=56_000),
        ]
        await room.join()
        await room.watch(60_000)
        await room.watch(6_000, lens=None)
        await room.watch(10_000, microphone=None)
        await room.watch(6_000, lens=Lens(noise=0))
        await room.watch(10_000)
        length_ms = await court.end()
        alerts = court.incidents.database.alerts.values()
        assert {alert.category for alert in alerts} <= {Category.COVERAGE}
        video, audio = court.covered_ms(Modality.VIDEO), court.covered_ms(Modality.AUDIO)
        assert sum(video.values()) == sum(audio.values()) == length_ms
        assert 8_000 <= video[CoverageReason.MODEL_TIMEOUT] <= 13_000
        assert 5_000 <= video[CoverageReason.MODEL_OUTPUT_INVALID] <= 8_000
        assert 5_800 <= video[CoverageReason.NO_MEDIA] <= 6_600
        assert 5_000 <= video[CoverageReason.FROZEN_VIDEO] <= 7_000
        assert 9_600 <= audio[CoverageReason.AUDIO_MISSING] <= 10_600
        lost_ms = 15_000 - 10_000  # ten seconds of sound waited and were judged after all
        assert lost_ms - 500 <= audio[CoverageReason.MODEL_TIMEOUT] <= lost_ms + 1_500


async def test_a_resume_goes_on_in_the_same_session_with_the_gap_told() -> None:
    async with Court() as court:
        room = court.room
        await room.faces.put(template_of(room.spec(), "ana"))
        await room.join()
        await room.watch(20_000)
        await room.watch(5_000, lens=None, microphone=None)
        await room.join(epoch=2)
        await room.watch(20_000)
        await room.host.leave(ADA, 2)
        length_ms = await court.end()
        covered = court.covered_ms(Modality.VIDEO)
        assert sum(covered.values()) == length_ms
        assert 5_000 <= covered[CoverageReason.NO_MEDIA] <= 6_400
        assert court.opened() == []


async def test_a_phone_on_the_desk_becomes_an_alert_that_names_it_where_there_is_a_detector() -> (
    None
):
    async with Court(groups=("objects",)) as court:
        room = court.room
        room.perception.scenes = [
            Scene(from_ms=0, people=("ana",)),
            Scene(from_ms=20_000, people=("ana",), things=("phone",)),
            Scene(from_ms=32_000, people=("ana",)),
        ]
        await room.join()
        await room.watch(60_000)
        await court.end()
        [(rule, began_ms)] = court.opened()
        assert rule == "object_seen"
        assert 20_000 <= began_ms <= 25_000
        alerts = sorted(court.incidents.database.alerts.values(), key=lambda alert: alert.seq)
        assert [alert.transition for alert in alerts] == [Transition.OPENED, Transition.CLOSED]
        assert alerts[0].severity is Severity.LOW
        assert alerts[0].reason.startswith("Seen in 2 pictures within ")
        assert ": phone (1 in each)" in alerts[0].reason
        assert alerts[0].signals[0].support.labels == ("phone",)
        assert alerts[0].producers == (OBJECTS,)
        assert alerts[0].frame_digest is not None
        assert court.covered_ms(Modality.VIDEO).keys() == {CoverageReason.NO_MEDIA, None}


async def test_without_a_detector_nobody_asks_for_things_and_nothing_is_missed() -> None:
    async with Court() as court:
        room = court.room
        room.perception.scenes = [Scene(from_ms=0, people=("ana",), things=("phone",))]
        await room.join()
        await room.watch(30_000)
        await court.end()
        assert room.perception.calls("objects") == []
        assert court.opened() == []
        assert court.covered_ms(Modality.VIDEO).keys() <= {CoverageReason.NO_MEDIA, None}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("invalid", CoverageReason.MODEL_OUTPUT_INVALID),
        ("nan", CoverageReason.MODEL_OUTPUT_INVALID),
        ("hangs", CoverageReason.MODEL_TIMEOUT),
        ("is_away", CoverageReason.MODEL_TIMEOUT),
    ],
)
async def test_a_detector_that_fails_is_told_as_coverage_and_clears_nobody(
    kind: Literal["invalid", "nan", "hangs", "is_away"], reason: CoverageReason
) -> None:
    async with Court(groups=("objects",)) as court:
        room = court.room
        room.perception.scenes = [Scene(from_ms=0, people=("ana",), things=("phone",))]
        room.perception.troubles = [
            Trouble(group="objects", kind=kind, from_ms=0, to_ms=20_000),
        ]
        await room.join()
        await room.watch(40_000)
        await court.end()
        assert court.covered_ms(Modality.VIDEO)[reason] >= 12_000
        [(rule, began_ms)] = court.opened()
        assert rule == "object_seen" and began_ms >= 19_500
