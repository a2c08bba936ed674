"""One candidate behind one line: the scripted one in a process of its namespace, or a real Chromium."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import numpy as np

from bench.candidate.browser import candidate_page, write_camera, write_microphone
from bench.candidate.person import Candidate
from bench.candidate.reels import Reels
from bench.candidate.scenes import Script
from bench.candidate.sounds import RATE_HZ
from bench.candidate.wire import ApiProblem, NewSession
from bench.network.lab import Namespace, enter
from proctor.domain.errors import Unavailable

JOIN_WITHIN_S = 60.0
OVER_S = 30.0
"""How much longer than its script an attendance may take."""


@dataclass(slots=True)
class Attendance:
    """How it goes for one candidate.

    Attributes:
        began_at: Wall time of the script's second 0; 0 when media never flowed.
        connections: How many offers were accepted.
        breaks: Why each connection after the first became due; unknown of a browser.
        problem: What went wrong, else empty.
        path: The kind of address that a browser sent media from; None of the scripted candidate.
    """

    began_at: float = 0.0
    connections: int = 0
    breaks: tuple[str, ...] = ()
    problem: str = ""
    path: str | None = None


_reels: Mapping[str, Reels] = {}
_began: "SimpleQueue[float] | None" = None


def _settle(namespace: str, reels: Mapping[str, Reels], began: "SimpleQueue[float]") -> None:
    """A worker process moves into its namespace for good."""
    global _reels, _began
    enter(namespace)
    _reels, _began = reels, began


def _attend(base_url: str, ticket: str, case: str) -> Attendance:
    return asyncio.run(_play(base_url, ticket, _reels[case]))


async def _play(base_url: str, ticket: str, reels: Reels) -> Attendance:
    assert _began is not None
    candidate = Candidate(base_url, reels)
    told = Attendance()
    try:
        async with asyncio.timeout(JOIN_WITHIN_S):
            await candidate.join(ticket)
            await candidate.playback.started.wait()
        _began.put(candidate.playback.began_at)
        async with asyncio.timeout(reels.length_s + OVER_S):
            await candidate.playback.finished()
    except (ApiProblem, TimeoutError) as problem:
        told.problem = str(problem) or type(problem).__name__
    finally:
        if not candidate.playback.started.is_set():
            _began.put(0.0)
        await candidate.close()
    told.began_at = candidate.playback.began_at
    told.connections = len(candidate.epochs)
    told.breaks = tuple(candidate.breaks)
    return told


class Worker:
    """A process in a namespace that plays one scripted candidate after another."""

    def __init__(self, namespace: Namespace, reels: Mapping[str, Reels]) -> None:
        context = multiprocessing.get_context("spawn")
        self._began: SimpleQueue[float] = context.SimpleQueue()
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=context,
            initializer=_settle,
            initargs=(namespace.name, reels, self._began),
        )
        self._pid = self._pool.submit(os.getpid)

    @asynccontextmanager
    async def attend(
        self, base_url: str, ticket: str, case: str, told: Attendance
    ) -> AsyncIterator[None]:
        """Within, the script plays; `told` says when it began, and afterwards how it went."""
        loop = asyncio.get_running_loop()
        playing = loop.run_in_executor(self._pool, _attend, base_url, ticket, case)
        told.began_at = await asyncio.to_thread(self._began.get)
        try:
            yield
        except BaseException:
            playing.cancel()
            raise
        done = await playing
        told.connections, told.breaks = done.connections, done.breaks
        told.problem = done.problem

    def close(self) -> None:
        """End the process, whatever it does."""
        with contextlib.suppress(ProcessLookupError, BrokenProcessPool):
            os.kill(self._pid.result(), signal.SIGKILL)
        self._began.put(0.0)  # nobody waits for a beginning that will not be
        self._pool.shutdown(wait=True, cancel_futures=True)


def write_footage(folder: Path, name: str, script: Script) -> tuple[Path, Path]:
    """Files that a browser takes for a camera and a microphone that play this script."""
    video, sound = folder / f"{name}.y4m", folder / f"{name}.wav"
    write_camera(video, (picture for picture, _ in script.pictures()))
    write_microphone(sound, np.concatenate(list(script.sound(RATE_HZ))), RATE_HZ)
    return video, sound


@asynccontextmanager
async def browse(
    namespace: Namespace, made: NewSession, video: Path, sound: Path, told: Attendance
) -> AsyncIterator[None]:
    """The same by a Chromium in the namespace, on the product's own page."""
    from playwright.async_api import Error

    own = video.with_name(f"{made.session.session_id}.y4m")
    os.link(video, own)
    link = f"{made.join_url}&auto=1"
    try:
        async with candidate_page(link, own, sound, namespace.command(), trusts_all=True) as page:
            await page.page.wait_for_function(
                "() => window.proctorState?.phase === 'live'", timeout=JOIN_WITHIN_S * 1000
            )
            told.began_at = (await page.camera_started_at()).timestamp()
            told.path = await page.path()
            yield
            told.connections = int((await page.state())["epoch"])
            told.problem = "; ".join(p for p in page.problems if "net::ERR" not in p)
    except Error as error:
        raise Unavailable(f"the browser: {error.message.splitlines()[0]}") from error
    finally:
        own.unlink()
