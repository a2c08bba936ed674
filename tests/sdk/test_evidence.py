"""Downloads: whole, checked and noted, or not there."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from proctor.domain.roles import Role
from proctor_client import ConnectionFailed, IntegrityError, NotPermitted
from proctor_client.models import EvidencePiece
from tests.fakes.api import FakeApi
from tests.proctor.api.test_evidence import CLIP, WHY, Case
from tests.sdk.both import Both, Kind
from tests.sdk.faulty import RESET, faulty, http

CONTENT = bytes(range(256)) * 512


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def piece_of(content: bytes = CONTENT, **changes: Any) -> EvidencePiece:
    told = {
        "evidence_id": "evd_1",
        "kind": "clip",
        "media_type": "video/webm",
        "start_ms": 0,
        "end_ms": 1,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "state": "stored",
    }
    return EvidencePiece.model_validate(told | changes)


async def test_a_piece_is_listed_fetched_and_noted(
    api: FakeApi, both: Both, tmp_path: Path
) -> None:
    case = await Case(api).build()
    reviewer = both.as_(api.token(Role.REVIEWER, subject="rita"))
    listed = await reviewer.call(lambda c: c.evidence.list(case.incident_id))
    [piece] = listed.items
    told: list[tuple[int, int]] = []
    path = tmp_path / "clip.webm"
    done = await reviewer.call(
        lambda c: c.evidence.download(
            piece, path, reason=WHY, advance=lambda *now: told.append(now)
        )
    )
    assert done == path and path.read_bytes() == CLIP.content
    assert told[-1] == (1_000, 1_000)
    assert case.views() == [("rita", case.ref.evidence_id, WHY)]
    assert [name for name in names(tmp_path) if "clip" in name] == ["clip.webm"]
    await reviewer.close()


async def test_who_may_not_look_gets_no_file(api: FakeApi, both: Both, tmp_path: Path) -> None:
    await Case(api).build()
    analyst = both.as_(api.token(Role.ANALYST))
    with pytest.raises(NotPermitted):
        await analyst.call(lambda c: c.evidence.download(piece_of(), tmp_path / "clip", reason=WHY))
    assert not [name for name in names(tmp_path) if "clip" in name]
    await analyst.close()


@pytest.fixture(params=["threads", "coroutines"])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def link(url: str) -> bytes:
    told = {"url": f"{url}/v1/evidence/evd_1?signature=s", "expires_at": "2026-01-01T00:05:00Z"}
    return http(201, json.dumps(told).encode())


def part(first: int, body: bytes, length: int | None = None) -> bytes:
    said = [f"Content-Range: bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"]
    return http(206, body, said, length)


async def fetch(kind: Kind, url: str, path: Path, piece: EvidencePiece) -> None:
    client = Both(kind, url, "a-token")
    try:
        await client.call(lambda c: c.evidence.download(piece, path, reason=WHY))
    finally:
        await client.close()


async def test_a_cut_download_goes_on_where_it_was_cut(kind: Kind, tmp_path: Path) -> None:
    async with faulty() as server:
        again = link(server.url)
        server.answers += [
            again,
            http(200, CONTENT[:50_000], length=len(CONTENT)),
            again,
            part(50_000, CONTENT[50_000:70_000], length=len(CONTENT) - 50_000) + RESET,
            again,
            http(200, CONTENT),  # a store that knows no ranges begins anew
        ]
        await fetch(kind, server.url, tmp_path / "clip", piece_of())
    assert (tmp_path / "clip").read_bytes() == CONTENT
    fetches = [each for each in server.asked if each.line.startswith("GET")]
    assert [each.headers.get("range", "").split("-")[0] for each in fetches][:2] == [
        "",
        "bytes=50000",
    ]
    assert all("authorization" not in each.headers for each in fetches)


@pytest.mark.parametrize(
    "sent",
    [CONTENT[:-1] + b"\x00", CONTENT + b"more"],
    ids=["altered", "longer"],
)
async def test_what_is_not_what_was_listed_leaves_no_file(
    kind: Kind, tmp_path: Path, sent: bytes
) -> None:
    async with faulty() as server:
        server.answers += [link(server.url), http(200, sent)]
        with pytest.raises(IntegrityError, match="Do not use it"):
            await fetch(kind, server.url, tmp_path / "clip", piece_of())
    assert names(tmp_path) == [] and len(server.asked) == 2


async def test_another_part_than_was_asked_for_is_refused(kind: Kind, tmp_path: Path) -> None:
    async with faulty() as server:
        again = link(server.url)
        cut = http(200, CONTENT[:50_000], length=len(CONTENT))
        server.answers += [again, cut, again, part(7, CONTENT[7:])]
        with pytest.raises(IntegrityError, match="another part"):
            await fetch(kind, server.url, tmp_path / "clip", piece_of())


async def test_a_piece_that_never_comes_whole_leaves_no_file(kind: Kind, tmp_path: Path) -> None:
    async with faulty() as server:
        server.answers += [link(server.url), http(200, CONTENT[:9])] * 9
        with pytest.raises(ConnectionFailed, match="ended before"):
            await fetch(kind, server.url, tmp_path / "clip", piece_of())
    assert names(tmp_path) == []
