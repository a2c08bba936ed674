"""`Recordings`: what the fake, a folder and S3 do alike."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from proctor.adapters.recordings.objects import ObjectRecordings
from proctor.domain.errors import InvalidInput, NotFound, StateStoreUnavailable
from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.recordings import Footer, RecordingKey, Row, Segment, due_at, is_due
from proctor.ports import Recordings
from tests.fakes import facts
from tests.fakes.recordings import FakeRecordings
from tests.fakes.tapes import Recorded

TENANT, EXAM = TenantId("ten_test"), ExamId("exa_test")
TAKE = "20260101T120000000Z"


def key(session: str = "ses_test", tenant: str = TENANT, exam: str = EXAM) -> RecordingKey:
    return RecordingKey(
        tenant_id=TenantId(tenant), exam_id=ExamId(exam), session_id=SessionId(session)
    )


def rows() -> tuple[Row, ...]:
    one = Recorded()
    one.play(facts.reports(facts.media_come() + facts.attentive_face(0, 3_000, 0.0), 3_000))
    one.write_down()
    return tuple(one.rows())


def segment(number: int = 0, take: str = TAKE, whose: RecordingKey | None = None) -> Segment:
    all_rows = rows()
    some = all_rows[number * 5 : number * 5 + 5]
    return Segment(key=whose or key(), take=take, number=number, rows=some)


def footer(whose: RecordingKey | None = None, days: int | None = 30) -> Footer:
    return Footer(
        key=whose or key(),
        take=TAKE,
        entries=17,
        alerts=2,
        alert_log_sha256="a" * 64,
        ended_at=facts.BEGAN,
        retention_days=days,
    )


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 of our own on a free port of this machine."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def use_s3(environment: pytest.MonkeyPatch, endpoint: str) -> None:
    for name, value in {
        "ENDPOINT_URL": endpoint,
        "REGION": "us-east-1",
        "ACCESS_KEY_ID": "test",
        "SECRET_ACCESS_KEY": "test",
    }.items():
        environment.setenv(f"AWS_{name}", value)


async def make_bucket(endpoint: str, name: str) -> None:
    import httpx

    async with httpx.AsyncClient() as client:
        answer = await client.put(f"{endpoint}/{name}")
        assert answer.status_code == 200


@pytest.fixture(params=["fake", "folder", pytest.param("s3", marks=pytest.mark.service)])
async def recordings(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Recordings]:
    if request.param == "fake":
        yield FakeRecordings()
    elif request.param == "folder":
        yield ObjectRecordings((tmp_path / "with space").as_uri())
    else:
        endpoint = request.getfixturevalue("s3")
        bucket = f"b{abs(hash(request.node.name))}"
        await make_bucket(endpoint, bucket)
        use_s3(monkeypatch, endpoint)
        yield ObjectRecordings(f"s3+http://{bucket}/recordings")


async def test_segments_come_back_in_order_and_exactly(recordings: Recordings) -> None:
    for number in (1, 0, 2):
        await recordings.put(segment(number))
    found = await recordings.read(key())
    assert found.takes == (rows()[:15],)
    assert (found.key, found.footer) == (key(), None)


async def test_the_same_segment_again_replaces_it(recordings: Recordings) -> None:
    await recordings.put(segment())
    await recordings.put(replace(segment(), rows=rows()[:6]))
    assert (await recordings.read(key())).takes == (rows()[:6],)


async def test_takes_are_kept_apart_oldest_first(recordings: Recordings) -> None:
    await recordings.put(segment(0, "20260101T120500000Z"))
    await recordings.put(segment(0, TAKE))
    await recordings.put(segment(1, TAKE))
    assert (await recordings.read(key())).takes == (rows()[:10], rows()[:5])


async def test_of_two_takes_of_one_moment_the_second_comes_second(recordings: Recordings) -> None:
    await recordings.put(segment(0, TAKE + "+"))
    await recordings.put(segment(0, TAKE))
    await recordings.put(segment(1, TAKE))
    assert (await recordings.read(key())).takes == (rows()[:10], rows()[:5])


async def test_a_closed_recording_has_its_newest_footer(recordings: Recordings) -> None:
    await recordings.put(segment())
    assert await recordings.footer(key()) is None
    await recordings.close_with(footer(days=None))
    await recordings.close_with(footer())
    assert (await recordings.read(key())).footer == await recordings.footer(key()) == footer()
    assert [each async for each in recordings.footers()] == [footer()]


async def test_an_exam_lists_its_sessions_and_no_other(recordings: Recordings) -> None:
    for session in ("ses_b", "ses_a"):
        await recordings.put(segment(whose=key(session)))
        await recordings.put(segment(1, whose=key(session)))
    await recordings.put(segment(whose=key("ses_c", exam="exa_other")))
    await recordings.put(segment(whose=key("ses_d", tenant="other")))
    assert await recordings.sessions(TENANT, EXAM) == ["ses_a", "ses_b"]
    assert await recordings.sessions(TENANT, ExamId("exa_none")) == []


@pytest.fixture
def damaged(tmp_path: Path) -> ObjectRecordings:
    """Three closed recordings; the footer of the second is half a footer."""
    recordings = ObjectRecordings(tmp_path.as_uri())
    for session in ("ses_a", "ses_b", "ses_c"):
        asyncio.run(recordings.close_with(footer(key(session))))
    (file,) = tmp_path.rglob("ses_b.json")
    file.write_bytes(file.read_bytes()[:40])
    return recordings


async def test_a_footer_that_is_damaged_keeps_no_other_from_being_found(
    damaged: ObjectRecordings,
) -> None:
    found = [each.key.session_id async for each in damaged.footers()]
    assert sorted(found) == ["ses_a", "ses_c"]


async def test_what_is_erased_is_gone_and_nothing_else(recordings: Recordings) -> None:
    for session in ("ses_a", "ses_ab"):
        await recordings.put(segment(whose=key(session)))
        await recordings.close_with(footer(key(session)))
    await recordings.erase(key("ses_a"))
    await recordings.erase(key("ses_a"))
    with pytest.raises(NotFound):
        await recordings.read(key("ses_a"))
    assert (await recordings.read(key("ses_ab"))).footer is not None
    assert [each.key async for each in recordings.footers()] == [key("ses_ab")]


async def test_names_of_other_systems_lead_nowhere_else(recordings: Recordings) -> None:
    for tenant in ("../../etc", "a/b", "ümlaut %2e", "."):
        await recordings.put(segment(whose=key(tenant=tenant)))
        assert (await recordings.read(key(tenant=tenant))).takes == (rows()[:5],)
    with pytest.raises(NotFound):
        await recordings.read(key(tenant="b"))


@pytest.mark.parametrize("url", ["ftp://x/y", "recordings", "http://x/y", "s3://"])
def test_a_url_of_no_store_is_one_line(url: str) -> None:
    with pytest.raises(InvalidInput) as told:
        ObjectRecordings(url)
    assert "\n" not in told.value.detail and "recordings_url" in told.value.detail


def test_a_password_in_a_url_is_never_told() -> None:
    with pytest.raises(InvalidInput) as told:
        ObjectRecordings("ftp://me:secret@x/y")
    assert "secret" not in told.value.detail


async def test_a_store_that_is_away_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        use_s3(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(StateStoreUnavailable):
            await ObjectRecordings("s3+http://bucket").put(segment())


async def test_without_tls_nothing_is_sent_unless_the_url_says_so(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, s3)
    await make_bucket(s3, "plain")
    with pytest.raises(StateStoreUnavailable):
        await ObjectRecordings("s3://plain").put(segment())
    await ObjectRecordings("s3+http://plain").put(segment())


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    recordings = ObjectRecordings(tmp_path.as_uri())
    asyncio.run(recordings.put(segment()))
    (path,) = tmp_path.rglob("*.arrow")
    for text in (b"", b"ARROW1", path.read_bytes()[:-40]):
        path.write_bytes(text)
        with pytest.raises(InvalidInput) as told:
            asyncio.run(recordings.read(key()))
        assert told.value.code == "recording/unreadable"


def test_a_shard_that_records_loads_no_pandas() -> None:
    """`pyarrow.array` would: 58 MB and half a second in which nothing is judged."""
    code = (
        "import sys; from proctor.adapters.recordings.arrow import read_arrow, write_arrow;"
        "from proctor.domain.recordings import Row;"
        "rows = [Row(1, 'end', 0, 0, 0, 1, 1, 1, 1, 0, ('a', 'b'), b'{}')];"
        "assert read_arrow(write_arrow(rows)) == rows; assert 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=facts.ROOT, check=False)
    assert done.returncode == 0


def test_a_recording_is_due_when_its_exam_says_so() -> None:
    closed = footer()
    assert due_at(closed) == facts.BEGAN + timedelta(days=30)
    assert not is_due(closed, facts.BEGAN + timedelta(days=29, hours=23))
    assert is_due(closed, facts.BEGAN + timedelta(days=30))
    assert due_at(footer(days=None)) is None
    assert not is_due(footer(days=None), facts.BEGAN + timedelta(days=9_999))


async def test_recordings_that_were_never_closed_are_told_with_their_beginning(
    recordings: Recordings,
) -> None:
    open_one, closed = key("ses_open"), key("ses_closed")
    for whose in (open_one, closed, key("ses_of_another", tenant="ten_other")):
        for take in ("20260102T120000000Z", TAKE):
            await recordings.put(segment(take=take, whose=whose))
    await recordings.close_with(footer(closed))
    found = {whose.session_id: (whose, at) async for whose, at in recordings.unclosed()}
    assert closed.session_id not in found
    assert found[open_one.session_id] == (open_one, datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert found["ses_of_another"][0].tenant_id == "ten_other"
