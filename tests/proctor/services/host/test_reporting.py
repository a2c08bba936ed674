from proctor.domain.observations import ClientEvent, ClientEventName
from proctor.services.host.reporting import MOST_AT_ONCE, MOST_UNACKNOWLEDGED, ReportLog
from tests.proctor.services.host.room import Room

SPEC = Room().spec()


def event(at_ms: int) -> ClientEvent:
    return ClientEvent(observed_ms=at_ms, name=ClientEventName.PAGE_SHOWN)


def test_reports_are_numbered_and_the_first_says_what_the_session_is() -> None:
    log = ReportLog(SPEC)
    assert log.owes_heartbeat(0)
    log.make(0, [event(20), event(10)])
    log.make(200)
    first, second = log.to_send(200)
    assert (first.seq, first.spec, second.seq, second.spec) == (1, SPEC, 2, None)
    assert [seen.observed_ms for seen in first.observations] == [10, 20]


def test_reports_are_kept_until_they_are_acknowledged() -> None:
    log = ReportLog(SPEC)
    for at_ms in (0, 200, 400):
        log.make(at_ms)
    assert [report.seq for report in log.to_send(400)] == [1, 2, 3]
    assert log.to_send(600) == []
    log.acknowledge(2)
    assert [report.seq for report in log.to_send(600)] == [3]
    assert [report.seq for report in log.to_send(1_600)] == [3]
    log.acknowledge(99)
    assert log.is_empty and log.to_send(9_000) == []
    log.make(9_000)
    assert [report.seq for report in log.to_send(9_000)] == [4]


def test_silence_is_broken_once_a_second_unless_reports_wait() -> None:
    log = ReportLog(SPEC)
    log.make(0)
    assert not log.owes_heartbeat(5_000)
    log.acknowledge(1)
    assert not log.owes_heartbeat(999)
    assert log.owes_heartbeat(1_000)


def test_a_shard_that_asks_gets_the_spec_with_the_next_report_at_once() -> None:
    log = ReportLog(SPEC)
    log.make(0)
    log.to_send(0)
    log.acknowledge(1)
    log.resend_with_spec()
    assert log.owes_heartbeat(200)
    log.make(200)
    [report] = log.to_send(200)
    assert report.spec == SPEC
    log.resend_with_spec()
    assert log.to_send(210)[0].spec == SPEC
    log.acknowledge(2)
    log.make(400)
    assert log.to_send(400)[0].spec is None


def test_what_is_kept_and_what_is_sent_at_once_is_bounded() -> None:
    log = ReportLog(SPEC)
    while not log.is_full:
        log.make(0)
    assert len(log.rest()) == MOST_UNACKNOWLEDGED
    assert len(log.to_send(0)) == MOST_AT_ONCE
    log.acknowledge(MOST_AT_ONCE)
    assert not log.is_full
    assert log.to_send(10)[0].seq == MOST_AT_ONCE + 1
