"""The reviewer's desk over HTTP: the queue, incidents over sessions, one whole, a timeline, a grid."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.incidents import Severity, Verdict
from proctor.domain.roles import Role
from tests.contract.samples import alert, blind, judged, monitored
from tests.fakes.api import FakeApi
from tests.proctor.api.test_review import Sitting


@pytest.fixture
async def sitting(api: FakeApi) -> Sitting:
    return await (await Sitting(api).begin()).connect()


async def told(sitting: Sitting, name: str = "inc_1", **changes: Any) -> None:
    """An incident of the exam's own policy that an alert opened."""
    found = sitting.have(name, **({"rule_id": "looking_away"} | changes))
    whose = {"tenant_id": TenantId("acme"), "exam_id": ExamId(sitting.exam_id)}
    seq = len(sitting.api.database.alerts) + 1
    opened = replace(
        alert(seq, sitting.session_id),
        incident_id=found.incident_id,
        rule_id=found.rule_id,
        **whose,
    )
    part = judged(opened, session_id=sitting.session_id, tenant_id=TenantId("acme"))
    await sitting.api.incidents.commit([part])


async def queue(sitting: Sitting, query: str = "", role: Role = Role.REVIEWER) -> Any:
    answer = await sitting.ask("GET", f"/v1/review/queue{query}", role)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_queue_shows_why_a_session_is_where_it_is(api: FakeApi, sitting: Sitting) -> None:
    sitting.ranked(0.4)
    sitting.have("inc_1", severity=Severity.HIGH)
    sitting.have("inc_2", verdict=Verdict.DISMISSED)
    await api.clock.advance(10_000)
    seen = (monitored(0, 6_000), blind(6_000, 8_000), monitored(8_000, None))
    await api.incidents.commit(
        [judged(session_id=sitting.session_id, tenant_id=TenantId("acme"), coverage=seen)]
    )
    unranked = await Sitting(api).begin("c-2")
    withheld = await Sitting(api).begin("c-3")
    withheld.ranked(None)
    items = (await queue(sitting))["items"]
    assert [item["candidate_ref"] for item in items][:1] == ["c-1"]
    first = items[0]
    assert (first["priority"]["value"], first["withheld"]) == (0.4, None)
    assert first["incidents"] == {
        "total": 2,
        "unreviewed": 1,
        "confirmed": 0,
        "dismissed": 1,
        "by_severity": {"info": 0, "low": 1, "medium": 0, "high": 1},
        "unreviewed_by_severity": {"info": 0, "low": 0, "medium": 0, "high": 1},
    }
    (video,) = first["coverage"]
    assert (video["total_ms"], video["monitored"], video["blind"]) == (10_000, 0.8, 0.2)
    assert video["reasons"] == [
        {"state": "blind", "reason": "host_lost", "ms": 2_000, "share": 0.2}
    ]
    assert (video["now"], video["now_reason"]) == ("monitored", None)
    others = {item["session_id"]: item["withheld"] for item in items[1:]}
    assert others == {unranked.session_id: "none_yet", withheld.session_id: "coverage"}


async def test_pages_of_the_queue_go_on_where_they_ended(api: FakeApi, sitting: Sitting) -> None:
    sitting.ranked(0.4)
    for number in range(2, 7):
        other = await Sitting(api).begin(f"c-{number}")
        if number % 2:
            other.ranked(0.1 * number)
    whole = [item["session_id"] for item in (await queue(sitting))["items"]]
    found: list[str] = []
    query = "?limit=2"
    while True:
        page = await queue(sitting, query)
        found += [item["session_id"] for item in page["items"]]
        if page["next"] is None:
            break
        query = f"?limit=2&cursor={page['next']}"
    assert found == whole and len(whole) == 6


async def test_wrong_questions_to_the_desk_are_refused(sitting: Sitting) -> None:
    for path, code in (
        ("/v1/review/queue?cursor=que_x", "request/bad-cursor"),
        ("/v1/incidents?cursor=inl_z", "request/bad-cursor"),
        ("/v1/review/queue?severity=grave", "request/invalid"),
        ("/v1/review/queue?min_priority=2", "request/invalid"),
        ("/v1/incidents?opened_from=2026-01-01T00:00:00", "request/invalid"),
        ("/v1/incidents?opened_from=0001-01-01T00:00:00%2B14:00", "request/invalid"),
        ("/v1/review/queue?q=a%00b", "request/invalid"),
        ("/v1/sessions?fields=face", "request/invalid"),
        ("/v1/review/queue?exam_id=exa_unknown", "resource/not-found"),
        ("/v1/incidents?session_id=ses_unknown", "resource/not-found"),
    ):
        answer = await sitting.ask("GET", path)
        assert answer.json()["code"] == code, path


async def test_the_queue_is_narrowed(sitting: Sitting, api: FakeApi) -> None:
    sitting.ranked(0.4)
    sitting.have("inc_1", severity=Severity.HIGH)
    await Sitting(api).begin("c-2")
    for query, count in (
        ("?severity=high&verdict=unreviewed", 1),
        ("?severity=high&verdict=confirmed", 0),
        ("?min_priority=0.4", 1),
        ("?min_priority=0.41", 0),
        ("?q=c-2", 1),
        (f"?q={sitting.session_id}", 1),
        ("?state=live", 1),
        ("?status=open", 2),
        ("?status=reviewed", 0),
        (f"?exam_id={sitting.exam_id}", 1),
    ):
        assert len((await queue(sitting, query))["items"]) == count, query


async def test_an_incident_tells_its_reason_with_its_numbers(
    api: FakeApi, sitting: Sitting
) -> None:
    await told(sitting)
    said = {"verdict": "dismiss", "reason": "A poster"}
    await sitting.ask("POST", "/v1/incidents/inc_1/verdict", Role.REVIEWER, said)
    found = (await sitting.ask("GET", "/v1/incidents/inc_1", Role.REVIEWER)).json()
    assert found["title"] == "Looking away" and found["reason"] == "Away by 21.5° for 3 s"
    assert "  yaw_from_base_deg -21.5" in found["lines"]
    assert "id: looking_away" in found["rule_text"]
    assert found["signals"][0]["support"]["numbers"] == {"yaw_from_base_deg": -21.5}
    assert [one["model"] for one in found["producers"]] == ["blazeface"]
    assert (found["origin"], found["policy_version"]) == ("machine", 3)
    assert (found["evidence"], found["evidence_kept"]) == ("none", {"status": "none"})
    assert [(one["verdict"], one["reason"]) for one in found["verdicts"]] == [
        ("dismissed", "A poster")
    ]
    assert found["verdict"] == "dismissed"


async def test_a_later_verdict_stands_and_the_earlier_one_is_kept(
    api: FakeApi, sitting: Sitting
) -> None:
    sitting.have("inc_1")
    for verdict in ("confirm", "dismiss"):
        body = {"verdict": verdict, "reason": f"I {verdict} it"}
        await sitting.ask("POST", "/v1/incidents/inc_1/verdict", Role.REVIEWER, body)
        await api.clock.advance(1_000)
    found = (await sitting.ask("GET", "/v1/incidents/inc_1", Role.REVIEWER)).json()
    assert found["verdict"] == "dismissed"
    assert [one["verdict"] for one in found["verdicts"]] == ["confirmed", "dismissed"]


async def test_incidents_of_all_sessions_come_the_newest_first(
    api: FakeApi, sitting: Sitting
) -> None:
    sitting.have("inc_1", opened_ms=1_000)
    await api.clock.advance(60_000)
    other = await (await Sitting(api).begin("c-2")).connect()
    other.have("inc_2", opened_ms=1_000, severity=Severity.HIGH)
    page = (await sitting.ask("GET", "/v1/incidents?limit=1", Role.REVIEWER)).json()
    assert [one["incident_id"] for one in page["items"]] == ["inc_2"]
    path = f"/v1/incidents?limit=1&cursor={page['next']}"
    page = (await sitting.ask("GET", path, Role.REVIEWER)).json()
    assert [one["incident_id"] for one in page["items"]] == ["inc_1"] and page["next"] is None
    high = (await sitting.ask("GET", "/v1/incidents?severity=high", Role.SERVICE)).json()
    assert [one["incident_id"] for one in high["items"]] == ["inc_2"]


async def test_a_timeline_is_ready_to_be_drawn(api: FakeApi, sitting: Sitting) -> None:
    await told(sitting, suppressed_by="accommodation:may_look_away", closed_ms=4_000)
    await api.clock.advance(10_000)
    seen = (monitored(0, 6_000), blind(6_000, None))
    await api.incidents.commit(
        [judged(session_id=sitting.session_id, tenant_id=TenantId("acme"), coverage=seen)]
    )
    await sitting.ask("POST", "/v1/sessions/{s}/breaks", body={})
    body = {"verdict": "confirm", "reason": "Seen"}
    await sitting.ask("POST", "/v1/incidents/inc_1/verdict", Role.REVIEWER, body)
    answer = await sitting.ask("GET", "/v1/sessions/{s}/timeline", Role.REVIEWER)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["length_ms"], found["is_over"], found["truncated"]) == (10_000, False, [])
    (shown,) = found["incidents"]
    assert (shown["opened_ms"], shown["closed_ms"], shown["verdict"]) == (1_000, 4_000, "confirmed")
    video, audio = found["coverage"]
    assert [each["state"] for each in video["stretches"]] == ["monitored", "blind"]
    assert audio == {"modality": "audio", "stretches": []}
    (lane,) = found["signals"]
    assert lane["kind"] == "gaze_away" and lane["items"][0]["incident_ids"] == ["inc_1"]
    assert [(one["kind"], one["at_ms"]) for one in found["milestones"]] == [
        ("joined", 0),
        ("connected", 0),
        ("verdict", 10_000),
    ]
    assert [(one["start_ms"], one["by"]) for one in found["breaks"]] == [(10_000, "staff")]
    assert found["suppressed"] == [
        {
            "start_ms": 1_000,
            "end_ms": 4_000,
            "incident_id": "inc_1",
            "rule_id": "looking_away",
            "by": "accommodation:may_look_away",
        }
    ]
    assert found["rates"] is None and found["rates_reason"]


async def test_a_grid_gets_the_fields_it_asks_for_and_its_role_may_have(
    api: FakeApi, sitting: Sitting
) -> None:
    sitting.ranked(0.4)
    sitting.have("inc_1")
    path = "/v1/sessions?state=live&fields=candidate,priority,coverage,incidents,decision"
    (full,) = (await sitting.ask("GET", path, Role.REVIEWER)).json()["items"]
    assert full["candidate_ref"] == "c-1" and full["incidents"]["total"] == 1
    assert full["exam_title"] is None  # it was not asked for
    (less,) = (await sitting.ask("GET", path, Role.PROCTOR)).json()["items"]
    assert less["candidate_ref"] == "c-1" and less["priority"]["contributions"] is None
    assert less["incidents"] is None  # they would show what an accommodation covers
    (least,) = (await sitting.ask("GET", path, Role.ANALYST)).json()["items"]
    assert least["candidate_ref"] is None
    (plain,) = (await sitting.ask("GET", "/v1/sessions?state=live")).json()["items"]
    assert plain["session_id"] == sitting.session_id and plain["priority"] is None


async def test_a_session_that_ended_is_told_to_its_end(api: FakeApi, sitting: Sitting) -> None:
    await api.clock.advance(5_000)
    await sitting.ask("POST", "/v1/sessions/{s}/end")
    await api.clock.advance(3_600_000)
    found = (await sitting.ask("GET", "/v1/sessions/{s}/timeline")).json()
    assert (found["length_ms"], found["is_over"]) == (5_000, True)
    assert found["milestones"][-1]["kind"] == "left"
    session = api.database.sessions[SessionId(sitting.session_id)]
    assert session.ended_at is not None and session.started_at is not None
    assert session.ended_at - session.started_at == timedelta(seconds=5)
