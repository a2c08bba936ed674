"""Load: many candidates at once on a running product, with events at known times.

What it asks of the product's machine is measured on every process of it; the clients' own processor
time is told apart, for here both share the cores.
"""

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

from bench.candidate.desk import ExamOffice
from bench.candidate.listener import AlertListener, Heard
from bench.candidate.reels import Reels, encode
from bench.candidate.scenes import Script
from bench.candidate.wire import SessionView
from bench.cast import Cast
from bench.crowd import Attended, Member, run_crowd
from bench.load_report import LoadResult, Look, Window
from bench.story import write_load_script
from bench.verdict import Verdict, judge
from proctor.fusion.policy import Policy

VARIANTS = 5
JOIN_OVER_S = 5.0
SETTLE_S = 6.0
AFTERWARDS_S = 6.0
CLIENTS_PER_WORKER = 13


async def run_load(
    base_url: str,
    admin_token: str,
    proctor_token: str,
    cast: Cast,
    policy: Policy,
    look: Look,
    sessions: int,
    seconds: float,
    idle_s: float,
    say: Callable[[str], None],
) -> LoadResult:
    """Measure a running product: idle, then with `sessions` candidates for `seconds`.

    Args:
        base_url: Of a running product that does nothing else.
        admin_token: For the exam office's steps.
        proctor_token: For the ear on the alerts.
        cast: Who is before the camera; everybody enrols the same face, each as their own.
        policy: The policy that the exam uses.
        look: Lists the product's processes.
        sessions: How many candidates.
        seconds: Length of the measured stretch with all of them there.
        idle_s: Length of the stretch before; 0 leaves it out.
        say: Told each step.
    """
    idle = await _window(look, idle_s)
    length_s = seconds + SETTLE_S + 4.0 + JOIN_OVER_S
    scripts = {
        variant: write_load_script(cast, policy, variant, length_s)
        for variant in range(min(VARIANTS, sessions))
    }
    say(f"encoding {len(scripts)} scripts of {length_s:.0f} s")
    reels = {variant: await asyncio.to_thread(encode, s) for variant, s in scripts.items()}
    listener = AlertListener(base_url, proctor_token, lambda _heard: None)
    async with ExamOffice(base_url, admin_token) as office:
        say(f"enrolling {sessions} candidates")
        made = await _prepare(office, cast, sessions)
        listening = asyncio.create_task(listener.run())
        try:
            await asyncio.wait_for(listener.connected.wait(), 15)
            say(f"{sessions} candidates join within {JOIN_OVER_S:.0f} s")
            start_at = time.time() + 4.0
            members = [
                Member(
                    session_id=session_id,
                    ticket=ticket,
                    variant=number % len(scripts),
                    joins_after_s=JOIN_OVER_S * number / sessions,
                )
                for number, (session_id, ticket) in enumerate(made)
            ]
            crowd = asyncio.create_task(_crowd(base_url, admin_token, members, reels, start_at))
            await asyncio.sleep(max(0.0, start_at + JOIN_OVER_S + SETTLE_S - time.time()))
            say(f"all there; measuring for {seconds:.0f} s")
            busy = await _window(look, seconds)
            attended, client_cpu_s, client_s = await crowd
            await asyncio.sleep(AFTERWARDS_S)
            views = {m.session_id: await office.look(m.session_id) for m in members}
            stored = [len(await office.alerts(m.session_id)) for m in members]
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
    variants = {member.session_id: member.variant for member in members}
    heard = {session_id: _of(listener.heard, session_id) for session_id in views}
    verdicts = {
        one.session_id: _judged(
            scripts[variants[one.session_id]], one, views[one.session_id], heard[one.session_id]
        )
        for one in attended
    }
    return LoadResult(
        sessions=sessions,
        idle=idle,
        busy=busy,
        client_cpu_s=client_cpu_s,
        client_s=client_s,
        attended=attended,
        views=views,
        verdicts=verdicts,
        undelivered=sum(stored) - sum(len(items) for items in heard.values()),
    )


def _of(heard: Sequence[Heard], session_id: str) -> list[Heard]:
    return [news for news in heard if news.alert.session_id == session_id]


def _judged(
    script: Script, attended: Attended, view: SessionView, heard: Sequence[Heard]
) -> Verdict:
    started_at = view.started_at.timestamp() if view.started_at else 0.0
    return judge(script, attended.began_at, started_at, heard)


async def _window(look: Look, seconds: float) -> Window:
    began_s = time.perf_counter()
    before = await asyncio.to_thread(look)
    await asyncio.sleep(seconds)
    after = await asyncio.to_thread(look)
    return Window(before=before, after=after, seconds=time.perf_counter() - began_s)


async def _prepare(office: ExamOffice, cast: Cast, sessions: int) -> list[tuple[str, str]]:
    exam = await office.exam("Load")
    made: list[tuple[str, str]] = []
    for number in range(sessions):
        candidate = await office.candidate(f"load-{time.time_ns():x}-{number}")
        await office.consent(candidate)
        await office.enrol(candidate, cast.enrolment)
        new = await office.session(exam, candidate)
        made.append((new.session.session_id, new.join_ticket))
    return made


async def _crowd(
    base_url: str,
    admin_token: str,
    members: Sequence[Member],
    reels: Mapping[int, Reels],
    start_at: float,
) -> tuple[list[Attended], float, float]:
    began_s = time.perf_counter()
    workers = max(1, -(-len(members) // CLIENTS_PER_WORKER))
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        parts = [
            loop.run_in_executor(
                pool, run_crowd, base_url, admin_token, members[n::workers], reels, start_at
            )
            for n in range(workers)
        ]
        done = await asyncio.gather(*parts)
    attended = [one for part, _ in done for one in part]
    return attended, sum(cpu_s for _, cpu_s in done), time.perf_counter() - began_s
