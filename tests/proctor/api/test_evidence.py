"""Evidence over HTTP: a link for one person and five minutes, no view before its row."""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from proctor.domain.evidence import EvidenceOrder, EvidenceRef, Loss, Piece, PieceKind, ref_of
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.roles import Role
from tests.contract.evidence_samples import order, piece
from tests.contract.samples import incident
from tests.fakes.api import FakeApi

CLIP = Piece(
    kind=PieceKind.CLIP,
    media_type="video/webm",
    start_ms=0,
    end_ms=9_000,
    sha256=hashlib.sha256(bytes(range(250)) * 4).hexdigest(),
    content=bytes(range(250)) * 4,
)
WHY = "To review the incident"


class Case:
    """An incident of a session with a clip in the store."""

    def __init__(self, api: FakeApi, tenant: str = "acme") -> None:
        self.api, self.tenant = api, tenant

    async def build(self) -> "Case":
        made = (await self.api.new_session(self.tenant))["session"]
        whose: dict[str, Any] = {
            "tenant_id": TenantId(self.tenant),
            "exam_id": ExamId(made["exam_id"]),
            "candidate_id": CandidateId(made["candidate_id"]),
        }
        self.incident_id = IncidentId(f"inc_{self.tenant}")
        found = replace(incident(self.incident_id, made["session_id"]), **whose)
        self.api.database.incidents[self.incident_id] = found
        self.session_id, self.candidate_id = made["session_id"], made["candidate_id"]
        about = replace(order(self.incident_id), session_id=SessionId(self.session_id), **whose)
        self.order: EvidenceOrder = about
        self.ref = await self.have(CLIP)
        return self

    async def have(self, one: Piece) -> EvidenceRef:
        """A piece of the incident, in the store."""
        ref = ref_of(self.order, one)
        sealed = await self.api.subject_keys.seal(
            ref.tenant_id, ref.candidate_id, ref.object_key, one.content
        )
        await self.api.objects.put(ref.object_key, sealed)
        await self.api.evidence.take([ref], self.api.clock.now())
        await self.api.evidence.stored(ref, self.api.clock.now())
        return ref

    async def ask(
        self, role: Role = Role.REVIEWER, tenant: str = "", **body: Any
    ) -> httpx.Response:
        headers = self.api.as_(role, tenant or self.tenant, "rita")
        return await self.api.client.post(
            f"/v1/evidence/{self.ref.evidence_id}/links",
            json={"reason": WHY, **body},
            headers=headers,
        )

    async def link(self) -> str:
        answer = await self.ask()
        assert answer.status_code == 201, answer.text
        url: str = answer.json()["url"]
        return url

    async def listed(self, role: Role = Role.REVIEWER, tenant: str = "") -> httpx.Response:
        return await self.api.client.get(
            f"/v1/incidents/{self.incident_id}/evidence",
            headers=self.api.as_(role, tenant or self.tenant),
        )

    def views(self) -> list[tuple[str, str, str | None]]:
        """Who saw what, and why."""
        rows = self.api.database.audit
        return [(row[1], row[3], row[4]) for row in rows if row[2] == "evidence.viewed"]


@pytest.fixture
async def case(api: FakeApi) -> Case:
    return await Case(api).build()


async def test_what_is_kept_is_listed_without_bytes(case: Case) -> None:
    await case.have(piece(at_ms=5_000))
    lost = ref_of(case.order, piece(PieceKind.AFTER, at_ms=7_000))
    await case.api.evidence.lost(lost, Loss.SPOOL_FULL, case.api.clock.now())
    told = (await case.listed()).json()
    assert (told["status"], told["loss"], told["kept_until"]) == ("stored", None, None)
    assert [(each["kind"], each["state"], each["loss"]) for each in told["items"]] == [
        ("clip", "stored", None),
        ("judged", "stored", None),
        ("after", "lost", "spool_full"),
    ]
    assert told["items"][0]["sha256"] == CLIP.sha256 and told["items"][0]["size"] == 1_000
    assert case.ref.object_key not in (await case.listed()).text
    assert case.views() == []


async def test_the_list_says_until_when_it_is_kept(case: Case) -> None:
    ended = case.api.clock.now()
    await case.api.sessions.end(case.ref.tenant_id, case.ref.session_id, ended)
    until = (await case.listed()).json()["kept_until"]
    assert until == (ended + timedelta(days=30)).isoformat().replace("+00:00", "Z")


async def test_an_incident_of_which_nothing_is_kept_says_so(case: Case) -> None:
    case.api.database.evidence.clear()
    case.api.database.incident_evidence.clear()
    told = (await case.listed()).json()
    assert told == {"status": "none", "loss": None, "kept_until": None, "items": []}


async def test_a_link_shows_the_very_bytes_and_the_view_is_written_down(case: Case) -> None:
    url = await case.link()
    assert case.views() == []
    shown = await case.api.client.get(url)
    assert (shown.status_code, shown.content) == (200, CLIP.content)
    assert case.views() == [("rita", case.ref.evidence_id, WHY)]
    assert shown.headers["content-type"] == "video/webm"
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-security-policy"].startswith("sandbox;")
    assert shown.headers["accept-ranges"] == "bytes"
    assert shown.headers["content-disposition"].startswith("inline")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        *[("bytes=0-99", 0, 99), ("bytes=990-", 990, 999), ("bytes=-10", 990, 999)],
        *[("bytes=900-5000", 900, 999), ("bytes=-5000", 0, 999), ("bytes=0-0", 0, 0)],
    ],
)
async def test_a_player_may_seek(case: Case, asked: str, first: int, last: int) -> None:
    part = await case.api.client.get(await case.link(), headers={"Range": asked})
    assert part.status_code == 206
    assert part.content == CLIP.content[first : last + 1]
    assert part.headers["content-range"] == f"bytes {first}-{last}/1000"
    assert len(case.views()) == 1


@pytest.mark.parametrize("asked", ["bytes=1-2,5-6", "lines=1-2", "bytes=-", "bytes=9-1", "x", ""])
async def test_what_is_no_single_range_gets_all_of_it(case: Case, asked: str) -> None:
    whole = await case.api.client.get(await case.link(), headers={"Range": asked})
    assert (whole.status_code, whole.content) == (200, CLIP.content)


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
async def test_a_range_behind_the_end_is_refused(case: Case, asked: str) -> None:
    refused = await case.api.client.get(await case.link(), headers={"Range": asked})
    assert (refused.status_code, refused.content) == (416, b"")
    assert refused.headers["content-range"] == "bytes */1000"


async def test_without_the_audit_row_there_is_no_view(case: Case) -> None:
    url = await case.link()
    case.api.audit.down = True
    got: list[str] = []
    read = case.api.objects.get

    async def counted(object_key: str) -> bytes:
        got.append(object_key)
        return await read(object_key)

    case.api.objects.get = counted  # type: ignore[method-assign]
    refused = await case.api.client.get(url)
    assert refused.status_code == 503 and CLIP.content not in refused.content
    assert got == [], "the store is not even asked"
    case.api.audit.down = False
    assert (await case.api.client.get(url)).status_code == 200


async def test_a_link_is_over_after_five_minutes(case: Case) -> None:
    answer = (await case.ask()).json()
    assert answer["expires_at"].startswith("2026-01-01T12:05:00")
    await case.api.clock.advance(299_999)
    assert (await case.api.client.get(answer["url"])).status_code == 200
    await case.api.clock.advance(1)
    refused = await case.api.client.get(answer["url"])
    assert (refused.status_code, refused.json()["code"]) == (403, "evidence/link-expired")
    assert len(case.views()) == 1


async def test_an_altered_link_shows_nothing(case: Case) -> None:
    url = await case.link()
    base, _, signature = url.partition("?signature=")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    altered = [
        base64.urlsafe_b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).decode()
        for at in range(0, len(raw), 7)
    ]
    for said in (*altered, "", signature[:-3], "A" * 100, "%00", "é", "x" * 8000):
        refused = await case.api.client.get(base, params={"signature": said})
        assert refused.status_code == 403, said
        assert refused.json()["code"] == "evidence/link"
    assert case.views() == []


async def test_a_link_shows_no_other_piece(case: Case) -> None:
    other = await case.have(piece(at_ms=3_000))
    url = (await case.link()).replace(case.ref.evidence_id, other.evidence_id)
    assert (await case.api.client.get(url)).status_code == 403
    assert case.views() == []


async def test_a_link_reads_as_nothing(case: Case) -> None:
    raw = base64.urlsafe_b64decode((await case.link()).partition("?signature=")[2] + "===")
    for secret in (b"rita", b"acme", b"review"):
        assert secret not in raw


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.REVIEWER, Role.ADMIN)])
async def test_only_reviewers_list_and_ask_for_links(case: Case, role: Role) -> None:
    if role is Role.CANDIDATE:
        token = case.api.candidate_token(case.candidate_id, case.session_id)
        headers = {"Authorization": f"Bearer {token}"}
    else:
        headers = case.api.as_(role)
    path = f"/v1/evidence/{case.ref.evidence_id}/links"
    asked = await case.api.client.post(path, json={"reason": WHY}, headers=headers)
    listed = await case.api.client.get(
        f"/v1/incidents/{case.incident_id}/evidence", headers=headers
    )
    assert (asked.status_code, listed.status_code) == (403, 403)


async def test_a_link_with_anothers_token_is_refused_the_candidates_above_all(case: Case) -> None:
    url, api = await case.link(), case.api
    candidate = api.candidate_token(case.candidate_id, case.session_id)
    for headers in (
        {"Authorization": f"Bearer {candidate}"},
        api.as_(Role.REVIEWER, subject="eve"),
        api.as_(Role.REVIEWER, tenant="umbrella", subject="rita"),
    ):
        refused = await api.client.get(url, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "evidence/link")
    forged = await api.client.get(url, headers={"Authorization": "Bearer x.y.z"})
    assert forged.status_code == 401
    assert case.views() == []
    own = await api.client.get(url, headers=api.as_(Role.REVIEWER, subject="rita"))
    assert own.status_code == 200


async def test_signing_out_ends_ones_links(case: Case) -> None:
    headers = case.api.as_(Role.REVIEWER, subject="rita")
    path = f"/v1/evidence/{case.ref.evidence_id}/links"
    made = await case.api.client.post(path, json={"reason": WHY}, headers=headers)
    assert (await case.api.client.post("/v1/sign-out", headers=headers)).is_success
    assert (await case.api.client.get(made.json()["url"])).status_code == 403


async def test_another_tenants_evidence_is_not_there(case: Case) -> None:
    assert (await case.ask(tenant="umbrella")).status_code == 404
    assert (await case.listed(tenant="umbrella")).status_code == 404


@pytest.mark.parametrize("reason", ["", " ", "x", "a\u202eb", "x" * 501, 5, None])
async def test_a_view_needs_a_reason_that_can_be_read(case: Case, reason: object) -> None:
    assert (await case.ask(reason=reason)).status_code == 422


async def test_what_is_not_stored_has_no_link(case: Case) -> None:
    case.ref = ref_of(case.order, piece())
    await case.api.evidence.take([case.ref], case.api.clock.now())
    refused = await case.ask()
    assert (refused.status_code, refused.json()["code"]) == (409, "evidence/not-stored")


async def test_altered_or_swapped_objects_are_never_shown(case: Case) -> None:
    url, objects = await case.link(), case.api.objects.objects
    whole = objects[case.ref.object_key]
    other = await case.have(piece(at_ms=3_000))
    for wrong in (whole[:-1] + b"\0", b"", objects[other.object_key]):
        objects[case.ref.object_key] = wrong
        refused = await case.api.client.get(url)
        assert (refused.status_code, refused.json()["code"]) == (409, "evidence/altered")


async def test_bytes_other_than_those_that_were_judged_are_never_shown(case: Case) -> None:
    """Sealed in order, but not what the digest of the row says: a forger inside."""
    url, ref = await case.link(), case.ref
    forged = await case.api.subject_keys.seal(
        ref.tenant_id, ref.candidate_id, ref.object_key, b"another picture"
    )
    await case.api.objects.put(ref.object_key, forged)
    assert (await case.api.client.get(url)).json()["code"] == "evidence/altered"


async def test_once_erased_a_link_shows_nothing(case: Case) -> None:
    url = await case.link()
    await case.api.subject_keys.destroy(case.ref.tenant_id, case.ref.candidate_id)
    assert (await case.api.client.get(url)).status_code == 404
    case.api.database.evidence.clear()
    assert (await case.api.client.get(url)).status_code == 404


async def test_a_store_that_is_away_says_so(case: Case) -> None:
    url = await case.link()
    case.api.objects.down = True
    assert (await case.api.client.get(url)).status_code == 503


async def test_what_a_browser_should_not_show_is_a_file(case: Case) -> None:
    page = b"<script>alert(1)</script>"
    case.ref = await case.have(
        replace(
            piece(),
            media_type="text/html",
            content=page,
            sha256=hashlib.sha256(page).hexdigest(),
        )
    )
    shown = await case.api.client.get(await case.link())
    assert shown.headers["content-type"] == "application/octet-stream"
    assert shown.headers["content-disposition"].startswith("attachment")


async def test_the_schedule_is_made_from_the_configuration_and_the_exams(case: Case) -> None:
    answer = await case.api.client.get("/v1/retention", headers=case.api.as_(Role.ANALYST))
    told = answer.json()
    assert told["exams"] == [{"days": 30, "exams": 1}]
    evidence = told["kept"][0]
    assert (evidence["where"], "30 days" in evidence["how_long"]) == ("S3", True)
    assert all(each[name] for each in told["kept"] for name in each)
    elsewhere = case.api.as_(Role.ANALYST, tenant="umbrella")
    assert (await case.api.client.get("/v1/retention", headers=elsewhere)).json()["exams"] == []
