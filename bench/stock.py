"""What stock aiortc takes to receive the very footage of a load run: the denominator of its ratio.

One process, 25 sessions, VP8 320x240 at 5 fps; aiortc's own receivers and decoders hand out the same
pictures and sound that ours do, and nothing looks at them.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from bench.candidate.film import Film, Library
from bench.candidate.projector import Projector
from bench.candidate.pump import Pump
from bench.candidate.sender import Playback, stay_on_loopback
from bench.crowd import run_loop
from bench.footage import Footage, cut_film, person_of
from bench.receive_path import CONNECT_S, LOOPBACK, SETTLE_S, Asked, Measured, measure
from bench.schedule import plan_events

SESSIONS = 25
STOCK_PTIME_MS = 20
"""What aiortc negotiates when nobody asks for another packet time."""


def measure_stock(
    footage: Footage,
    event_every_s: float,
    seconds: float,
    say: Callable[[str], None],
    sessions: int = SESSIONS,
) -> tuple[float, float]:
    """CPU of the receiving process per session-second, ms: with sound of 20 ms, and of ours.

    Args:
        footage: The same as the candidates'; its sound in both packet times.
        event_every_s: The same as the candidates'.
        seconds: How long each is measured.
        say: Told each step, and when the machine was too busy for a fair figure.
        sessions: How many connections.

    Raises:
        RuntimeError: The receiver did not report in time.
    """
    found: dict[int, Measured] = {}
    for ptime_ms in dict.fromkeys((STOCK_PTIME_MS, footage.ptime_ms)):
        say(f"stock aiortc, {sessions} sessions, sound of {ptime_ms} ms, {seconds:.0f} s")
        length_s = seconds + SETTLE_S + CONNECT_S
        films = [
            cut_film(
                footage,
                number,
                plan_events(number, length_s, event_every_s, person_of(footage, number).kinds),
                length_s,
                ptime_ms,
            )
            for number in range(sessions)
        ]
        asked = Asked(sessions=sessions, seconds=seconds, ptime_ms=ptime_ms, uvloop=True)
        found[ptime_ms] = measure("stock", asked, partial(_send, films, footage.library))
        if not found[ptime_ms].is_whole:
            say("not all that was sent arrived: the machine was too busy, and stock looks cheaper")
    return found[STOCK_PTIME_MS].cpu_ms, found[footage.ptime_ms].cpu_ms


def _send(films: Sequence[Film], library: Library, asked: Asked, receiver: Connection) -> None:
    """The sending process: offers, then plays until it is ended."""
    stay_on_loopback(LOOPBACK)
    for film in films:
        for cue in (*film.video, *film.audio):
            library[cue.strip]

    async def main() -> None:
        pump = Pump()
        projector = Projector(library, pump)
        pumping = asyncio.create_task(pump.run())
        connections = [RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in films]
        for connection, film in zip(connections, films, strict=True):
            projector.attach(connection, Playback(film))
            await connection.setLocalDescription(await connection.createOffer())
        receiver.send([connection.localDescription.sdp for connection in connections])
        answers: list[str] = await asyncio.to_thread(receiver.recv)
        for connection, answer in zip(connections, answers, strict=True):
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.to_thread(receiver.recv)  # nothing more is said: it ends with the process
        del connections, pumping

    run_loop(main())
