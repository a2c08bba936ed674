"""Many scripted candidates in one process: what a worker of the load generator runs."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.candidate.desk import ExamOffice
from bench.candidate.person import Candidate
from bench.candidate.reels import Reels
from bench.candidate.sender import stay_on_loopback
from bench.candidate.wire import ApiProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One candidate to be.

    Attributes:
        session_id: Whose session.
        ticket: The way in.
        variant: Which reels to play.
        joins_after_s: When to join, counted from the crowd's start.
    """

    session_id: str
    ticket: str
    variant: int
    joins_after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """How it went for one candidate.

    Attributes:
        session_id: Whose session.
        began_at: Wall time of the script's second 0; 0 when media never flowed.
        connections: How many offers were accepted; 1 when nothing broke.
        breaks: Why each connection after the first became due.
        problem: Why the candidate gave up, else empty.
    """

    session_id: str
    began_at: float
    connections: int
    breaks: tuple[str, ...] = ()
    problem: str = ""


def run_crowd(
    base_url: str,
    admin_token: str,
    members: Sequence[Member],
    reels: Mapping[int, Reels],
    start_at: float,
) -> tuple[list[Attended], float]:
    """Run candidates until their scripts are over.

    Args:
        base_url: Of a running product.
        admin_token: With which each session is ended when its script is over.
        members: Who joins, and when.
        reels: What they play, by variant.
        start_at: Wall time from which `joins_after_s` counts.

    Returns:
        How it went for each, and the CPU seconds that this process took.
    """
    stay_on_loopback(base_url)
    began_cpu_s = time.process_time()
    attended = asyncio.run(_run(base_url, admin_token, members, reels, start_at))
    return attended, time.process_time() - began_cpu_s


async def _run(
    base_url: str,
    admin_token: str,
    members: Sequence[Member],
    reels: Mapping[int, Reels],
    start_at: float,
) -> list[Attended]:
    async with ExamOffice(base_url, admin_token) as office:
        attending = [
            _attend(Candidate(base_url, reels[member.variant]), office, member, start_at)
            for member in members
        ]
        return list(await asyncio.gather(*attending))


async def _attend(
    candidate: Candidate, office: ExamOffice, member: Member, start_at: float
) -> Attended:
    try:
        await asyncio.sleep(max(0.0, start_at + member.joins_after_s - time.time()))
        await candidate.join(member.ticket)
        async with asyncio.timeout(candidate.playback.reels.length_s + 60):
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
