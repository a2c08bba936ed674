"""Runs the matrix: every case and seed on a running product, several candidates at once."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.candidate.desk import ExamOffice
from bench.candidate.listener import AlertListener
from bench.candidate.reels import Reels, encode
from bench.candidate.scenes import Script
from bench.candidate.wire import ApiProblem, SessionView
from bench.cast import Cast
from bench.network.attending import Attendance, Worker, browse, write_footage
from bench.network.cases import BEGINS_S, Case, write_case_script
from bench.network.lab import Lab, Namespace
from bench.network.outcome import Job, Outcome, Played, in_words, judged
from bench.network.watcher import Watcher
from bench.network.weather import CALM
from proctor.domain.errors import Unavailable
from proctor.fusion.policy import Policy

AFTERWARDS_S = 4.0
SETTLES_WITHIN_S = 30.0
"""An end that a busy shard could not take at once is told it again (`settle_ended`)."""

BROWSERS_AT_ONCE = 2
_PHASES = 11
"""Seeds begin at so many points of a picture's and a report's time."""

MintCandidate = Callable[[str], str]
Say = Callable[[str], None]


@dataclass(slots=True)
class _Slot:
    """One line at a time hangs here."""

    namespace: Namespace
    worker: Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running product and all that is made before anybody joins.

    Attributes:
        base_url: Of the product, by an address that the namespaces reach.
        admin_token: For the exam office's steps.
        proctor_token: For the ear on the alerts.
        mint_candidate: A token for the control channel of a session.
        lab: The lines, made but not started.
        cast: Who is before the camera.
        policy: The policy that the exam uses.
        folder: For the files that browsers play.
        say: Told each step.
    """

    base_url: str
    admin_token: str
    proctor_token: str
    mint_candidate: MintCandidate
    lab: Lab
    cast: Cast
    policy: Policy
    folder: Path
    say: Say


@dataclass(slots=True)
class _Run:
    stage: Stage
    office: ExamOffice
    exam: str
    scripts: Mapping[str, Script]
    footage: Mapping[str, tuple[Path, Path]]
    listener: AlertListener
    slots: "asyncio.Queue[_Slot]"
    homes: "asyncio.Queue[_Slot]"
    browsers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BROWSERS_AT_ONCE))


def jobs_of(cases: Sequence[Case], seeds: int, browsers: int) -> list[Job]:
    """Every case with every seed, the first `browsers` of each by Chromium; `turn` by Chromium only."""
    return [
        Job(case, seed, in_browser=seed < browsers or case.behind_nat)
        for seed in range(seeds)
        for case in cases
        if not case.behind_nat or seed < max(1, browsers)
    ]


async def run_matrix(
    stage: Stage,
    jobs: Sequence[Job],
    namespaces: Sequence[Namespace],
    home: Namespace | None = None,
) -> list[Outcome]:
    """Play every job, as many at once as there are namespaces; in the order of `jobs`.

    Args:
        stage: On what.
        jobs: What is played.
        namespaces: Where candidates live, one each at a time.
        home: Where those live who are behind a NAT; None when no job is.

    Raises:
        Unavailable: No packet can be lost here, or the product does not answer.
    """
    cases = {job.case.name: job.case for job in jobs}
    scripts = {n: write_case_script(stage.cast, stage.policy, c) for n, c in cases.items()}
    stage.say(f"encoding {len(scripts)} scripts")
    reels = {n: await asyncio.to_thread(encode, script) for n, script in scripts.items()}
    browsed = {job.case.name for job in jobs if job.in_browser}
    footage = {
        n: await asyncio.to_thread(write_footage, stage.folder, n, scripts[n]) for n in browsed
    }
    listener = AlertListener(stage.base_url, stage.proctor_token, lambda _heard: None)
    async with (
        ExamOffice(stage.base_url, stage.admin_token) as office,
        _listening(listener),
        _slots(namespaces, reels) as slots,
        _slots([home] if home else [], reels) as homes,
    ):
        exam = await office.exam("Bad lines")
        run = _Run(stage, office, exam, scripts, footage, listener, slots, homes)
        return list(await asyncio.gather(*(_outcome(run, job) for job in jobs)))


@asynccontextmanager
async def _listening(listener: AlertListener) -> AsyncIterator[None]:
    task = asyncio.create_task(listener.run())
    try:
        await asyncio.wait_for(listener.connected.wait(), 30)
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _slots(
    namespaces: Sequence[Namespace], reels: Mapping[str, Reels]
) -> AsyncIterator["asyncio.Queue[_Slot]"]:
    slots: asyncio.Queue[_Slot] = asyncio.Queue()
    made = [_Slot(one, Worker(one, reels)) for one in namespaces]
    for slot in made:
        slots.put_nowait(slot)
    try:
        yield slots
    finally:
        for slot in made:
            await asyncio.to_thread(slot.worker.close)


async def _outcome(run: _Run, job: Job) -> Outcome:
    async with run.browsers if job.in_browser else contextlib.nullcontext():
        slots = run.homes if job.case.behind_nat else run.slots
        slot = await slots.get()
        try:
            found = await _one(run, job, slot)
        except (ApiProblem, TimeoutError, Unavailable) as problem:
            found = Outcome(job=job, problem=str(problem) or type(problem).__name__)
        finally:
            slots.put_nowait(slot)
    who = "Chromium" if job.in_browser else "scripted"
    run.stage.say(f"{job.case.name} seed {job.seed} ({who}): {in_words(found)}")
    return found


async def _one(run: _Run, job: Job, slot: _Slot) -> Outcome:
    stage, office = run.stage, run.office
    candidate = await office.candidate(f"line-{time.time_ns():x}")
    await office.consent(candidate)
    await office.enrol(candidate, stage.cast.enrolment)
    made = await office.session(run.exam, candidate)
    session_id = made.session.session_id
    watcher = Watcher(stage.base_url, stage.mint_candidate(session_id))
    watching = asyncio.create_task(watcher.run())
    told = Attendance()
    if job.in_browser:
        attending = browse(slot.namespace, made, *run.footage[job.case.name], told)
    else:
        attending = slot.worker.attend(stage.base_url, made.join_ticket, job.case.name, told)
    try:
        async with attending:
            if not told.began_at:
                raise TimeoutError("media never flowed")
            played = await _weather(run, job, slot, told, watcher)
            length_s = run.scripts[job.case.name].length_s
            await asyncio.sleep(max(0.0, told.began_at + length_s - time.time()))
            await office.end(session_id)
        await asyncio.sleep(AFTERWARDS_S)
        view = await _settled(office, session_id)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    heard = [one for one in run.listener.heard if one.alert.session_id == session_id]
    return judged(job, run.scripts[job.case.name], played, view, heard)


async def _settled(office: ExamOffice, session_id: str) -> SessionView:
    """The session once its coverage reaches its end, or as it is when it has had its time for that."""
    until_s = time.monotonic() + SETTLES_WITHIN_S
    while True:
        view = await office.look(session_id)
        is_told = all(part.end_ms is not None for part in view.coverage)
        if (view.ended_at is not None and is_told) or time.monotonic() > until_s:
            return view
        await asyncio.sleep(1)


async def _weather(run: _Run, job: Job, slot: _Slot, told: Attendance, watcher: Watcher) -> Played:
    """Turn the weather bad at the case's second, and good again."""
    router, case = run.stage.lab.router, job.case
    begins_s = BEGINS_S + (job.seed * 0.37) % (_PHASES * 0.1)
    await asyncio.sleep(max(0.0, told.began_at + begins_s - time.time()))
    address = slot.namespace.addresses[0]
    bad_at = time.time()
    if case.moves:
        after = run.stage.lab.free_address()
        await asyncio.to_thread(slot.namespace.readdress, address, after)
        good_at = bad_at
        await asyncio.sleep(case.lasts_s)
    else:
        router.set_weather(address, case.weather, seed=job.seed)
        await asyncio.sleep(max(0.0, bad_at + case.lasts_s - time.time()))
        router.set_weather(address, CALM)
        good_at = time.time()
    counts = router.counts(address)
    lost = counts["lost"] / max(1, counts["lost"] + counts["passed"])
    return Played(told, watcher.seen, bad_at, good_at, lost)


def load_average() -> float:
    """Processes that wanted a core in the last minute, by this machine's own count."""
    return os.getloadavg()[0]
