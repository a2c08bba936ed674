"""A session's observations as an Arrow stream: every one, to those who analyse, and not without a row."""

import json
from typing import Any

import pyarrow as pa
import pytest

from proctor.adapters.recordings.observed_arrow import BATCH_ROWS, write_observed
from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.recordings import RecordingKey, Row, Segment
from proctor.domain.roles import Role
from proctor.fusion.observed import Observed, RecordingUnreadable, observed
from tests.fakes import facts
from tests.fakes.api import FakeApi
from tests.fakes.tapes import Recorded

SEEN = (
    facts.faces(1_000, facts.face()),
    facts.gaze(1_000, 12.5),
    facts.match(1_000, 0.875),
    facts.picture(1_000),
    facts.speech(1_040, voiced_ms=96),
)


def rows() -> list[Row]:
    """What a shard recorded of two reports."""
    session = Recorded()
    session.play(
        [
            facts.report(1, 1_100, SEEN[:3]),
            facts.report(2, 2_100, SEEN[3:]),
        ]
    )
    session.write_down()
    return session.rows()


async def record(api: FakeApi, takes: int = 1, tenant: str = "acme") -> str:
    """A session of this tenant with a recording; its id."""
    made = (await api.new_session(tenant))["session"]
    key = RecordingKey(
        tenant_id=TenantId(tenant),
        exam_id=ExamId(made["exam_id"]),
        session_id=SessionId(made["session_id"]),
    )
    for take in range(takes):
        await api.recordings.put(
            Segment(key=key, take=f"take-{take}", number=0, rows=tuple(rows()))
        )
    session_id: str = made["session_id"]
    return session_id


async def ask(api: FakeApi, session_id: str, role: Role, tenant: str = "acme") -> Any:
    return await api.client.get(
        f"/v1/sessions/{session_id}/observations", headers=api.as_(role, tenant, "anna")
    )


def notes(api: FakeApi) -> list[Any]:
    return [row for row in api.database.audit if row[2] == "session.observations_read"]


async def test_every_observation_is_a_row_with_all_that_it_says(api: FakeApi) -> None:
    answer = await ask(api, await record(api), Role.ANALYST)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert answer.headers["cache-control"] == "no-store"
    table = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    assert [(row["kind"], row["observed_ms"]) for row in table] == [
        (each.kind, each.observed_ms) for each in SEEN
    ]
    assert [(row["take"], row["epoch"], row["seq"]) for row in table] == (
        [(1, 1, 1)] * 3 + [(1, 1, 2)] * 2
    )
    assert [row["probability"] for row in table] == [None, None, 0.875, None, 0.5]
    assert [row["frame_digest"] for row in table] == [facts.digest(1_000)] * 3 + [None] * 2
    assert table[1]["models"] == [
        f"{each.model}@{each.version}" for each in (facts.DETECTOR, facts.GAZE_MODEL)
    ]
    gaze = json.loads(table[1]["values"])
    assert gaze["gaze"]["yaw_deg"] == 12.5 and "producers" not in gaze


async def test_takes_are_told_apart(api: FakeApi) -> None:
    answer = await ask(api, await record(api, takes=2), Role.REVIEWER)
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table["take"].to_pylist() == [1] * 5 + [2] * 5


async def test_nothing_but_observations_leaves_with_them(api: FakeApi) -> None:
    text = rows()[0].text.decode()
    assert facts.SESSION in text  # the recording itself begins with the session's particulars
    answer = await ask(api, await record(api), Role.ANALYST)
    table = pa.ipc.open_stream(answer.content).read_all()
    assert facts.SESSION not in json.dumps(table.to_pylist())


@pytest.mark.parametrize("role", list(Role))
async def test_only_those_who_analyse_or_review_may_and_each_time_is_noted(
    api: FakeApi, role: Role
) -> None:
    session_id = await record(api)
    if role is Role.CANDIDATE:
        candidate_id = api.database.sessions[SessionId(session_id)].candidate_id
        token = api.candidate_token(candidate_id, session_id)
        answer = await api.client.get(
            f"/v1/sessions/{session_id}/observations",
            headers={"Authorization": f"Bearer {token}"},
        )
    else:
        answer = await ask(api, session_id, role)
    if role in (Role.ANALYST, Role.REVIEWER, Role.ADMIN):
        assert answer.status_code == 200
        who = ("acme", "anna", "session.observations_read", session_id, None)
        assert notes(api) == [who]
    else:
        assert (answer.status_code, notes(api)) == (403, [])


async def test_another_tenants_session_is_not_there_and_leaves_no_note(api: FakeApi) -> None:
    session_id = await record(api, tenant="other")
    theirs = await ask(api, session_id, Role.ANALYST)
    none = await ask(api, "ses_none", Role.ANALYST)
    assert theirs.status_code == none.status_code == 404 and notes(api) == []
    told = [{**each.json(), "request_id": ""} for each in (theirs, none)]
    assert told[0] == told[1]


async def test_a_session_without_a_recording_has_none(api: FakeApi) -> None:
    made = (await api.new_session())["session"]
    assert (await ask(api, made["session_id"], Role.ANALYST)).status_code == 404


async def test_without_its_row_nothing_is_read(api: FakeApi) -> None:
    session_id = await record(api)
    api.audit.down = True
    answer = await ask(api, session_id, Role.ANALYST)
    assert answer.status_code == 503 and "retry-after" in answer.headers


def test_a_report_that_nobody_can_read_is_told_unless_its_judge_refused_it_too() -> None:
    good = rows()
    at = next(n for n, row in enumerate(good) if row.kind == "consume")
    for text in (b"{", b"{}", b'{"report":{"observations":[{}]}}', b"[]"):
        bad = [*good]
        bad[at] = good[at]._replace(text=text)
        with pytest.raises(RecordingUnreadable, match=f"Row {good[at].no} of take 1"):
            list(observed([bad]))
        skipped = [*bad[: at + 1], good[at]._replace(kind="skip", text=b"{}"), *bad[at + 1 :]]
        assert len(list(observed([skipped]))) == 2  # those of the other report


@pytest.mark.parametrize("count", [0, 1, 9, BATCH_ROWS, BATCH_ROWS + 1])
def test_any_number_of_rows_is_written_and_read_again(count: int) -> None:
    made = [
        Observed(1, n, 1, n, n * 10, "k", ("m@1",) * (n % 3), "d" if n % 2 else None, None, "{}")
        for n in range(count)
    ]
    table = pa.ipc.open_stream(write_observed(made)).read_all()
    read = [Observed(**{**row, "models": tuple(row["models"])}) for row in table.to_pylist()]
    assert read == made
