"""Many scripted candidates in one process: what a worker of the load generator runs."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.candidate.desk import ExamOffice
from bench.candidate.film import Film, Library
from bench.candidate.person import Candidate
from bench.candidate.projector import Projector
from bench.candidate.pump import Pump
from bench.candidate.sender import stay_on_loopback
from bench.candidate.wire import ApiProblem

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One candidate to be.

    Attributes:
        session_id: Whose session.
        ticket: The way in.
        film: What they play.
        joins_after_s: When to join, counted from the crowd's start.
    """

    session_id: str
    ticket: str
    film: Film
    joins_after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """How it went for one candidate.

    Attributes:
        session_id: Whose session.
        began_at: Wall time of the film's second 0; 0 when media never flowed.
        connections: How many offers were accepted; 1 when nothing broke.
        breaks: Why each connection after the first became due.
        problem: Why the candidate gave up, else empty.
    """

    session_id: str
    began_at: float
    connections: int
    breaks: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When a crowd does what, as wall time in seconds since the epoch.

    Attributes:
        start_at: From which `joins_after_s` counts.
        measured_from: The stretch in which the crowd's own processor time is told apart.
        measured_until: Its end.
    """

    start_at: float
    measured_from: float
    measured_until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdTook:
    """Processor time of a crowd's process.

    Attributes:
        cpu_s: Of its whole life.
        measured_cpu_s: Within the measured stretch.
        measured_s: How long that was.
    """

    cpu_s: float
    measured_cpu_s: float
    measured_s: float


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop: a datagram costs a third less than on asyncio's own loop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def run_crowd(
    base_url: str,
    admin_token: str,
    members: Sequence[Member],
    library: Library,
    times: Times,
) -> tuple[list[Attended], CrowdTook]:
    """Run candidates until their films are over.

    Args:
        base_url: Of a running product.
        admin_token: With which each session is ended when its film is over.
        members: Who joins, and when.
        library: The strips of their films.
        times: When.

    Returns:
        How it went for each, and the CPU seconds that this process took.
    """
    stay_on_loopback(base_url)
    began_cpu_s = time.process_time()
    for member in members:  # read now: nobody waits for a file once it has begun
        for cue in (*member.film.video, *member.film.audio):
            library[cue.strip]
    attended, measured_cpu_s, measured_s = run_loop(
        _run(base_url, admin_token, members, library, times)
    )
    took = CrowdTook(
        cpu_s=time.process_time() - began_cpu_s,
        measured_cpu_s=measured_cpu_s,
        measured_s=measured_s,
    )
    return attended, took


async def _run(
    base_url: str,
    admin_token: str,
    members: Sequence[Member],
    library: Library,
    times: Times,
) -> tuple[list[Attended], float, float]:
    pump = Pump()
    projector = Projector(library, pump)
    measuring = asyncio.create_task(_measure(times))
    pumping = asyncio.create_task(pump.run())
    async with ExamOffice(base_url, admin_token) as office:
        attending = [
            _attend(
                Candidate(base_url, member.film, projector.attach), office, member, times.start_at
            )
            for member in members
        ]
        attended = list(await asyncio.gather(*attending))
    pumping.cancel()
    await asyncio.wait([pumping])
    return attended, *await measuring


async def _measure(times: Times) -> tuple[float, float]:
    await asyncio.sleep(max(0.0, times.measured_from - time.time()))
    began_s, cpu_s = time.monotonic(), time.process_time()
    await asyncio.sleep(max(0.0, times.measured_until - time.time()))
    return time.process_time() - cpu_s, time.monotonic() - began_s


async def _attend(
    candidate: Candidate, office: ExamOffice, member: Member, start_at: float
) -> Attended:
    try:
        await asyncio.sleep(max(0.0, start_at + member.joins_after_s - time.time()))
        await candidate.join(member.ticket)
        async with asyncio.timeout(candidate.playback.shown.length_s + 60):
            await candidate.playback.finished()
        await office.end(member.session_id)
    except (ApiProblem, TimeoutError) as problem:
        return _told(candidate, member, str(problem) or type(problem).__name__)
    finally:
        await candidate.close()
    return _told(candidate, member, "")


def _told(candidate: Candidate, member: Member, problem: str) -> Attended:
    return Attended(
        session_id=member.session_id,
        began_at=candidate.playback.began_at,
        connections=len(candidate.epochs),
        breaks=tuple(candidate.breaks),
        problem=problem,
    )
