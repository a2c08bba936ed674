"""Stories of what goes wrong: it is told as coverage, with its true extent, and it ends."""

import dataclasses
import logging
from itertools import pairwise

import numpy as np
import pytest

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.errors import NoCapacity
from proctor.domain.ids import SessionId
from proctor.domain.observations import (
    BodySeen,
    FaceMatched,
    FacesSeen,
    GazeSeen,
    PictureSeen,
    SpeechHeard,
    StreamState,
)
from proctor.domain.perception import FaceAsk, SpeechAsk
from proctor.services.host.live_session import LiveSession
from tests.fakes.media_peers import COVERED, MUTED, QUIET, SPEAKING, Lens
from tests.fakes.perception import Trouble, embedding_of, template_of
from tests.proctor.services.host.room import ADA, STANDARD, STEP_MS, Room

MONITORED = CoverageState.MONITORED
DEGRADED = CoverageState.DEGRADED
BLIND = CoverageState.BLIND
Reason = CoverageReason


async def test_a_camera_that_stops_sending_is_blind_within_three_seconds() -> None:
    async with Room() as room:
        await room.faces.put(template_of(room.spec(), "ana"))
        await room.join()
        await room.watch(10_000)
        matched = len(room.seen(FaceMatched))
        await room.watch(6_000, lens=None)
        await room.watch(3_000)
        assert room.coverage(Modality.VIDEO)[1:] == [
            (0, MONITORED, None),
            (9_800, BLIND, Reason.NO_MEDIA),
            (16_000, MONITORED, None),
        ]
        [noticed] = [s for s in room.seen(StreamState) if s.reason is Reason.NO_MEDIA][1:]
        assert noticed.observed_ms - noticed.since_ms <= 3_000 - STEP_MS
        assert room.coverage(Modality.AUDIO)[-1] == (0, MONITORED, None)
        again = room.seen(FaceMatched)[matched:]
        assert len(again) >= 3 and again[0].observed_ms <= 16_400


async def test_a_microphone_that_stops_sending_is_told_apart_from_one_that_is_muted() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(4_000)
        await room.watch(5_000, microphone=None)
        await room.watch(14_000, microphone=MUTED)
        await room.watch(2_000)
        assert room.coverage(Modality.AUDIO)[1:] == [
            (0, MONITORED, None),
            (3_800, BLIND, Reason.AUDIO_MISSING),
            (9_000, MONITORED, None),
            (9_000, DEGRADED, Reason.AUDIO_SILENT),
            (22_800, MONITORED, None),
        ]
        assert room.coverage(Modality.VIDEO)[1:] == [(0, MONITORED, None)]


async def test_a_stopped_camera_is_told_and_not_judged_again() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(4_000)
        await room.watch(6_000, lens=Lens(noise=0))
        await room.watch(4_000)
        frozen = [seen for seen in room.seen(PictureSeen) if seen.still_ms >= 2_000]
        assert frozen[0].observed_ms <= 6_400
        assert frozen[-1].still_ms >= 5_000
        judged = [seen.observed_ms for seen in room.seen(FacesSeen)]
        assert [at for at in judged if 5_400 <= at < 10_000] == []
        assert min(at for at in judged if at >= 10_000) <= 11_000
        assert room.seen(PictureSeen)[-1].still_ms == 0
        assert room.coverage(Modality.VIDEO)[1:] == [(0, MONITORED, None)]


async def test_a_covered_lens_is_told_at_once_and_is_not_taken_for_a_stopped_camera() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(4_200)
        await room.watch(4_000, lens=COVERED)
        await room.watch(2_000)
        dark = [seen for seen in room.seen(PictureSeen) if seen.brightness < 0.1]
        assert dark[0].observed_ms == 4_200
        assert len(dark) >= 7
        assert {seen.still_ms for seen in dark} == {0}
        clear = [s for s in room.seen(PictureSeen) if s.observed_ms >= 8_200]
        assert clear[0].observed_ms == 8_200 and clear[1].observed_ms <= 8_800


async def test_a_model_that_hangs_is_told_and_the_others_go_on() -> None:
    async with Room() as room:
        room.perception.troubles = [
            Trouble(group="face", kind="hangs", from_ms=5_000, to_ms=12_000)
        ]
        await room.join()
        await room.watch(20_000)
        told = room.coverage(Modality.VIDEO)[2:]
        assert [entry[1:] for entry in told] == [
            (DEGRADED, Reason.MODEL_TIMEOUT),
            (MONITORED, None),
        ]
        assert 4_800 <= told[0][0] <= 6_000 and 11_600 <= told[1][0] <= 14_400
        [late] = [s for s in room.seen(StreamState) if s.reason is Reason.MODEL_TIMEOUT]
        assert late.observed_ms - late.since_ms <= 4_000
        during = [s.observed_ms for s in room.seen(SpeechHeard) if 6_000 < s.observed_ms < 12_000]
        assert len(during) >= 10
        assert [s for s in room.seen(BodySeen) if 5_000 < s.observed_ms < 12_000]
        assert [s for s in room.seen(FacesSeen) if s.observed_ms >= 14_000]


@pytest.mark.parametrize("kind", ["is_away", "breaks"])
async def test_a_call_that_fails_is_made_again_in_the_next_tick(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with Room() as room:
        trouble = Trouble(group="face", kind="is_away", from_ms=3_000, to_ms=4_000)
        room.perception.troubles = [dataclasses.replace(trouble, kind=kind)]
        await room.join()
        await room.watch(8_000)
        during = [at for at in room.perception.calls("face") if 3_000 <= at < 4_000]
        assert len(during) >= 4
        judged = [seen.observed_ms for seen in room.seen(FacesSeen)]
        assert [at for at in judged if 3_800 <= at <= 4_200]
        assert room.coverage(Modality.VIDEO)[1:] == [(0, MONITORED, None)]
        assert len(caplog.records) == (len(during) if kind == "breaks" else 0)


@pytest.mark.parametrize("kind", ["invalid", "nan"])
async def test_answers_that_are_none_are_told_and_never_passed_on(kind: str) -> None:
    async with Room() as room:
        trouble = Trouble(group="face", kind="nan", from_ms=5_000, to_ms=9_000)
        room.perception.troubles = [dataclasses.replace(trouble, kind=kind)]
        await room.join()
        await room.watch(14_000)
        told = room.coverage(Modality.VIDEO)[2:]
        assert [entry[1:] for entry in told] == [
            (DEGRADED, Reason.MODEL_OUTPUT_INVALID),
            (MONITORED, None),
        ]
        assert not [s for s in room.seen(GazeSeen) if 5_000 <= s.observed_ms < 8_800]
        assert all(seen.gaze is not None for seen in room.seen(GazeSeen))
        assert room.metrics.counted("host_media", what="invalid_answers") >= 3


async def test_a_voice_detector_that_answers_nonsense_is_told() -> None:
    async with Room() as room:
        room.perception.troubles = [
            Trouble(group="speech", kind="invalid", from_ms=5_000, to_ms=8_000)
        ]
        await room.join()
        await room.watch(12_000)
        told = room.coverage(Modality.AUDIO)[2:]
        assert [entry[1:] for entry in told] == [
            (DEGRADED, Reason.MODEL_OUTPUT_INVALID),
            (MONITORED, None),
        ]
        assert 4_000 <= told[0][0] <= 5_000 and 7_000 <= told[1][0] <= 8_000
        heard = [seen.observed_ms for seen in room.seen(SpeechHeard)]
        assert not [at for at in heard if told[0][0] <= at < told[1][0]]


async def test_a_picture_that_is_none_is_counted_and_forgotten() -> None:
    async with Room() as room:
        peer = await room.join()
        peer.sink.on_picture(np.zeros((2, 400, 3), np.uint8), 0)
        peer.sink.on_picture(np.zeros((240, 320), np.uint8), 0)
        await room.clock.advance(1_000)
        assert room.perception.calls("face") == []
        assert room.metrics.counted("host_media", what="unreadable") == 2
        assert room.coverage(Modality.VIDEO) == [(0, BLIND, Reason.NO_MEDIA)]


async def test_a_connection_that_breaks_at_its_end_takes_nothing_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with Room() as room:
        peer = await room.join()
        peer.breaks_at_close = True
        await room.watch(1_000)
        await room.host.leave(ADA, 1)
        await room.clock.advance(STEP_MS)
        assert room.host.load().sessions == 0 and room.reports()[-1].closing
        assert [record.message for record in caplog.records] == ["a connection did not close"]


async def test_a_slow_model_sheds_in_order_and_the_lost_rate_is_told() -> None:
    async with Room() as room:
        room.perception.troubles = [
            Trouble(group="face", kind="slow", from_ms=10_000, to_ms=60_000, slow_ms=1_900)
        ]
        await room.join()
        await room.watch(60_000)
        bodies = [s.observed_ms for s in room.seen(BodySeen)]
        assert [at for at in bodies if at < 10_000] and not [
            at for at in bodies if 15_000 < at < 60_000
        ]
        assert not [
            s for s in room.seen(FacesSeen) if s.searched_small and 20_000 < s.observed_ms < 60_000
        ]
        assert (DEGRADED, Reason.OVERLOAD) in [e[1:] for e in room.coverage(Modality.VIDEO)]
        rates = {rate.group: rate for rate in [r for r in room.reports() if r.rates][-1].rates}
        assert rates["face"].wanted_hz == pytest.approx(1.0, abs=0.15)
        assert rates["face"].actual_hz <= 0.6
        assert rates["body"].actual_hz == 0.0
        await room.watch(60_000)
        assert room.coverage(Modality.VIDEO)[-1][1:] == (MONITORED, None)
        assert room.seen(BodySeen)[-1].observed_ms > 100_000


async def test_sound_waits_for_a_model_that_comes_back_in_time() -> None:
    async with Room() as room:
        room.perception.troubles = [
            Trouble(group="speech", kind="is_away", from_ms=3_000, to_ms=8_000)
        ]
        await room.join()
        await room.watch(4_000)
        await room.watch(2_000, microphone=SPEAKING)
        await room.watch(10_000, microphone=QUIET)
        heard = room.seen(SpeechHeard)
        assert sum(seen.duration_ms for seen in heard) >= 15_000
        assert 2_200 <= sum(seen.voiced_ms for seen in heard) <= 2_400  # 320 ms of hangover
        assert all(
            abs(one.observed_ms + one.duration_ms - next_.observed_ms) <= 1
            for one, next_ in pairwise(heard)
        )
        reasons = [entry[2] for entry in room.coverage(Modality.AUDIO)[2:]]
        assert reasons == [Reason.MODEL_TIMEOUT, None]


async def test_sound_that_could_not_wait_lies_inside_a_stretch_that_was_told() -> None:
    async with Room() as room:
        room.perception.troubles = [
            Trouble(group="speech", kind="hangs", from_ms=3_000, to_ms=30_000)
        ]
        await room.join()
        await room.watch(40_000)
        states = room.coverage(Modality.AUDIO)[2:]
        assert [entry[1:] for entry in states] == [
            (DEGRADED, Reason.MODEL_TIMEOUT),
            (MONITORED, None),
        ]
        heard = room.seen(SpeechHeard)
        holes = [
            (one.observed_ms + one.duration_ms, next_.observed_ms)
            for one, next_ in pairwise(heard)
            if next_.observed_ms - one.observed_ms - one.duration_ms > 1
        ]
        assert holes
        assert all(states[0][0] <= start and end <= states[1][0] for start, end in holes)
        assert heard[-1].observed_ms > 38_000


async def test_a_gap_in_the_sound_is_told_to_the_millisecond_and_resets_the_detector() -> None:
    async with Room() as room:
        peer = await room.join()
        await room.watch(4_000)
        await room.clock.advance(600)
        peer.sink.on_sound(QUIET.sound(STEP_MS), room.clock.monotonic_ms() + STEP_MS, 600)
        await room.clock.advance(STEP_MS)
        await room.watch(3_000)
        start, end = room.coverage(Modality.AUDIO)[-2:]
        assert start[1:] == (DEGRADED, Reason.AUDIO_GAP) and end[1:] == (MONITORED, None)
        assert end[0] - start[0] == 600
        asks = [a for _, g, batch in room.perception.asked if g == "speech" for a in batch]
        fresh = [ask for ask in asks if isinstance(ask, SpeechAsk) and ask.state is None]
        assert len(fresh) == 2 and fresh[1].context is None


async def test_reports_are_kept_while_the_judges_are_away_and_come_once_in_order() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000)
        room.judges.down = True
        await room.watch(10_000)
        before = len(room.reports())
        room.judges.down = False
        await room.watch(4_000)
        assert len(room.reports()) > before + 20
        assert [report.seq for report in room.reports()] == list(range(1, len(room.reports()) + 1))
        judged = [seen.observed_ms for seen in room.seen(FacesSeen)]
        assert max(b - a for a, b in pairwise(judged)) <= 1_200
        assert room.metrics.counted("host_submits", outcome="unavailable") <= 12


async def test_a_judge_that_hangs_is_given_up_and_asked_again() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000)
        room.judges.hangs = True
        await room.watch(2_000)
        room.judges.hangs = False
        await room.watch(6_000)
        assert room.metrics.counted("host_submits", outcome="timeout") == 1
        assert [report.seq for report in room.reports()] == list(range(1, len(room.reports()) + 1))
        assert room.reports()[-1].sent_ms > 10_000


async def test_a_judge_that_hangs_holds_up_the_reports_of_no_other() -> None:
    eve = SessionId("ses_eve")
    async with Room() as room:
        await room.join()
        await room.join(eve)
        room.judges.hanging = {ADA}
        await room.watch(6_000)
        assert room.reports() == []
        told = [report.sent_ms for report in room.reports(eve)]
        assert max(b - a for a, b in pairwise(told)) <= 1_200 and told[-1] > 5_000
        room.judges.hanging = set()
        await room.watch(4_000)
        assert [report.seq for report in room.reports()][:3] == [1, 2, 3]


async def test_what_is_not_acknowledged_is_sent_again_once_a_second() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000)
        room.judges.withholds = True
        before = len(room.judges.calls)
        await room.watch(5_000)
        calls = room.judges.calls[before:]
        assert 4 <= len(calls) <= 6
        assert calls[-1][0] == calls[0][0]


async def test_when_nothing_more_can_be_kept_looking_stops_and_that_is_told() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000)
        room.judges.withholds = True
        await room.watch(200_000, lens=Lens(width=80, height=60))
        asked = len(room.perception.asked)
        await room.watch(10_000)
        assert len(room.perception.asked) == asked
        room.judges.withholds = False
        await room.watch(15_000)
        for modality in Modality:
            assert [entry[1:] for entry in room.coverage(modality)[2:]] == [
                (DEGRADED, Reason.STATE_STORE),
                (MONITORED, None),
            ]
        assert room.seen(FacesSeen)[-1].observed_ms > 220_000
        assert [report.seq for report in room.reports()] == list(range(1, len(room.reports()) + 1))


async def test_a_shard_that_forgot_the_session_hears_what_it_is() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000)
        room.judges.forget()
        await room.watch(2_000)
        told = [report for report in room.reports() if report.spec is not None]
        assert len(told) == 2 and told[1].spec == room.spec()
        assert [report.seq for report in room.reports()] == list(range(1, len(room.reports()) + 1))


async def test_a_template_store_that_is_away_is_asked_again() -> None:
    async with Room() as room:
        await room.faces.put(template_of(room.spec(), "ana"))
        room.faces.down = True
        await room.join()
        await room.watch(5_000)
        assert room.seen(FaceMatched) == []
        room.faces.down = False
        await room.watch(12_000)
        assert len(room.seen(FaceMatched)) >= 3
        assert room.metrics.counted("host_template_lookups", outcome="unavailable") == 1


async def test_a_template_store_that_is_away_is_told_until_it_is_back() -> None:
    """Else a face that nobody could compare would be held against the candidate."""
    async with Room() as room:
        room.faces.down = True
        await room.join()
        await room.watch(18_000)
        room.faces.down = False
        await room.watch(6_000)
        told = [(state, reason) for _, state, reason in room.coverage(Modality.VIDEO)]
    assert told == [
        (BLIND, Reason.NO_MEDIA),
        (MONITORED, None),
        (DEGRADED, Reason.STATE_STORE),
        (MONITORED, None),
    ]


@pytest.mark.parametrize("step", ["tick", "face_look"])
async def test_a_session_that_fails_is_closed_and_the_others_go_on(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Room() as room:
        eve = SessionId("ses_eve")
        await room.join()
        await room.join(eve)
        await room.watch(1_000)
        whole = getattr(LiveSession, step)

        def break_one(session: LiveSession, *arguments: object) -> object:
            if session.spec.session_id == ADA:
                raise RuntimeError("broken")
            return whole(session, *arguments)

        monkeypatch.setattr(LiveSession, step, break_one)
        await room.watch(3_000)
        assert room.host.load().sessions == 1
        assert room.reports()[-1].closing
        assert room.reports(eve)[-1].sent_ms > 3_000
        assert room.metrics.counted("host_failed_ticks") == 1


async def test_a_host_that_runs_late_takes_nobody_in() -> None:
    async with Room() as room:
        await room.join()
        for _ in range(12):
            room.clock.stall(3_000)
            await room.clock.advance(STEP_MS)
        assert room.host.load().lag_ms > 500
        new = dataclasses.replace(room.spec(SessionId("ses_ben")), started_at=room.clock.now())
        with pytest.raises(NoCapacity):
            await room.host.join(new, "offer")
        await room.watch(10_000)
        assert room.host.load().lag_ms < 100
        await room.join(SessionId("ses_ben"))


async def test_closing_the_host_closes_every_session_in_order() -> None:
    async with Room() as room:
        await room.join()
        await room.join(SessionId("ses_ben"))
        await room.watch(2_000)
    assert room.peers.open_now == []
    assert [report.session_id for report in room.judges.taken if report.closing] == [
        ADA,
        "ses_ben",
    ]
    with pytest.raises(NoCapacity):
        await room.host.join(room.spec(epoch=9), "offer")


async def test_a_policy_without_sound_listens_to_none() -> None:
    policy = STANDARD.replace("audio: true", "audio: false")
    assert policy != STANDARD
    async with Room(policy=policy) as room:
        await room.join()
        await room.watch(3_000, microphone=SPEAKING)
        assert room.perception.calls("speech") == []
        assert room.coverage(Modality.AUDIO) == []
        assert room.seen(FacesSeen)


async def test_no_embedding_leaves_the_host(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Room() as room:
        await room.faces.put(template_of(room.spec(), "ana"))
        room.perception.troubles = [Trouble(group="face", kind="breaks", from_ms=0, to_ms=900)]
        await room.join()
        await room.watch(4_000)
        assert any(
            isinstance(ask, FaceAsk) and ask.embed
            for _, _, batch in room.perception.asked
            for ask in batch
        )

    def arrays(value: object) -> list[object]:
        if isinstance(value, dict):
            return [found for item in value.values() for found in arrays(item)]
        if isinstance(value, (list, tuple)):
            return [found for item in value for found in arrays(item)]
        return [value] if isinstance(value, (np.ndarray, bytes)) else []

    assert room.seen(FaceMatched)
    assert [found for r in room.judges.taken for found in arrays(dataclasses.asdict(r))] == []
    canary = str(embedding_of("ana")[0])[:8]
    assert canary not in caplog.text and canary not in repr(room.judges.taken)


async def test_a_gpu_that_is_away_is_told_once_and_so_is_its_return() -> None:
    async with Room() as room:
        room.perception.troubles = [
            Trouble(group="face", kind="on_cpu", from_ms=4_000, to_ms=12_000),
            # the replica beside it still has its GPU: its answers in between are no recovery
            Trouble(group="face", kind="on_cpu", from_ms=14_000, to_ms=16_000),
        ]
        await room.join()
        await room.watch(40_000)
        told = room.coverage(Modality.VIDEO)[1:]
        assert [entry[1:] for entry in told] == [
            (MONITORED, None),
            (DEGRADED, Reason.GPU),
            (MONITORED, None),
        ]
        assert 3_000 <= told[1][0] <= 5_000
        assert 25_000 <= told[2][0] <= 28_000
        assert [state for _, state, _ in room.coverage(Modality.AUDIO)[1:]] == [MONITORED]
        judged = [seen.observed_ms for seen in room.seen(FacesSeen)]
        assert any(5_000 <= at_ms <= 12_000 for at_ms in judged), "the CPU goes on"


async def test_a_voice_detector_without_its_gpu_degrades_the_sound_alone() -> None:
    async with Room() as room:
        room.perception.troubles = [Trouble(group="speech", kind="on_cpu", from_ms=0, to_ms=60_000)]
        await room.join()
        await room.watch(8_000)
        assert room.coverage(Modality.AUDIO)[-1][1:] == (DEGRADED, Reason.GPU)
        assert room.coverage(Modality.VIDEO)[-1][1:] == (MONITORED, None)
