"""The steps of the candidate's page, as a person takes them, each looked at by an accessibility checker."""

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.support import heads
from tests.e2e.support.browser import Candidate

if TYPE_CHECKING:
    from playwright.async_api import Page

AXE = Path(__file__).resolve().parents[3] / "web" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = os.environ.get("PROCTOR_SHOTS")
"""Where pictures of every step are put, if anywhere."""

GRAVE = frozenset({"serious", "critical"})
FIND = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => `${one.impact} ${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`)"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
POSE = """() => {
  const part = document.getElementById("enrolment");
  return part && part.dataset.state === "posing" ? part.dataset.pose : null;
}"""
"""What the page asks for now; null once the pictures are sent."""

LATE_FRAMES = 9
PRESS_BEFORE_S = {heads.AHEAD: 0.3}
PRESS_BEFORE_STEP_S = 1.15
"""How long before a movement comes its button is pressed. The page counts down from one or from two: its
pictures are taken in the middle of the movement, for the camera of a busy machine lags behind."""


def axe_source() -> str:
    """The checker itself, as npm installed it; it runs in the page and asks nobody."""
    return AXE.read_text(encoding="utf-8")


async def reach(candidate: Candidate, step: str, within_s: float = 60) -> None:
    """Wait until the page is at a step. Raises `AssertionError` with what it shows instead."""
    there, deadline = None, time.monotonic() + within_s
    while time.monotonic() < deadline:
        there = await candidate.page.evaluate("() => window.proctorState?.step")
        if there == step:
            break
        await asyncio.sleep(0.1)
    else:
        shown = await candidate.page.inner_text("body")
        raise AssertionError(f"at {there}, not {step}: {candidate.problems} {shown[:400]}")
    await candidate.page.wait_for_selector("h1")


async def look(candidate: Candidate, name: str) -> None:
    """Raises `AssertionError` for a grave finding of axe, light or dark; takes pictures if wanted."""
    page = candidate.page
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(axe_source())
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        found: list[str] = await page.evaluate(FIND)
        assert found == [], f"{name}, {scheme}: {found}"
        if SHOTS is not None:
            await _shoot(page, Path(SHOTS), f"{name}-{scheme}")
    await page.emulate_media(color_scheme="light", reduced_motion="no-preference")


async def _shoot(page: "Page", folder: Path, name: str) -> None:
    usual = page.viewport_size
    for width, height in ((360, 740), (1440, 900)):
        await page.set_viewport_size({"width": width, "height": height})
        await page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
    if usual is not None:
        await page.set_viewport_size(usual)


async def choose(candidate: Candidate, choice: str) -> None:
    """Answer the notice."""
    await candidate.page.check(f"input[value={choice}]")
    await candidate.page.click("#answer")


async def check(candidate: Candidate, within_s: float = 40) -> dict[str, str]:
    """Run the pre-flight; how each thing stands afterwards."""
    page = candidate.page
    await page.click("#start-check")
    await page.wait_for_selector("#go-on", timeout=within_s * 1000)
    found: dict[str, str] = await page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".check-row")]
             .map((row) => [row.id.replace("check-", ""), row.dataset.state]))"""
    )
    return found


async def enrol(candidate: Candidate, within_s: float = 130) -> list[str]:
    """Follow what the page asks for, when the fake camera shows it; the poses, in order."""
    page, asked, deadline = candidate.page, list[str](), time.monotonic() + within_s
    await page.click("#start-enrolment, #enrol-again")
    await page.wait_for_selector("#enrolment[data-state=posing]")
    while time.monotonic() < deadline:
        pose = await page.evaluate(POSE)
        if pose is None:
            return asked
        if asked[-1:] != [pose]:
            asked.append(pose)
        before = round(PRESS_BEFORE_S.get(pose, PRESS_BEFORE_STEP_S) * heads.FPS)
        shown = await page.evaluate(heads.WHERE)
        if (shown - heads.first_frame(pose) + before) % heads.FRAMES <= LATE_FRAMES:
            await page.evaluate("() => document.getElementById('take')?.click()")
        await asyncio.sleep(0.04)
    raise AssertionError(f"{asked}: {candidate.problems} {await page.inner_text('main')}")


async def enrol_with_patience(candidate: Candidate, tries: int = 3) -> list[str]:
    """Enrol, again where it was refused: a browser on a busy machine takes its pictures late."""
    for _ in range(tries):
        asked = await enrol(candidate)
        await candidate.page.wait_for_selector("#ready, #refusal", timeout=60_000)
        if await candidate.page.is_visible("#ready"):
            return asked
    raise AssertionError(await candidate.page.inner_text("#refusal"))
