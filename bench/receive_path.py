"""What receiving costs: our media path against aiortc's own, in CPU per second of a session.

A sender in a process of its own plays encoded reels (VP8 320x240 at 5 fps, Opus) to as many
connections as asked for; a receiver in another hands out RGB pictures and mono 16 kHz sound, once with
`LeanPeers` and once with aiortc's receiver. Only the receiver's CPU time counts.

    .venv/bin/python -m bench.receive_path --sessions 5 --seconds 10 --json FILE
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler, VideoFrame
from rich.console import Console
from rich.table import Table

from bench.candidate.pictures import FPS, Moved
from bench.candidate.reels import encode
from bench.candidate.scenes import Scene, Script
from bench.candidate.sender import Playback, ReelTrack, stay_on_loopback
from bench.candidate.sounds import RATE_HZ, Spoken
from proctor.adapters.clock import SystemClock
from proctor.adapters.webrtc.peer import LeanPeers
from proctor.domain.media import AUDIO_RATE_HZ, Image, PictureOrigin, Samples
from proctor.settings import WebRtcSettings

LOOPBACK = "http://127.0.0.1"
SETTLE_S = 2.0
CONNECT_S = 30.0
VARIANTS = ("stock", "lean")

Close = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to measure."""

    sessions: int
    seconds: float
    ptime_ms: int
    uvloop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One variant.

    Attributes:
        cpu_ms: CPU per session and second, ms.
        setup_ms: CPU per session to connect, ms.
        pss_mb: Memory of the receiving process at the end, shared pages by share.
        threads: Threads of it.
        fps: Pictures handed out per session and second.
        sound: Seconds of sound per session and second.
        is_complete: Whether every connection that was asked for came about.
    """

    cpu_ms: float
    setup_ms: float
    pss_mb: float
    threads: int
    fps: float
    sound: float
    is_complete: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether all that was sent was handed out; a starved receiver looks cheap."""
        return self.is_complete and self.fps >= 0.95 * FPS and self.sound >= 0.95


class Tally:
    """Counts what is handed out by a connection; also a `MediaSink` and the `Metrics`."""

    def __init__(self) -> None:
        self.pictures = 0
        self.samples = 0

    def on_picture(
        self, image: Image, received_ms: int, origin: PictureOrigin | None = None
    ) -> None:
        """One more."""
        self.pictures += 1

    def on_sound(self, samples: Samples, received_ms: int, gap_ms: int) -> None:
        """Some more."""
        self.samples += len(samples)

    def on_connection(self, state: str) -> None:
        """Not counted."""

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Not counted."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Not counted."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Not counted."""


async def _lean(tally: Tally, offer: str) -> tuple[str, Close]:
    peer = LeanPeers(WebRtcSettings(), SystemClock(), tally).open(tally)
    return await peer.answer(offer), peer.close


async def _stock(tally: Tally, offer: str) -> tuple[str, Close]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    listening: list[asyncio.Task[None]] = []

    @connection.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        listening.append(asyncio.create_task(_consume(track, tally)))

    await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await connection.setLocalDescription(await connection.createAnswer())

    async def close() -> None:
        await connection.close()
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)

    return connection.localDescription.sdp, close


async def _consume(track: MediaStreamTrack, tally: Tally) -> None:
    """The same products as ours from aiortc's track: RGB pictures, mono 16 kHz float sound."""
    resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE_HZ)
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        if isinstance(frame, VideoFrame):
            tally.on_picture(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False), 0)
        elif isinstance(frame, AudioFrame):
            for heard in resampler.resample(frame):
                tally.on_sound(heard.to_ndarray()[0], 0, 0)


def _run(main: Awaitable[None], use_uvloop: bool) -> None:
    async def begin() -> None:
        await main

    if use_uvloop:
        import uvloop

        uvloop.run(begin())
    else:
        asyncio.run(begin())


def _pss_mb() -> float:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _counted(tallies: Sequence[Tally]) -> tuple[int, int]:
    return sum(tally.pictures for tally in tallies), sum(tally.samples for tally in tallies)


def receive(variant: str, asked: Asked, sender: Connection, report: Connection) -> None:
    """The receiving process: answers every offer, measures itself, reports."""
    stay_on_loopback(LOOPBACK)
    opening = _lean if variant == "lean" else _stock

    async def main() -> None:
        offers: list[str] = await asyncio.to_thread(sender.recv)
        tallies = [Tally() for _ in offers]
        before_s = time.process_time()
        opened = [await opening(tally, offer) for tally, offer in zip(tallies, offers, strict=True)]
        sender.send([answer for answer, _ in opened])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_S):
                while min(tally.pictures for tally in tallies) < 2:  # no event
                    await asyncio.sleep(0.05)
        connected = sum(tally.pictures >= 2 for tally in tallies)
        if not connected:
            return  # `measure` tells that nothing was reported
        setup_s = time.process_time() - before_s
        await asyncio.sleep(SETTLE_S)
        began_s, cpu_s = time.monotonic(), time.process_time()
        pictures, samples = _counted(tallies)
        await asyncio.sleep(asked.seconds)
        session_s = (time.monotonic() - began_s) * connected
        pictures_then, samples_then = _counted(tallies)
        report.send(
            Measured(
                cpu_ms=(time.process_time() - cpu_s) * 1000 / session_s,
                setup_ms=setup_s * 1000 / connected,
                is_complete=connected == asked.sessions,
                pss_mb=_pss_mb(),
                threads=len(os.listdir("/proc/self/task")),
                fps=(pictures_then - pictures) / session_s,
                sound=(samples_then - samples) / AUDIO_RATE_HZ / session_s,
            )
        )
        for _, close in opened:
            await close()

    _run(main(), asked.uvloop)


def send(asked: Asked, receiver: Connection) -> None:
    """The sending process: offers, then plays until it is ended."""
    stay_on_loopback(LOOPBACK)
    rng = np.random.default_rng(5)
    still = np.kron(rng.integers(40, 220, (15, 20, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    voice = (rng.normal(0, 2500, RATE_HZ * 4)).astype(np.int16)
    scene = Scene(name="still", start_s=0, picture=Moved(still), sound=Spoken(voice, loop=True))
    length_s = asked.seconds + SETTLE_S + CONNECT_S
    reels = encode(Script([scene], length_s), ptime_ms=asked.ptime_ms)

    async def main() -> None:
        playback = Playback(reels)
        connections = [
            RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(asked.sessions)
        ]
        for connection in connections:
            connection.addTrack(ReelTrack("audio", reels.audio, playback))
            connection.addTrack(ReelTrack("video", reels.video, playback))
            await connection.setLocalDescription(await connection.createOffer())
        receiver.send([connection.localDescription.sdp for connection in connections])
        answers: list[str] = await asyncio.to_thread(receiver.recv)
        for connection, answer in zip(connections, answers, strict=True):
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.to_thread(receiver.recv)  # nothing more is said: it ends with the process
        del connections

    _run(main(), use_uvloop=True)


Sending = Callable[[Asked, Connection], None]


def measure(variant: str, asked: Asked, sending: Sending = send) -> Measured:
    """Run one variant, fed by `sending` in a process of its own, which must be picklable.

    Raises:
        RuntimeError: The receiver did not report in time.
    """
    spawn = multiprocessing.get_context("spawn")
    near, far = spawn.Pipe()
    result, report = spawn.Pipe(duplex=False)
    receiver = spawn.Process(target=receive, args=(variant, asked, far, report))
    sender = spawn.Process(target=sending, args=(asked, near))
    sender.start()
    receiver.start()
    try:
        if not result.poll(asked.seconds + SETTLE_S + 4 * CONNECT_S):
            raise RuntimeError(f"the {variant} receiver did not report")
        measured: Measured = result.recv()
        receiver.join(CONNECT_S)
        return measured
    finally:
        for process in (sender, receiver):
            process.terminate()
            process.join()


def main(
    sessions: Annotated[int, typer.Option(min=1, max=50)] = 5,
    seconds: Annotated[float, typer.Option(min=1)] = 10.0,
    ptime: Annotated[int, typer.Option(help="Opus packet time: 20, 40 or 60 ms.")] = 60,
    uvloop: Annotated[bool, typer.Option(help="As in a Ray actor.")] = True,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """CPU of receiving: ours against aiortc's."""
    asked = Asked(sessions=sessions, seconds=seconds, ptime_ms=ptime, uvloop=uvloop)
    found = {variant: measure(variant, asked) for variant in VARIANTS}
    table = Table(title=f"{sessions} sessions, {seconds:g} s, Opus {ptime} ms")
    columns = ("variant", "CPU ms per session-second", "connect, CPU ms", "PSS MB", "threads")
    for column in (*columns, "fps", "sound s/s"):
        table.add_column(column, justify="right")
    for variant, m in found.items():
        figures = (m.cpu_ms, m.setup_ms, m.pss_mb, m.threads, m.fps, m.sound)
        table.add_row(variant, *(f"{figure:.2f}" for figure in figures))
    console = Console()
    console.print(table)
    ratio = found["stock"].cpu_ms / found["lean"].cpu_ms
    console.print(f"stock / lean: {ratio:.2f}")
    if json_file is not None:
        told = {
            "asked": asdict(asked),
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
            "variants": {variant: asdict(m) for variant, m in found.items()},
            "stock_over_lean": ratio,
        }
        json_file.write_text(json.dumps(told, indent=2) + "\n")
    if not all(m.is_whole for m in found.values()):
        console.print("[red]not all that was sent arrived: the machine is too busy to measure")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
