"""Stories of a host: pictures and sound in, reports out."""

import asyncio
import hashlib
import json
from dataclasses import replace

import pytest

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.errors import Conflict, InvalidInput, NoCapacity, NotFound
from proctor.domain.ids import SessionId
from proctor.domain.observations import (
    BodySeen,
    ClientEvent,
    ClientEventName,
    FaceMatched,
    FacesSeen,
    FootageSeen,
    GazeSeen,
    LivenessSeen,
    PictureSeen,
    SpeechHeard,
)
from proctor.domain.perception import FaceAsk
from proctor.domain.reports import Command, CommandName
from tests.fakes.media_peers import BAD_OFFER, QUIET, SPEAKING, Lens
from tests.fakes.perception import Scene, template_of
from tests.proctor.services.host.room import ADA, Room

BEN = SessionId("ses_ben")
MONITORED = CoverageState.MONITORED
BLIND = CoverageState.BLIND


async def test_a_session_becomes_monitored_with_its_first_media() -> None:
    async with Room() as room:
        await room.join()
        await room.clock.advance(1_000)
        await room.watch(2_000)
        assert room.coverage(Modality.VIDEO) == [
            (0, BLIND, CoverageReason.NO_MEDIA),
            (1_000, MONITORED, None),
        ]
        assert room.coverage(Modality.AUDIO) == [
            (0, BLIND, CoverageReason.AUDIO_MISSING),
            (1_000, MONITORED, None),
        ]
        first = room.reports()[0]
        assert (first.seq, first.epoch, first.spec) == (1, 1, room.spec())


async def test_faces_gaze_and_body_are_seen_at_the_rates_of_the_policy() -> None:
    async with Room() as room:
        room.perception.scenes = [
            Scene(from_ms=0, people=("ana",), yaw_deg=3.0),
            Scene(from_ms=5_000, people=("ana", "ben")),
        ]
        await room.join()
        await room.watch(20_400)
        faces = room.seen(FacesSeen)
        assert 20 <= len(faces) <= 21
        assert {len(seen.faces) for seen in faces if seen.observed_ms < 4_900} == {1}
        assert {len(seen.faces) for seen in faces if seen.observed_ms >= 5_000} == {2}
        assert 5 <= sum(seen.searched_small for seen in faces) <= 6
        gaze = room.seen(GazeSeen)
        assert gaze[0].gaze is not None and gaze[0].gaze.yaw_deg == 3.0
        assert [seen.frame_digest for seen in gaze] == [seen.frame_digest for seen in faces]
        # at the start, when no face is known yet, and once more; then they sit still
        assert [seen.observed_ms // 1_000 for seen in room.seen(BodySeen)] == [0, 5, 20]
        assert 20 <= len(room.seen(PictureSeen)) <= 25


async def test_a_visitor_is_searched_for_as_soon_as_the_room_changes() -> None:
    async with Room() as room:
        room.perception.scenes = [
            Scene(from_ms=0, people=("ana",), can_be_followed=True),
            Scene(from_ms=10_000, people=("ana", "ben"), can_be_followed=True),
        ]
        await room.join()
        await room.watch(10_000)
        asked = [ask for _, _, asks in room.perception.asked for ask in asks]
        asked = [ask for ask in asked if isinstance(ask, FaceAsk)]
        assert [ask.search_small for ask in asked[:2]] == [True, False]
        assert [ask.track is None for ask in asked[1:]].count(True) == 2, "one whole search in 4 s"
        await room.watch(4_000, lens=Lens(brightness=100, contrast=-60))
        faces = room.seen(FacesSeen)
        assert len(faces) >= 13, "a followed face is told like a found one"
        first = next(seen for seen in faces if seen.observed_ms >= 10_000)
        assert (first.observed_ms, first.searched_small) == (10_000, True)
        assert len(first.faces) == 2
        rates = [rate for report in room.reports() for rate in report.rates]
        small = next(rate for rate in rates if rate.group == "small_faces")
        assert small.actual_hz >= small.wanted_hz, "an unchanged room counts as searched"


async def test_the_digest_is_of_the_very_bytes_that_the_models_received() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000)
        sent = {
            hashlib.sha256(ask.picture).hexdigest()
            for _, group, asks in room.perception.asked
            if group == "face"
            for ask in asks
        }
        assert {seen.frame_digest for seen in room.seen(FacesSeen)} <= sent
        assert len(sent) >= 3


async def test_observations_carry_the_time_of_capture_and_reports_are_in_order() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(6_000)
        for report in room.reports():
            times = [seen.observed_ms for seen in report.observations]
            assert times == sorted(times)
        assert [report.seq for report in room.reports()] == list(range(1, len(room.reports()) + 1))
        assert all(seen.observed_ms % 200 == 0 for seen in room.seen(FacesSeen))


async def test_all_sound_is_heard_once_and_speech_where_it_was() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(4_000)
        await room.watch(3_000, microphone=SPEAKING)
        await room.watch(4_000, microphone=QUIET)
        heard = room.seen(SpeechHeard)
        ends = [seen.observed_ms + seen.duration_ms for seen in heard]
        starts = [seen.observed_ms for seen in heard]
        assert all(abs(end - start) <= 1 for end, start in zip(ends, starts[1:], strict=False))
        assert ends[-1] - starts[0] > 10_000
        voiced = [seen for seen in heard if seen.voiced_ms > 0]
        assert 3_200 <= sum(seen.voiced_ms for seen in voiced) <= 3_400  # 320 ms of hangover
        assert 3_300 <= voiced[0].observed_ms <= 3_900
        assert voiced[1].level_dbfs > -20 > -40 > heard[0].level_dbfs


async def test_an_enrolled_candidate_is_compared_in_bursts_on_schedule() -> None:
    async with Room() as room:
        await room.faces.put(template_of(room.spec(), "ana"))
        await room.join()
        await room.watch(25_000)
        matched = room.seen(FaceMatched)
        first = [seen for seen in matched if seen.observed_ms < 10_000]
        second = [seen for seen in matched if seen.observed_ms > 10_000]
        assert 3 <= len(first) <= 5 and 3 <= len(second) <= 5
        assert first[2].observed_ms < 2_000
        assert 15_000 <= second[0].observed_ms <= 15_600
        assert all(seen.probability > 0.9 for seen in matched)
        assert matched[0].producers[-1].model == "fake-embedding"
        assert all(
            producer.model != "fake-embedding" for producer in room.seen(FacesSeen)[0].producers
        )


async def test_another_person_is_compared_as_soon_as_the_track_breaks() -> None:
    async with Room() as room:
        await room.faces.put(template_of(room.spec(), "ana"))
        room.perception.scenes = [
            Scene(from_ms=0, people=("ana",)),
            Scene(from_ms=6_000, people=()),
            Scene(from_ms=8_000, people=("ben",)),
        ]
        await room.join()
        await room.watch(14_000)
        strange = [seen for seen in room.seen(FaceMatched) if seen.probability < 0.1]
        assert len(strange) >= 3
        assert strange[2].observed_ms <= 11_000


async def test_a_jump_of_the_face_is_a_broken_track() -> None:
    async with Room() as room:
        await room.faces.put(template_of(room.spec(), "ana"))
        room.perception.scenes = [
            Scene(from_ms=0, people=("ana",), left=0.05),
            Scene(from_ms=6_000, people=("ben",), left=0.65),
        ]
        await room.join()
        await room.watch(10_000)
        assert len([seen for seen in room.seen(FaceMatched) if seen.probability < 0.1]) >= 3


async def test_without_an_enrolment_no_embedding_is_ever_asked_for() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(20_000)
        asks = [
            ask for _, group, batch in room.perception.asked if group == "face" for ask in batch
        ]
        assert asks and not any(ask.embed for ask in asks)
        assert room.seen(FaceMatched) == []


async def test_an_enrolment_that_is_erased_is_no_longer_compared_within_a_minute() -> None:
    async with Room() as room:
        await room.faces.put(template_of(room.spec(), "ana"))
        await room.join()
        await room.watch(10_000)
        spec = room.spec()
        await room.faces.erase(spec.tenant_id, spec.candidate_id)
        await room.watch(80_000)
        assert room.seen(FaceMatched)[-1].observed_ms < 10_000 + 45_000


async def test_look_closer_raises_the_rate_until_it_runs_out() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000)
        room.judges.commands[ADA] = [Command(name=CommandName.LOOK_CLOSER, until_ms=8_000)]
        await room.watch(9_000)
        times = [seen.observed_ms for seen in room.seen(FacesSeen)]
        assert 15 <= len([at for at in times if 4_000 <= at < 8_000]) <= 18
        assert 3 <= len([at for at in times if 8_400 <= at < 11_800]) <= 4


async def test_stop_closes_the_connection_and_nothing_more_is_said() -> None:
    async with Room() as room:
        peer = await room.join()
        await room.watch(2_000)
        room.judges.commands[ADA] = [Command(name=CommandName.STOP)]
        await room.watch(2_000)
        assert peer.closed
        assert room.host.load().sessions == 0
        assert room.reports()[-1].sent_ms <= 2_200


async def test_leaving_closes_the_peer_and_sends_a_closing_report() -> None:
    async with Room() as room:
        peer = await room.join()
        await room.watch(2_000)
        await room.host.leave(ADA, 0)
        assert not peer.closed
        await room.host.leave(ADA, 1)
        await room.host.leave(ADA, 1)
        assert peer.closed and room.host.load().sessions == 0
        await room.clock.advance(400)
        closing = [report for report in room.reports() if report.closing]
        assert [report.sent_ms for report in closing] == [2_000]
        assert closing[0] is room.reports()[-1]


async def test_a_resume_replaces_the_older_connection_and_checks_identity_again() -> None:
    async with Room() as room:
        await room.faces.put(template_of(room.spec(), "ana"))
        older = await room.join()
        await room.watch(6_000)
        newer = await room.join(epoch=2)
        assert older.closed and not newer.closed
        await room.watch(3_000)
        resumed = [report for report in room.reports() if report.epoch == 2]
        assert resumed[0].seq == 1 and resumed[0].spec == room.spec(epoch=2)
        assert resumed[0].sent_ms >= 6_000
        seen = [item for report in resumed for item in report.observations]
        assert len([item for item in seen if isinstance(item, FaceMatched)]) >= 3
        assert [report.closing for report in room.reports() if report.epoch == 1][-1]
        with pytest.raises(Conflict):
            await room.host.join(room.spec(epoch=1), "offer")
        with pytest.raises(NotFound):
            await room.host.trickle(ADA, 1, "a=candidate")
        await room.host.trickle(ADA, 2, "a=candidate")
        assert newer.fragments == ["a=candidate"]


async def test_a_full_host_refuses_but_a_resume_fits() -> None:
    async with Room(capacity=1) as room:
        await room.join()
        with pytest.raises(NoCapacity):
            await room.join(BEN)
        assert room.metrics.counted("host_refusals", why="full") == 1
        assert len(room.peers.opened) == 1
        await room.join(epoch=2)
        assert room.host.load().sessions == 1 == room.host.load().capacity


async def test_an_empty_host_retires_and_takes_nobody_a_busy_one_does_not() -> None:
    async with Room() as room:
        await room.join()
        assert not room.host.retire()
        await room.join(epoch=2)
    async with Room() as room:
        assert room.host.retire()
        with pytest.raises(NoCapacity):
            await room.join()
        assert room.peers.opened == []


async def test_a_host_that_is_emptied_asks_its_pages_and_lets_go_those_that_stay() -> None:
    async with Room() as room:
        ada, ben = await room.join(), await room.join(BEN)
        await room.watch(1_000)
        assert await room.host.drain(1) == 2
        assert moved(room) == [ADA]
        assert await room.host.drain(1) == 2
        assert moved(room) == [ADA, BEN]
        for session_id in (ADA, SessionId("ses_eve")):
            with pytest.raises(NoCapacity, match="emptied"):
                await room.host.join(room.spec(session_id, epoch=2), "offer")
        await room.host.leave(ADA, 1)  # it is elsewhere now
        await room.watch(31_000)
        assert not ben.closed, "its exam goes on until it is told to come back elsewhere"
        assert await room.host.drain(0) == 0
        assert (ada.closed, ben.closed) == (True, True)
        await room.watch(400)
        assert room.reports(BEN)[-1].closing


def moved(room: Room) -> list[str]:
    return [
        where.removeprefix("session:")
        for where, text in room.live.published
        if json.loads(text) == {"type": "reconnect", "reason": "moving"}
    ]


async def test_running_sessions_come_before_new_ones() -> None:
    """A host that is pressed or full takes back what another has lost, and nobody new."""
    async with Room(capacity=5) as room:
        await room.watch(40_000)
        running = [SessionId(f"ses_{number}") for number in range(3)]
        for _ in range(30):
            room.clock.stall(3_000)
            await room.clock.advance(200)
        assert room.host.load().lag_ms > 500
        with pytest.raises(NoCapacity, match="late"):
            await room.host.join(replace(room.spec(BEN), started_at=room.clock.now()), "offer")
        assert room.metrics.counted("host_refusals", why="late") == 1
        for session_id in running:
            await room.join(session_id, epoch=2)
    async with Room(capacity=5) as room:
        await room.watch(40_000)
        for number in range(5):
            await room.join(SessionId(f"ses_{number}"))
        with pytest.raises(NoCapacity, match="full"):
            await room.host.join(replace(room.spec(BEN), started_at=room.clock.now()), "offer")
        await room.join(BEN, epoch=2)
        with pytest.raises(NoCapacity, match="full"):
            await room.host.join(room.spec(SessionId("ses_eve"), epoch=2), "offer")


async def test_an_offer_that_cannot_be_answered_leaves_nothing_behind() -> None:
    async with Room(capacity=1) as room:
        with pytest.raises(InvalidInput):
            await room.host.join(room.spec(), BAD_OFFER)
        assert room.peers.opened[0].closed
        assert room.host.load().sessions == 0
        await room.clock.advance(2_000)
        assert room.reports() == []
        await room.join(epoch=2)


async def test_a_policy_that_cannot_be_read_is_refused_before_a_connection_is_opened() -> None:
    async with Room(policy="rules: nonsense") as room:
        with pytest.raises(InvalidInput):
            await room.join()
        assert room.peers.opened == [] and room.host.load().sessions == 0


async def test_the_page_s_word_is_passed_on_as_a_note() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(1_000)
        await room.host.client_event(ADA, ClientEventName.PAGE_HIDDEN)
        await room.watch(1_000)
        assert room.seen(ClientEvent) == [
            ClientEvent(observed_ms=1_000, name=ClientEventName.PAGE_HIDDEN)
        ]
        with pytest.raises(NotFound):
            await room.host.client_event(BEN, ClientEventName.PAGE_SHOWN)


async def test_many_sessions_share_one_call_per_group_and_tick() -> None:
    async with Room(capacity=40) as room:
        for number in range(40):
            await room.join(SessionId(f"ses_{number}"))
        await room.watch(2_000)
        batches = [len(asks) for _, group, asks in room.perception.asked if group == "face"]
        assert max(batches) == 16
        assert sum(batches) >= 80
        assert len(batches) <= 12
        submits = len(room.judges.calls)
        assert submits <= 11


async def test_a_connection_that_failed_stays_a_session_for_a_minute() -> None:
    async with Room() as room:
        peer = await room.join()
        await room.watch(2_000)
        peer.sink.on_connection("failed")
        await room.watch(58_000, lens=None, microphone=None)
        assert room.host.load().sessions == 1
        assert room.coverage(Modality.VIDEO)[-1] == (1_800, BLIND, CoverageReason.NO_MEDIA)
        await room.watch(4_000, lens=None, microphone=None)
        assert peer.closed and room.host.load().sessions == 0
        assert room.reports()[-1].closing


async def test_of_two_offers_at_once_the_newer_wins() -> None:
    async with Room(capacity=1) as room:
        room.peers.gathering.clear()
        older = asyncio.create_task(room.host.join(room.spec(epoch=1), "offer"))
        await room.clock.advance(0)
        newer = asyncio.create_task(room.host.join(room.spec(epoch=2), "offer"))
        await room.clock.advance(0)
        assert room.host.load().sessions == 1
        room.peers.gathering.set()
        with pytest.raises(Conflict):
            await older
        assert (await newer).epoch == 2
        assert [peer.closed for peer in room.peers.opened] == [True, False]
        assert room.host.load().sessions == 1


async def test_an_offer_that_is_left_before_its_answer_is_out_opens_nothing() -> None:
    async with Room(capacity=1) as room:
        room.peers.gathering.clear()
        joining = asyncio.create_task(room.host.join(room.spec(epoch=2), "offer"))
        await room.clock.advance(0)
        await room.host.leave(ADA, 1)
        assert room.host.load().sessions == 1
        await room.host.leave(ADA, 2)
        room.peers.gathering.set()
        with pytest.raises(Conflict):
            await joining
        assert room.peers.opened[-1].closed and room.host.load().sessions == 0
        await room.watch(2_000)
        assert room.reports() == []


async def test_leaving_closes_an_older_connection_too_and_never_a_newer_one() -> None:
    """Offers that no host took count as epochs as well."""
    async with Room() as room:
        peer = await room.join(epoch=2)
        await room.host.leave(ADA, 1)
        assert not peer.closed
        await room.host.leave(ADA, 4)
        assert peer.closed


async def test_media_that_come_before_the_answer_is_out_are_not_lost() -> None:
    async with Room() as room:
        room.peers.gathering.clear()
        joining = asyncio.create_task(room.host.join(room.spec(), "offer"))
        await room.clock.advance(0)
        await room.watch(1_000)
        assert room.reports() == []
        room.peers.gathering.set()
        await joining
        await room.watch(1_000)
        assert room.coverage(Modality.VIDEO) == [
            (0, BLIND, CoverageReason.NO_MEDIA),
            (0, MONITORED, None),
        ]
        assert sum(seen.duration_ms for seen in room.seen(SpeechHeard)) >= 1_400


async def test_a_liveness_reading_becomes_a_fact_and_one_that_is_no_number_does_not() -> None:
    async with Room() as room:
        template = template_of(room.spec(), "ana")
        await room.faces.put(template)
        room.perception.scenes = [
            Scene(from_ms=0, people=("ana",), live=0.3),
            Scene(from_ms=room.clock.monotonic_ms() + 8_000, people=("ana",), live=float("nan")),
        ]
        await room.join()
        await room.watch(7_000)
        readings = room.seen(LivenessSeen)
        assert {seen.probability for seen in readings} == {0.3}
        assert len(readings) >= 3, "it comes with the comparisons"
        await room.watch(20_000)
        assert {seen.probability for seen in room.seen(LivenessSeen)} == {0.3}
        reasons = {reason for _, _, reason in room.coverage(Modality.VIDEO)}
        assert CoverageReason.MODEL_OUTPUT_INVALID in reasons
        assert room.seen(FootageSeen)[-1].width_px == 320


async def test_what_was_wanted_and_what_was_had_of_the_models_are_counted() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(10_000)
        wanted = room.metrics.counted("host_looks", group="face", what="wanted")
        seen = room.metrics.counted("host_looks", group="face", what="seen")
        assert wanted >= 9, "a picture a second, by the standard policy"
        assert wanted - 1 <= seen
        assert room.metrics.gauges[("host_reports_waiting", ())] <= 2
