"""What is told has its evidence ordered: once taken never asked for again, and never lost in silence."""

from dataclasses import replace

import pytest

from proctor.domain.errors import InvalidInput
from proctor.domain.evidence import EvidenceOrder
from proctor.domain.incidents import Category, EvidenceStatus
from proctor.domain.notes import IncidentNote
from proctor.domain.observations import Observation
from proctor.domain.reports import CommandName, OrderNews, OrderState, TickReport
from proctor.fusion.alert_log import alert_log
from proctor.fusion.judge import SessionJudge
from proctor.fusion.memory import read_body, read_mark
from proctor.fusion.ordering import GONE_AFTER_MS, MOST_OPEN
from proctor.fusion.policy import parse_policy
from proctor.fusion.replay import replay
from tests.fakes import facts
from tests.fakes.engines import policy_text
from tests.fakes.tapes import Recorded

KEEPS = {"pictures": True, "clip": True, "before_ms": 4_000, "after_ms": 3_000}
NO_FACE = {
    "id": "no_face",
    "when": {"signal": "no_face"},
    "for_ms": 3_000,
    "severity": "medium",
    "escalate": {"after_ms": 6_000, "severity": "high"},
}


def kept(*rules: dict[str, object], **evidence: object) -> str:
    return policy_text(*(rules or (NO_FACE,)), evidence=KEEPS | evidence)


def absence(from_ms: int = 2_000, until_ms: int = 12_000) -> list[Observation]:
    seen = facts.media_come() + facts.attentive_face(0, from_ms, 0.0, hz=2)
    return seen + [facts.faces(at) for at in range(from_ms, until_ms, 500)]


class Bench:
    """A judge and the host's side of the talk."""

    def __init__(self, policy: str | None = None) -> None:
        self.one = Recorded(facts.spec(policy=kept() if policy is None else policy))
        self.sent: list[tuple[int, EvidenceOrder]] = []

    @property
    def judge(self) -> SessionJudge:
        return self.one.judge

    def report(self, report: TickReport) -> None:
        def consume(judge: SessionJudge):  # type: ignore[no-untyped-def]
            judgement = judge.consume(report, facts.BEGAN)
            for command in judgement.commands:
                if command.name is CommandName.KEEP:
                    assert command.order is not None
                    self.sent.append((report.sent_ms, command.order))
            return judgement

        self.one.step(consume)

    def play(self, seen: list[Observation], until_ms: int) -> None:
        for report in facts.reports(seen, until_ms):
            self.report(report)

    def answer(self, state: OrderState, order: EvidenceOrder, at_ms: int, **more: object) -> None:
        mark = self.judge.mark
        said = OrderNews(incident_id=order.incident_id, until_ms=order.until_ms, state=state)
        report = TickReport(
            session_id=facts.SESSION,
            epoch=mark.epoch,
            seq=mark.seq + 1,
            sent_ms=at_ms,
            observations=(),
            orders=(said,),
        )
        self.report(replace(report, **more))  # type: ignore[arg-type]

    def tick(self, now_ms: int, silent_ms: int = 0) -> None:
        """As the shard's timer does it."""
        self.one.step(lambda judge: judge.tick(now_ms, silent_ms, facts.BEGAN))
        for note in self.judge.lost_evidence(self.judge.mark.now_ms):
            self.one.step(lambda judge, each=note: judge.annotate(each, facts.BEGAN))  # type: ignore[misc]

    def status(self) -> EvidenceStatus:
        return self.one.incidents[-1].evidence.status


def test_what_is_told_is_ordered_with_the_picture_that_the_alert_names() -> None:
    bench = Bench()
    bench.play(absence(until_ms=6_000), 6_000)
    (at_ms, order), *_ = bench.sent
    bench.one.write_down()
    (alert,) = bench.one.alerts
    (incident,) = bench.one.incidents
    assert order.digests == (alert.frame_digest,)
    assert order.incident_id == alert.incident_id == incident.incident_id
    assert incident.evidence.status is EvidenceStatus.PENDING
    assert (order.from_ms, order.until_ms) == (0, at_ms + 3_000)
    assert (order.tenant_id, order.candidate_id) == (alert.tenant_id, alert.candidate_id)
    assert not order.with_sound


def test_an_order_is_sent_every_second_until_it_is_taken() -> None:
    bench = Bench()
    bench.play(absence(until_ms=8_000), 8_000)
    times = [at for at, _ in bench.sent]
    assert len({order for _, order in bench.sent}) == 1
    assert times == list(range(times[0], 8_001, 1_000)) and len(times) >= 3
    bench.answer(OrderState.TAKEN, bench.sent[0][1], 8_200)
    bench.answer(OrderState.TAKEN, bench.sent[0][1], 9_400)
    assert len(bench.sent) == len(times)
    assert bench.judge.owes_evidence
    bench.answer(OrderState.HANDED, bench.sent[0][1], 9_600)
    assert not bench.judge.owes_evidence


def test_what_becomes_worse_is_ordered_again_with_its_newer_picture() -> None:
    bench = Bench()
    bench.play(absence(until_ms=12_000), 12_000)
    first, last = bench.sent[0][1], bench.sent[-1][1]
    assert first.incident_id == last.incident_id
    assert set(first.digests) < set(last.digests)  # the first was not taken yet: it is part of it
    assert last.until_ms > first.until_ms and last.from_ms == first.from_ms


def test_a_policy_that_keeps_nothing_orders_nothing() -> None:
    for policy in (policy_text(NO_FACE), kept(NO_FACE | {"evidence": False})):
        bench = Bench(policy)
        bench.play(absence(), 12_000)
        assert bench.one.incidents and not bench.sent
        assert {each.evidence.status for each in bench.one.incidents} == {EvidenceStatus.NONE}


def test_what_nobody_is_told_is_not_kept_either() -> None:
    bench = Bench(
        policy_text(NO_FACE | {"severity": "low"}, evidence=KEEPS, budget={"per_hour": 0})
    )
    bench.play(absence(until_ms=7_000), 7_000)
    assert bench.one.incidents[-1].suppressed_by == "budget"
    assert not bench.sent and bench.status() is EvidenceStatus.NONE


def test_coverage_is_shown_by_what_was_seen_before_it_and_without_sound() -> None:
    frozen = {"id": "frozen", "when": {"signal": "video_frozen"}, "category": "coverage"}
    bench = Bench(kept(frozen, sound=True))
    seen: list[Observation] = facts.media_come()
    seen += [facts.picture(at, still_ms=max(0, at - 6_000)) for at in range(0, 14_000, 200)]
    bench.play(seen, 14_000)
    (incident, *_) = bench.one.incidents
    assert incident.category is Category.COVERAGE
    order = bench.sent[0][1]
    assert order.digests == () and not order.with_sound
    assert order.until_ms == incident.opened_ms
    assert order.from_ms == incident.opened_ms - 4_000


def test_a_host_that_is_gone_with_an_order_is_told_as_a_loss_once() -> None:
    bench = Bench()
    bench.play(absence(until_ms=6_000), 6_000)
    bench.tick(9_000, silent_ms=3_000)
    assert bench.status() is EvidenceStatus.PENDING  # its last words may still come
    bench.tick(9_000 + GONE_AFTER_MS, silent_ms=GONE_AFTER_MS)
    assert bench.status() is EvidenceStatus.LOST
    bench.one.write_down()
    assert bench.one.alerts[-1].reason == "Its evidence was lost."
    told = len(bench.one.alerts)
    bench.tick(200_000, silent_ms=190_000)
    bench.one.write_down()
    assert len(bench.one.alerts) == told


def test_a_host_that_comes_back_is_asked_on() -> None:
    bench = Bench()
    bench.play(absence(until_ms=6_000), 6_000)
    bench.tick(9_000, silent_ms=3_000)
    sent = len(bench.sent)
    bench.answer(OrderState.TAKEN, bench.sent[0][1], 9_200, orders=())
    assert len(bench.sent) == sent + 1
    bench.tick(9_000 + GONE_AFTER_MS)
    assert bench.status() is EvidenceStatus.PENDING


def test_the_last_words_of_a_connection_that_was_replaced_are_heard() -> None:
    bench = Bench()
    bench.play(absence(until_ms=6_000), 6_000)
    order = bench.sent[0][1]
    for report in facts.reports(facts.media_come(7_000), 8_000, epoch=2, from_ms=7_000):
        bench.report(report)
    assert [
        each for at, each in bench.sent if at >= 7_000
    ] == []  # another host knows nothing of it
    said = (
        OrderNews(incident_id=order.incident_id, until_ms=order.until_ms, state=OrderState.HANDED),
    )
    bench.one.step(lambda judge: judge.evidence_news(said, facts.BEGAN))
    bench.tick(9_000 + GONE_AFTER_MS)
    assert bench.status() is EvidenceStatus.PENDING  # the keeper tells what became of it


def test_what_the_host_calls_lost_is_told_at_once() -> None:
    bench = Bench()
    bench.play(absence(until_ms=6_000), 6_000)
    bench.answer(OrderState.LOST, bench.sent[0][1], 6_200)
    bench.tick(6_300)
    assert bench.status() is EvidenceStatus.LOST
    assert not bench.judge.owes_evidence


def test_a_store_s_word_ends_the_order_of_a_host_that_is_gone() -> None:
    bench = Bench()
    bench.play(absence(until_ms=6_000), 6_000)
    bench.answer(OrderState.TAKEN, bench.sent[0][1], 6_200)
    incident = bench.one.incidents[-1]
    note = IncidentNote(note_id="evi_x", incident=incident, evidence=EvidenceStatus.STORED)
    bench.one.step(lambda judge: judge.annotate(note, facts.BEGAN))
    bench.tick(60_000, silent_ms=50_000)
    bench.tick(200_000, silent_ms=190_000)
    assert bench.status() is EvidenceStatus.STORED


def test_an_order_survives_its_shard() -> None:
    bench = Bench()
    bench.play(absence(until_ms=6_000), 6_000)
    order = bench.sent[0][1]
    mark, body = bench.judge.export_mark(), bench.judge.export_body()
    again = SessionJudge(bench.judge.spec, read_mark(mark), read_body(body))
    report = TickReport(
        session_id=facts.SESSION,
        epoch=1,
        seq=again.mark.seq + 1,
        sent_ms=again.mark.now_ms + 1_000,
        observations=(),
    )
    (command,) = (
        each
        for each in again.consume(report, facts.BEGAN).commands
        if each.name is CommandName.KEEP
    )
    assert command.order == order


def test_a_recording_with_orders_and_losses_replays_to_the_same_bytes() -> None:
    bench = Bench()
    bench.play(absence(until_ms=6_000), 6_000)
    bench.answer(OrderState.TAKEN, bench.sent[0][1], 6_200)
    bench.tick(9_000, silent_ms=3_000)
    bench.tick(30_000, silent_ms=24_000)
    bench.tick(9_000 + GONE_AFTER_MS, silent_ms=GONE_AFTER_MS)
    bench.one.step(lambda judge: judge.end(60_000, facts.BEGAN))
    bench.one.write_down()
    again = replay([bench.one.rows()])
    assert alert_log(again.alerts) == alert_log(bench.one.alerts)
    assert [each.evidence for each in again.incidents] == [bench.one.incidents[-1].evidence]
    other = replay([bench.one.rows()], policy_text(NO_FACE))
    assert "evidence" not in " ".join(alert.reason for alert in other.alerts)


def test_what_cannot_be_kept_is_refused_with_the_policy() -> None:
    for wrong, why in (
        ({"pictures": False}, "clip needs pictures"),
        ({"clip": False, "sound": True}, "sound needs clip"),
        ({"before_ms": 30_001}, "less than or equal to 30000"),
        ({"forever": True}, "Extra inputs"),
        ({"pictures": 1}, "valid boolean"),
    ):
        with pytest.raises(InvalidInput, match=why):
            parse_policy(kept(**wrong))
    silent = policy_text(NO_FACE, evidence=KEEPS | {"sound": True}, sampling={"audio": False})
    with pytest.raises(InvalidInput, match=r"evidence.sound needs sampling.audio"):
        parse_policy(silent)


def test_more_orders_than_a_host_can_see_to_are_told_as_lost_and_not_held() -> None:
    rules = [NO_FACE | {"id": f"no_face_{number}"} for number in range(MOST_OPEN + 5)]
    bench = Bench(kept(*rules))
    bench.play(absence(until_ms=6_000), 6_000)
    bench.tick(6_100)
    bench.one.write_down()
    told = [alert.rule_id for alert in bench.one.alerts if "evidence" in alert.reason]
    assert told == [f"no_face_{number}" for number in range(5)]
    assert len(bench.judge._body.orders) == MOST_OPEN
