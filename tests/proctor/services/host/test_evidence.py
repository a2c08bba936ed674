"""Pictures in, an alert out, and what shows it in its keeper's hands; a bad keeper delays nobody."""

import hashlib
from datetime import timedelta

from bench.unkept import Unkept
from proctor.domain.alerts import Alert, Transition
from proctor.domain.evidence import EvidenceOrder, PieceKind
from proctor.domain.ids import CandidateId, ExamId, IncidentId, TenantId
from proctor.domain.incidents import EvidenceStatus, Incident
from proctor.domain.media import Strip
from proctor.domain.perception import BodyAsk, FaceAsk
from proctor.domain.reports import Command, CommandName, OrderState, TickReport
from proctor.services.host.evidence_box import KeepingLimits
from proctor.services.host.handing import KEEP_WITHIN_MS
from tests.fakes.evidence_keeper import FakeEvidenceKeeper
from tests.fakes.media_peers import Lens
from tests.fakes.perception import Scene, template_of
from tests.proctor.services.host.room import ADA, STANDARD, STEP_MS, Room
from tests.proctor.services.host.test_with_a_shard import Court

LOUD = STANDARD.replace("sound: false              # the", "sound: true  # the")
NO_CLIP = STANDARD.replace("clip: true ", "clip: false ")
NOTHING = STANDARD.replace("pictures: true ", "pictures: false ").replace(
    "clip: true ", "clip: false "
)
assert len({STANDARD, LOUD, NO_CLIP, NOTHING}) == 4
AWAY_MS = 12_000
REAL = Lens(variety=150)


async def leaves(court: Court, until_ms: int = 30_000) -> None:
    """Ana sits there and goes away from the twelfth second to the twentieth."""
    room = court.room
    await room.faces.put(template_of(room.spec(), "ana"))
    room.perception.scenes = [
        Scene(from_ms=0, people=("ana",)),
        Scene(from_ms=AWAY_MS, people=()),
        Scene(from_ms=20_000, people=("ana",)),
    ]
    await room.join()
    await room.watch(until_ms, lens=REAL)


def alert_of(court: Court, rule: str) -> Alert:
    return next(
        alert
        for alert in court.incidents.database.alerts.values()
        if alert.rule_id == rule and alert.transition is Transition.OPENED
    )


async def incident_of(court: Court, alert: Alert) -> Incident:
    return await court.incidents.get_incident(alert.tenant_id, alert.incident_id)


def kinds(keeper: FakeEvidenceKeeper) -> list[PieceKind]:
    return [piece.kind for _, pieces in keeper.kept for piece in pieces]


async def test_the_very_bytes_that_were_judged_are_handed_over_with_what_was_around_them() -> None:
    async with Court() as court:
        await leaves(court)
        keeper, alert = court.room.keeper, alert_of(court, "no_face")
        (order, pieces) = next(
            each for each in keeper.kept if each[0].incident_id == alert.incident_id
        )
        judged = [piece for piece in pieces if piece.kind is PieceKind.JUDGED]
        assert alert.frame_digest in {piece.sha256 for piece in judged}
        for piece in pieces:
            assert hashlib.sha256(piece.content).hexdigest() == piece.sha256
        asked = {
            ask.picture
            for _, _, asks in court.room.perception.asked
            for ask in asks
            if isinstance(ask, FaceAsk | BodyAsk)
        }
        stills = [piece for piece in pieces if piece.kind is not PieceKind.CLIP]
        assert all(piece.content in asked for piece in stills)  # not one was encoded for this
        before = [piece.start_ms for piece in pieces if piece.kind is PieceKind.BEFORE]
        after = [piece.start_ms for piece in pieces if piece.kind is PieceKind.AFTER]
        assert before == sorted(before) and after == sorted(after)
        assert 2 <= len(before) <= 4 and 2 <= len(after) <= 4
        assert order.from_ms <= before[0] and before[-1] < alert.occurred_ms <= after[0]
        assert after[-1] <= order.until_ms
        (clip,) = (piece for piece in pieces if piece.kind is PieceKind.CLIP)
        assert clip.start_ms <= alert.occurred_ms and clip.end_ms == order.until_ms
        assert b"~" not in clip.content  # no sound: the policy does not say so
        assert (await incident_of(court, alert)).evidence.status is EvidenceStatus.PENDING
        assert not court.shard._sessions[ADA].judge.owes_evidence


async def test_sound_is_handed_over_only_where_the_policy_says_so() -> None:
    async with Court(policy=LOUD) as court:
        await leaves(court)
        (clip,) = court.room.keeper.pieces(PieceKind.CLIP, alert_of(court, "no_face").incident_id)
        assert b"~opus" in clip.content


async def test_of_a_policy_that_keeps_no_clip_no_media_are_collected() -> None:
    async with Court(policy=NO_CLIP) as court:
        await leaves(court)
        assert court.room.peers.opened[0].sink.tap is None  # type: ignore[attr-defined]
        assert PieceKind.JUDGED in kinds(court.room.keeper)
        assert PieceKind.CLIP not in kinds(court.room.keeper)


async def test_of_a_policy_that_keeps_nothing_nothing_is_kept_or_collected() -> None:
    async with Court(policy=NOTHING) as court:
        await leaves(court)
        alert = alert_of(court, "no_face")
        hosted = court.room.host._hosted[ADA].session
        assert hosted.box is None and hosted.tap is None
        assert court.room.keeper.kept == []
        assert (await incident_of(court, alert)).evidence.status is EvidenceStatus.NONE


async def test_a_keeper_that_hangs_delays_no_report_and_its_orders_are_told_as_lost() -> None:
    async with Court() as court:
        court.room.keeper.runs.clear()
        await leaves(court)
        sent = court.room.host._hosted[ADA].session.reports
        assert sent.is_empty or len(sent.rest()) <= 2
        alert = alert_of(court, "no_face")
        delay = alert.raised_at - court.room.started_at - timedelta(milliseconds=alert.occurred_ms)
        assert delay <= timedelta(seconds=5)
        assert (await incident_of(court, alert)).evidence.status is EvidenceStatus.PENDING
        await court.room.watch(KEEP_WITHIN_MS + 1_000)
        assert (await incident_of(court, alert)).evidence.status is EvidenceStatus.LOST
        assert court.room.metrics.counted("host_evidence", outcome="timeout") >= 1


async def test_without_a_store_what_was_ordered_is_told_as_lost_once() -> None:
    async with Court() as court:
        court.room.host._hands._keeper = Unkept()
        await leaves(court)
        alert = alert_of(court, "no_face")
        assert (await incident_of(court, alert)).evidence.status is EvidenceStatus.LOST
        told = [
            each.reason
            for each in court.incidents.database.alerts.values()
            if each.incident_id == alert.incident_id
        ]
        assert told.count("Its evidence was lost.") == 1


async def test_leaving_hands_over_at_once_what_there_is() -> None:
    async with Court() as court:
        await leaves(court, until_ms=17_000)
        alert = alert_of(court, "no_face")
        assert court.room.keeper.kept == []  # what comes after is waited for
        await court.room.host.leave(ADA, 1)
        await court.room.clock.advance(1_000)
        (order, pieces) = court.room.keeper.kept[0]
        assert order.incident_id == alert.incident_id
        assert {PieceKind.JUDGED, PieceKind.BEFORE, PieceKind.CLIP} <= {one.kind for one in pieces}
        assert not court.shard._sessions[ADA].judge.owes_evidence  # its last words were heard


async def test_a_host_that_dies_with_an_order_is_told_as_a_loss() -> None:
    async with Court() as court:
        await leaves(court, until_ms=17_000)
        alert = alert_of(court, "no_face")
        court.room._running.cancel()  # the process is gone, and all that it kept
        for _ in range(120):
            await court.room.clock.advance(500)
        assert court.room.keeper.kept == []
        assert (await incident_of(court, alert)).evidence.status is EvidenceStatus.LOST


# the host alone: orders by hand


def order_of(*digests: str, until_ms: int = 6_000, incident: str = "inc_a") -> EvidenceOrder:
    return EvidenceOrder(
        tenant_id=TenantId("ten_a"),
        exam_id=ExamId("exa_a"),
        session_id=ADA,
        candidate_id=CandidateId("can_a"),
        incident_id=IncidentId(incident),
        digests=digests,
        from_ms=0,
        until_ms=until_ms,
    )


def send(room: Room, order: EvidenceOrder) -> None:
    room.judges.commands.setdefault(ADA, []).append(Command(name=CommandName.KEEP, order=order))


def said(reports: list[TickReport]) -> list[tuple[str, int, OrderState]]:
    return [(n.incident_id, n.until_ms, n.state) for each in reports for n in each.orders]


async def test_an_order_that_comes_again_is_answered_and_done_once() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000)
        order = order_of(until_ms=4_000)
        for _ in range(3):
            send(room, order)
            await room.watch(1_000)
        send(room, order)
        await room.watch(1_000)
        assert len(room.keeper.kept) == 1
        states = [state for _, _, state in said(room.reports())]
        assert states[0] is OrderState.TAKEN and states[-1] is OrderState.HANDED


async def test_what_becomes_worse_is_handed_over_without_what_was_given() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(5_000)
        first = room.host._hosted[ADA].session.box
        assert first is not None
        digest = next(iter(first.album._pictures))
        send(room, order_of(digest, until_ms=5_200))
        await room.watch(2_000)
        send(room, order_of(digest, until_ms=9_000))
        await room.watch(4_000)
        (_, before), (_, later) = room.keeper.kept
        assert not {one.sha256 for one in before} & {one.sha256 for one in later}
        assert [one.sha256 for one in before if one.kind is PieceKind.JUDGED] == [digest]
        assert max(one.start_ms for one in later) > 5_200


async def test_many_orders_hold_no_more_than_the_session_s_bytes() -> None:
    limits = KeepingLimits(pictures_bytes=300_000, media_bytes=20_000)
    async with Room(keeping=limits) as room:
        room.keeper.runs.clear()
        await room.join()
        await room.watch(10_000, lens=Lens(noise=40))
        box = room.host._hosted[ADA].session.box
        assert box is not None
        for number in range(40):
            digests = tuple(box.album._pictures)[-2:]
            send(room, order_of(*digests, until_ms=60_000 + number, incident=f"inc_{number}"))
            await room.watch(STEP_MS, lens=Lens(noise=40))
            assert box.size <= limits.pictures_bytes + limits.media_bytes
        assert len(box._waiting) < 40  # the oldest went as they were


async def test_what_is_on_its_way_to_a_keeper_is_bounded_and_the_rest_is_lost() -> None:
    async with Room() as room:
        room.keeper.runs.clear()
        room.host._hands._limit_bytes = 40_000
        await room.join()
        await room.watch(6_000)
        for number in range(10):
            send(room, order_of(until_ms=6_000, incident=f"inc_{number}"))
            await room.watch(STEP_MS)
        await room.watch(1_000)
        assert room.host._hands._bytes <= 40_000
        states = [state for _, _, state in said(room.reports())]
        assert states.count(OrderState.LOST) >= 5
        room.keeper.runs.set()


async def test_an_order_for_a_picture_that_is_gone_brings_what_there_is() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(5_000)
        send(room, order_of("0" * 64, until_ms=5_000))
        await room.watch(2_000)
        ((_, pieces),) = room.keeper.kept
        assert {one.kind for one in pieces} >= {PieceKind.BEFORE, PieceKind.CLIP}
        assert PieceKind.JUDGED not in {one.kind for one in pieces}


async def test_a_keeper_that_raises_is_told_as_a_loss_and_the_session_goes_on() -> None:
    async with Room() as room:
        room.keeper.down = True
        await room.join()
        await room.watch(3_000)
        send(room, order_of(until_ms=3_000))
        await room.watch(3_000)
        assert said(room.reports())[-1][2] is OrderState.LOST
        assert len(room.reports()) > 5


async def test_an_order_that_comes_with_the_last_acknowledgement_is_still_seen_to() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(5_000)
        await room.clock.advance(1_000)
        send(room, order_of(until_ms=20_000))
        await room.host.leave(ADA, 1)
        await room.clock.advance(1_000)
        ((_, pieces),) = room.keeper.kept
        assert PieceKind.CLIP in {one.kind for one in pieces}
        states = [(state, each.closing) for each in room.reports() for _, _, state in said([each])]
        assert states[-1] == (OrderState.HANDED, True)


async def test_a_host_that_is_closed_hands_over_first() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(5_000)
        send(room, order_of(until_ms=60_000))
        await room.watch(1_000)
        assert room.keeper.kept == []
    assert len(room.keeper.kept) == 1
    assert said(room.reports())[-1][2] is OrderState.HANDED


async def test_a_page_that_connects_anew_loses_nothing_that_was_ordered() -> None:
    async with Court() as court:
        await leaves(court, until_ms=17_000)
        alert = alert_of(court, "no_face")
        assert court.room.keeper.kept == []
        await court.room.join(epoch=2)
        await court.room.watch(50_000, lens=REAL)
        kept = [order.incident_id for order, _ in court.room.keeper.kept]
        assert kept[0] == alert.incident_id
        assert (await incident_of(court, alert)).evidence.status is EvidenceStatus.PENDING


async def test_a_maker_of_clips_that_breaks_costs_the_clip_alone() -> None:
    class Broken:
        def write(self, strip: Strip) -> tuple[str, bytes]:
            raise TypeError(f"{len(strip.pictures)} pictures")

    async with Room() as room:
        room.host._clips = Broken()
        await room.join()
        await room.watch(3_000)
        send(room, order_of(until_ms=3_000))
        await room.watch(2_000)
        ((_, pieces),) = room.keeper.kept
        assert pieces and PieceKind.CLIP not in {one.kind for one in pieces}
        assert room.metrics.counted("host_failed_ticks") == 0
