"""Debian's Chromium as a candidate: fake camera, fake microphone, the product's own page."""

import asyncio
import shlex
import time
import wave
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from bench.candidate.pictures import FPS, HEIGHT, WIDTH
from proctor.domain.errors import Unavailable
from proctor.domain.media import Image

if TYPE_CHECKING:
    from playwright.async_api import Page

CHROMIUM = Path("/usr/bin/chromium")

NOTE_CAMERA = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  const stream = await ask(wish);
  if (wish.video && !window.cameraStartedAt) window.cameraStartedAt = Date.now();
  return stream;
};
window.peers = [];
const Peer = window.RTCPeerConnection;
window.RTCPeerConnection = function (...given) {
  const peer = new Peer(...given);
  window.peers.push(peer);
  return peer;
};
window.RTCPeerConnection.prototype = Peer.prototype;
"""
"""Notes when the camera file began to play (with getUserMedia, not with the page), and every connection."""

PATH_TAKEN = """async () => {
  const stats = await window.peers.at(-1).getStats();
  for (const one of stats.values()) {
    if (one.type === "candidate-pair" && one.nominated && one.state === "succeeded") {
      return stats.get(one.localCandidateId)?.candidateType ?? null;
    }
  }
  return null;
}"""


PATH_WITHIN_S = 15.0


@dataclass(frozen=True)
class BrowserCandidate:
    """An open candidate page.

    Attributes:
        page: The page.
        problems: Errors that the page or its console told.
    """

    page: "Page"
    problems: list[str]

    async def state(self) -> dict[str, Any]:
        """The page's own account of itself (`window.proctorState`)."""
        found: dict[str, Any] = await self.page.evaluate("() => ({...window.proctorState})")
        return found

    async def camera_started_at(self) -> datetime:
        """When the fake camera's file began to play."""
        started_ms: float = await self.page.evaluate("() => window.cameraStartedAt")
        return datetime.fromtimestamp(started_ms / 1000, UTC)

    async def path(self) -> str | None:
        """The kind of our end of the path that media take: host, srflx, prflx or relay.

        A page is live some time before its newest connection has a path, and between two connections
        there is none: it is waited for. None when none was found in that time.
        """
        until = time.monotonic() + PATH_WITHIN_S
        while time.monotonic() < until:
            found: str | None = await self.page.evaluate(PATH_TAKEN)
            if found is not None:
                return found
            await asyncio.sleep(0.2)
        return None


@asynccontextmanager
async def candidate_page(
    url: str, video: Path, sound: Path, prefix: Sequence[str] = (), trusts_all: bool = False
) -> AsyncIterator[BrowserCandidate]:
    """Open the page in a browser of its own; both files play in a loop.

    Args:
        url: The join link.
        video: What the camera sees, y4m.
        sound: What the microphone hears, wav.
        prefix: A command before the browser's own, such as one that enters a network namespace.
        trusts_all: Whether a certificate that nobody signed will do.

    Raises:
        Unavailable: Playwright or Chromium is not installed.
    """
    try:
        from playwright.async_api import async_playwright
    except ImportError as error:
        raise Unavailable("a real browser needs playwright: install the dev extra") from error
    executable = _chromium(video.with_suffix(".sh"), prefix)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
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
            page = await browser.new_page(ignore_https_errors=trusts_all)
            problems: list[str] = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on(
                "console",
                lambda said: problems.append(said.text) if said.type == "error" else None,
            )
            await page.add_init_script(NOTE_CAMERA)
            await page.goto(url)
            yield BrowserCandidate(page=page, problems=problems)
        finally:
            await browser.close()


def _chromium(script: Path, prefix: Sequence[str]) -> Path:
    """The browser, or `script` made to start it by way of `prefix`."""
    if not CHROMIUM.is_file():
        raise Unavailable(f"{CHROMIUM} is missing: apt-get install chromium")
    if not prefix:
        return CHROMIUM
    script.write_text(f'#!/bin/sh\nexec {shlex.join([*prefix, str(CHROMIUM)])} "$@"\n')
    script.chmod(0o700)
    return script


def write_camera(path: Path, pictures: Iterable[Image]) -> None:
    """Write pictures, (HEIGHT, WIDTH, 3) RGB and FPS a second, as a raw camera file (y4m, I420)."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            file.write(b"FRAME\n")
            file.write(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())


def write_microphone(path: Path, samples: "np.ndarray[Any, Any]", rate_hz: int) -> None:
    """Write mono sound, (n,) int16, as a wav file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype(np.int16).tobytes())
