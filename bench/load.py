"""Load: many candidates at once on a running product, with events at known times.

What it asks of the product's machine is measured on every process of it; the clients' own processor
time is told apart, for here both share the cores.
"""

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from bench.candidate.desk import ExamOffice
from bench.candidate.film import Library
from bench.candidate.listener import AlertListener, Heard
from bench.candidate.scenes import Script
from bench.candidate.wire import ApiProblem, SessionView
from bench.crowd import Attended, CrowdTook, Member, Times, run_crowd
from bench.footage import Footage, cut_film, person_of, write_script
from bench.groups import items_by_group
from bench.load_report import LoadResult
from bench.people import Person
from bench.schedule import plan_events
from bench.verdict import Verdict, judge, scene_of
from bench.window import Look, Window
from proctor.fusion.policy import Policy

FIRST_ALONE_S = 8.0
"""The first candidate is alone for so long: what a host holds with one session."""
SETTLE_S = 6.0
ENDS_AFTER_S = 4.0
AFTERWARDS_S = 6.0
CLIENTS_PER_WORKER = 50
BEGIN_AFTER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to measure.

    Attributes:
        sessions: How many candidates.
        seconds: Length of the measured stretch with all of them there.
        idle_s: Length of the stretch before; 0 leaves it out.
        join_over_s: Over how long the candidates after the first join.
        event_every_s: How often each of them misbehaves, on average.
        seed: Of the events' times.
    """

    sessions: int
    seconds: float
    idle_s: float
    join_over_s: float
    event_every_s: float
    seed: int = 0

    def joins_after_s(self, number: int) -> float:
        """When candidate `number` joins, counted from the first."""
        if number == 0:
            return 0.0
        return FIRST_ALONE_S + self.join_over_s * (number - 1) / max(1, self.sessions - 1)

    @property
    def plateau_after_s(self) -> float:
        """When all are there and the measured stretch begins, counted from the first."""
        return self.joins_after_s(self.sessions - 1) + SETTLE_S

    def length_s(self, number: int) -> float:
        """How long the film of candidate `number` is: until a little after the measured stretch."""
        return self.plateau_after_s + self.seconds + ENDS_AFTER_S - self.joins_after_s(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A running product that does nothing else.

    Attributes:
        base_url: Where its door is.
        admin_token: For the exam office's steps.
        proctor_token: For the ear on the alerts.
        look: Lists its processes.
    """

    base_url: str
    admin_token: str
    proctor_token: str
    look: Look


OnPlateau = Callable[[float], Coroutine[Any, Any, None]]
"""What else is done while all are there, given the seconds that it may take."""


async def run_load(
    product: Product,
    footage: Footage,
    policy: Policy,
    asked: Asked,
    say: Callable[[str], None],
    on_plateau: OnPlateau | None = None,
) -> LoadResult:
    """Measure a running product: idle, then with candidates.

    Args:
        product: Which.
        footage: What the candidates show and say.
        policy: The policy that the exam uses.
        asked: How many, and for how long.
        say: Told each step.
        on_plateau: Something that is done during the measured stretch.

    Raises:
        ApiProblem: The product refuses what must not be refused.
    """
    idle = await _window(product.look, asked.idle_s)
    listener = AlertListener(product.base_url, product.proctor_token, lambda _heard: None)
    async with ExamOffice(product.base_url, product.admin_token) as office:
        say(f"enrolling {asked.sessions} candidates")
        seated, made = await enrol_all(office, footage, asked.sessions, say)
        listening = asyncio.create_task(listener.run())
        try:
            await asyncio.wait_for(listener.connected.wait(), 15)
            say(
                f"{asked.sessions} candidates join within {asked.joins_after_s(len(made) - 1):.0f} s"
            )
            members, scripts = _cast_members(seated, made, policy, asked)
            start_at = time.time() + BEGIN_AFTER_S
            begin = start_at + asked.plateau_after_s
            times = Times(
                start_at=start_at, measured_from=begin, measured_until=begin + asked.seconds
            )
            crowd = asyncio.create_task(_crowd(product, members, seated.library, times))
            await _until(start_at + FIRST_ALONE_S - 1.0)
            first = await asyncio.to_thread(product.look)
            await _until(begin)
            say(f"all there; measuring for {asked.seconds:.0f} s")
            calls = await groups_now(product.base_url)
            beside = asyncio.create_task(on_plateau(asked.seconds)) if on_plateau else None
            busy = await _window(product.look, asked.seconds)
            calls = {
                k: n - calls.get(k, 0.0) for k, n in (await groups_now(product.base_url)).items()
            }
            if beside is not None:
                await beside
            attended, took = await crowd
            await asyncio.sleep(AFTERWARDS_S)
            views = {m.session_id: await office.look(m.session_id) for m in members}
            stored = [len(await office.alerts(m.session_id)) for m in members]
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
    heard = {session_id: _of(listener.heard, session_id) for session_id in views}
    verdicts = {
        one.session_id: _judged(
            scripts[one.session_id], one, views[one.session_id], heard[one.session_id]
        )
        for one in attended
    }
    numbers = {session_id: number for number, (session_id, _) in enumerate(made)}
    for one in attended:
        script, view = scripts[one.session_id], views[one.session_id]
        who = person_of(seated, numbers[one.session_id]).name
        for news in verdicts[one.session_id].unexpected:
            scene = scene_of(news, script, one.began_at, _started_at(view))
            say(f"false: {news.alert.rule_id} of {who} in the scene `{scene.name}`")
    return LoadResult(
        sessions=asked.sessions,
        idle=idle,
        first=first,
        busy=busy,
        took=took,
        attended=attended,
        views=views,
        verdicts=verdicts,
        items=calls,
        undelivered=sum(stored) - sum(len(items) for items in heard.values()),
    )


async def _until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.time()))


async def groups_now(base_url: str) -> dict[str, float]:
    """How much each model group has been asked so far, by the product's own counters."""
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as client:
        return items_by_group((await client.get("/metrics")).text)


def _of(heard: Sequence[Heard], session_id: str) -> list[Heard]:
    return [news for news in heard if news.alert.session_id == session_id]


def _judged(
    script: Script, attended: Attended, view: SessionView, heard: Sequence[Heard]
) -> Verdict:
    return judge(script, attended.began_at, _started_at(view), heard)


def _started_at(view: SessionView) -> float:
    return view.started_at.timestamp() if view.started_at else 0.0


async def _window(look: Look, seconds: float) -> Window:
    before = await asyncio.to_thread(look)
    began_s = time.perf_counter()
    await asyncio.sleep(seconds)
    ended_s = time.perf_counter()
    return Window(
        before=before, after=await asyncio.to_thread(look), seconds=max(0.001, ended_s - began_s)
    )


async def enrol_all(
    office: ExamOffice, footage: Footage, sessions: int, say: Callable[[str], None]
) -> tuple[Footage, list[tuple[str, str]]]:
    """Make and enrol candidates, each with a session.

    A person whose pictures the product does not take to enrol is left out of the footage.

    Returns:
        The footage of those who were taken, and (session, join ticket) of each candidate.

    Raises:
        ApiProblem: Nobody was taken, or another step failed.
    """
    exam = await office.exam("Load")
    taken: list[Person] = []
    for person in footage.people[:sessions]:
        try:
            await _enrolled(office, person)
        except ApiProblem as problem:
            if problem.status != httpx.codes.UNPROCESSABLE_ENTITY:
                raise
            say(f"{person.name} is left out: {problem.detail}")
        else:
            taken.append(person)
    if not taken:
        raise ApiProblem(422, "bench/nobody", "no person of the footage could be enrolled")
    seated = footage.only(taken)
    made: list[tuple[str, str]] = []
    for number in range(sessions):
        candidate = await _enrolled(office, person_of(seated, number))
        new = await office.session(exam, candidate)
        made.append((new.session.session_id, new.join_ticket))
    return seated, made


async def _enrolled(office: ExamOffice, person: Person) -> str:
    candidate = await office.candidate(f"load-{time.time_ns():x}")
    await office.consent(candidate)
    await office.enrol(candidate, person.enrolment)
    return candidate


def _cast_members(
    footage: Footage, made: Sequence[tuple[str, str]], policy: Policy, asked: Asked
) -> tuple[list[Member], dict[str, Script]]:
    members: list[Member] = []
    scripts: dict[str, Script] = {}
    for number, (session_id, ticket) in enumerate(made):
        length_s = asked.length_s(number)
        kinds = person_of(footage, number).kinds
        events = plan_events(number, length_s, asked.event_every_s, kinds, asked.seed)
        scripts[session_id] = write_script(footage, number, events, length_s, policy)
        members.append(
            Member(
                session_id=session_id,
                ticket=ticket,
                film=cut_film(footage, number, events, length_s),
                joins_after_s=asked.joins_after_s(number),
            )
        )
    return members, scripts


async def _crowd(
    product: Product, members: Sequence[Member], library: Library, times: Times
) -> tuple[list[Attended], list[CrowdTook]]:
    workers = max(1, -(-len(members) // CLIENTS_PER_WORKER))
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        parts = [
            loop.run_in_executor(
                pool,
                run_crowd,
                product.base_url,
                product.admin_token,
                members[n::workers],
                library,
                times,
            )
            for n in range(workers)
        ]
        done = await asyncio.gather(*parts)
    return [one for part, _ in done for one in part], [took for _, took in done]
