"""The pages are served with the headers that keep them ours; the API describes itself."""

import re

import pytest

from proctor.api.access import TABLE
from tests.fakes.api import ROOT, FakeApi


@pytest.mark.parametrize(
    "path", ["/", "/candidate", "/console", "/console/queue", "/console/sessions/ses_1"]
)
async def test_a_page_runs_only_what_is_ours(api: FakeApi, path: str) -> None:
    answer = await api.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    rules = answer.headers["content-security-policy"]
    assert "default-src 'none'" in rules and "unsafe" not in rules
    assert "frame-ancestors 'none'" in rules
    assert "camera=(self)" in answer.headers["permissions-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    # What the rules forbid is not in the page, and what it names is there.
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", answer.text)
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert (await api.client.get(asset)).status_code == 200, asset


async def test_what_the_build_named_by_its_content_is_kept_and_the_pages_are_asked_for(
    api: FakeApi,
) -> None:
    built = ROOT / "web" / "dist"
    assets = sorted(path.relative_to(built).as_posix() for path in (built / "assets").iterdir())
    assert any(name.endswith(".js") for name in assets)
    for name in assets:
        answer = await api.client.get(f"/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await api.client.get("/static/assets/none.js")).status_code == 404


async def test_the_former_address_of_the_console_leads_to_it(api: FakeApi) -> None:
    answer = await api.client.get("/proctor")
    assert (answer.status_code, answer.headers["location"]) == (308, "/console")


async def test_an_address_of_the_console_shows_no_other_file(api: FakeApi) -> None:
    page = (await api.client.get("/console")).text
    for path in ("/console/../index.html", "/console/%2e%2e/candidate/index.html", "/console/x.js"):
        answer = await api.client.get(path)
        assert answer.status_code != 200 or answer.text == page


async def test_what_did_not_change_is_not_sent_again(api: FakeApi) -> None:
    first = await api.client.get("/candidate")
    assert first.headers["cache-control"] == "no-cache"
    again = await api.client.get("/candidate", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_answers_of_the_api_are_not_kept_by_anybody(api: FakeApi) -> None:
    answer = await api.client.get("/v1/exams", headers=api.as_())
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_the_description_knows_every_route_and_its_roles(api: FakeApi) -> None:
    described = (await api.client.get("/v1/openapi.json")).json()
    for (method, path), rule in TABLE.items():
        if not path.startswith("/v1/") or path == "/v1/openapi.json":
            continue
        if path.startswith("/v1/live/"):  # another application's
            continue
        operation = described["paths"][path][method.lower()]
        assert operation.get("x-roles", None) == (sorted(rule.roles) if rule.roles else None)
        assert operation["summary"]
    enrol = described["paths"]["/v1/candidates/{candidate_id}/enrolments"]["post"]
    assert "multipart/form-data" in enrol["requestBody"]["content"]


async def test_health(api: FakeApi) -> None:
    assert (await api.client.get("/healthz")).json() == {"status": "ok"}
