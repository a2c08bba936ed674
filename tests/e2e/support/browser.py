"""Debian's Chromium as a candidate: fake camera, fake microphone, the product's own page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

CHROMIUM = "/usr/bin/chromium"

# Notes when the camera file began to play: it starts with getUserMedia, not with the page.
NOTE_CAMERA = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  const stream = await ask(wish);
  if (wish.video && !window.cameraStartedAt) window.cameraStartedAt = Date.now();
  return stream;
};
"""


@dataclass(frozen=True)
class Candidate:
    """An open candidate page."""

    page: Page
    problems: list[str]

    async def state(self) -> dict[str, Any]:
        """The page's own account of itself (`window.proctorState`)."""
        found: dict[str, Any] = await self.page.evaluate("() => ({...window.proctorState})")
        return found

    async def camera_started_at(self) -> datetime:
        """When the fake camera's file began to play."""
        started_ms: float = await self.page.evaluate("() => window.cameraStartedAt")
        return datetime.fromtimestamp(started_ms / 1000, UTC)


@asynccontextmanager
async def candidate_page(url: str, video: Path, sound: Path) -> AsyncIterator[Candidate]:
    """Open the page in a browser of its own; both files play in a loop."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            headless=True,
            args=[
                "--no-sandbox",
                "--disable-background-networking",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={video}",
                f"--use-file-for-fake-audio-capture={sound}",
            ],
        )
        try:
            page = await browser.new_page()
            problems: list[str] = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on(
                "console",
                lambda said: problems.append(said.text) if said.type == "error" else None,
            )
            await page.add_init_script(NOTE_CAMERA)
            await page.goto(url)
            yield Candidate(page=page, problems=problems)
        finally:
            await browser.close()
