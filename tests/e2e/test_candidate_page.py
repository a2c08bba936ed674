"""The candidate's page from the link to the end: a real browser, a fake camera, a real product."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.support import footage, heads
from tests.e2e.support.browser import Candidate, candidate_page
from tests.e2e.support.steps import TOO_WIDE, check, choose, enrol_with_patience, look, reach
from tests.e2e.support.system import System, get_session, post, session_alerts

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
ONE = pytest.mark.parametrize("system", ["50"], indirect=True)
"""The page does not know how many sessions a host has."""


@pytest.fixture(scope="module")
def camera(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person, straight ahead and in every movement."""
    path = tmp_path_factory.mktemp("camera") / "head.y4m"
    heads.write_head(path, media, heads.ANDRE)
    return path


@pytest.fixture(scope="module")
def voice(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who speaks."""
    path = tmp_path_factory.mktemp("voice") / "speech.wav"
    footage.write_speech(path, media / "audio" / "jfk.flac")
    return path


async def invite(client: httpx.AsyncClient, name: str, policy: str) -> tuple[str, str, str]:
    """A candidate nobody has asked anything yet: (session id, candidate id, link)."""
    exam = {"title": "Organic chemistry, spring term", "policy": policy, "retention_days": 30}
    exam_id = (await post(client, "/v1/exams", exam))["exam_id"]
    candidate = (await post(client, "/v1/candidates", {"external_ref": name}))["candidate_id"]
    sitting = {"exam_id": exam_id, "candidate_id": candidate}
    made = await post(client, "/v1/sessions", sitting)
    return made["session"]["session_id"], candidate, made["join_url"]


async def until_seen(candidate: Candidate) -> None:
    """Wait until the server says that it sees and hears."""
    await candidate.page.wait_for_function(
        "() => ['video', 'audio'].every((one) => window.proctorState[one]?.state === 'monitored')",
        timeout=40_000,
    )


def real(problems: list[str]) -> list[str]:
    """What the page's console told, but for the answers that a refusal has by design."""
    return [each for each in problems if "status of 4" not in each]


@ONE
async def test_from_the_link_to_the_end(system: System, camera: Path, voice: Path) -> None:
    async with system.client() as client:
        session_id, candidate_id, link = await invite(client, "all-the-way", "strict")
        allowed = {"accommodations": ["may_look_away", "screen_reader"]}
        path = f"/v1/candidates/{candidate_id}/accommodations"
        assert (await client.put(path, json=allowed)).status_code == 200
        async with candidate_page(link, camera, voice) as candidate:
            page = candidate.page
            await reach(candidate, "notice")
            await page.wait_for_selector("#answer")
            assert await page.evaluate("() => document.activeElement.tagName") == "H1"
            await look(candidate, "1-notice")
            await choose(candidate, "agreed")

            await reach(candidate, "preflight")
            await look(candidate, "2-check")
            assert set((await check(candidate)).values()) == {"good"}
            await look(candidate, "3-checked")
            found = (await client.get(f"/v1/sessions/{session_id}/preflights")).json()["items"]
            assert found[0]["is_good"] and found[0]["seen"]["pictures"] > 10
            assert found[0]["seen"]["voiced_ms"] >= 700
            before = await get_session(client, session_id)
            assert (before["state"], before["epoch"], before["coverage"]) == ("created", 0, [])
            await page.click("#go-on")

            await reach(candidate, "enrolment")
            await look(candidate, "4-enrolment")
            poses = await enrol_with_patience(candidate)
            assert poses[0] == heads.AHEAD and len(set(poses)) == 4
            await reach(candidate, "ready")
            assert await page.inner_text("#ready-face") == "Your face is enrolled."
            await look(candidate, "5-ready")
            assert await session_alerts(client, session_id) == []

            await page.click("#begin")
            await reach(candidate, "room")
            await until_seen(candidate)
            assert "You may look away" in await page.inner_text("#allowed")
            await post(client, f"/v1/sessions/{session_id}/breaks", {})
            await page.reload()  # a reload goes on by itself, and knows of the break at once
            await page.wait_for_selector("#pause")
            await until_seen(candidate)
            await look(candidate, "6-exam")

            await page.click("#leave")
            await reach(candidate, "ending")
            await look(candidate, "7-left")
            await page.click("#again")
            await until_seen(candidate)
            await post(client, f"/v1/sessions/{session_id}/end", {})
            await page.wait_for_function("() => window.proctorState.phase === 'ended'")
            assert real(candidate.problems) == []
        told = await get_session(client, session_id)
        assert told["notice"] == "agreed"


@ONE
async def test_who_declines_is_not_watched_and_may_think_again(
    system: System, camera: Path, voice: Path
) -> None:
    async with system.client() as client:
        session_id, _, link = await invite(client, "declines", "standard")
        async with candidate_page(link, camera, voice) as candidate:
            page = candidate.page
            await reach(candidate, "notice")
            await page.click("#answer")
            assert await page.is_visible("form .problem")  # it says that nothing is chosen
            await choose(candidate, "declined")
            await reach(candidate, "ending")
            await look(candidate, "8-declined")
            told = await get_session(client, session_id)
            assert (told["notice"], told["state"]) == ("declined", "created")
            assert not await page.evaluate("() => 'cameraStartedAt' in window")
            await page.reload()
            await reach(candidate, "ending")
            await page.click("#change")
            await reach(candidate, "notice")
            assert real(candidate.problems) == []


@ONE
async def test_without_biometrics_in_arabic_on_a_small_screen(
    system: System, camera: Path, voice: Path
) -> None:
    async with system.client() as client:
        session_id, candidate_id, link = await invite(client, "without", "standard")
        async with candidate_page(link, camera, voice) as candidate:
            page = candidate.page
            await page.set_viewport_size({"width": 360, "height": 740})
            await reach(candidate, "notice")
            await page.select_option("#language", "ar")
            await page.wait_for_function("() => document.documentElement.dir === 'rtl'")
            await page.wait_for_selector(".notice[lang=ar]")

            async def fits(name: str) -> None:
                assert await page.evaluate(TOO_WIDE) <= 0, f"{name} scrolls sideways"
                await look(candidate, name)

            await fits("ar-1-notice")
            await choose(candidate, "without_biometrics")
            await reach(candidate, "preflight")
            await check(candidate)
            await fits("ar-2-checked")
            await page.click("#go-on")
            await reach(candidate, "ready")  # nothing is enrolled
            await fits("ar-3-ready")
            await page.click("#begin")
            await reach(candidate, "room")
            await until_seen(candidate)
            await fits("ar-4-exam")
            assert real(candidate.problems) == []
        told: dict[str, Any] = await get_session(client, session_id)
        assert told["notice"] == "without_biometrics"
        assert {"different_person", "identity_unverified"} <= set(told["signals_off"])
        refused = await client.post(f"/v1/candidates/{candidate_id}/challenges")
        assert refused.json()["code"] == "consent/required"
