"""Runs the matrix: every case and seed on a running product, several candidates at once."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.candidate.desk import ExamOffice
from bench.candidate.listener import AlertListener
from bench.candidate.reels import Reels, encode
from bench.candidate.scenes import Script
from bench.candidate.wire import ApiProblem, CoveragePart, SessionView
from bench.cast import Cast
from bench.network.attending import Attendance, Worker, browse, write_footage
from bench.network.cases import BEGINS_S, Case, write_case_script
from bench.network.lab import Lab, Namespace
from bench.network.watcher import Seen, Watcher, blind_after_s, seen_after_s, sight_at
from bench.network.weather import CALM
from bench.verdict import Row, judge, unaccounted_ms
from proctor.domain.errors import Unavailable
from proctor.fusion.policy import Policy

AFTERWARDS_S = 4.0
BACK_WITHIN_S = 5.0
SETTLES_WITHIN_S = 30.0
"""An end that a busy shard could not take at once is told it again (`settle_ended`)."""

BROWSERS_AT_ONCE = 2
_PHASES = 11
"""Seeds begin at so many points of a picture's and a report's time."""

MintCandidate = Callable[[str], str]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One session to be: a case, a seed, and who plays it."""

    case: Case
    seed: int
    in_browser: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one session. Times in seconds.

    Attributes:
        job: What was played.
        problem: Why it does not count, else empty.
        blind_after_s: From the cut to the word that nothing is seen; None when it was never said.
        seen_after_s: From the link's return to the word that there is a picture again.
        monitored_after_s: The same, to `monitored`.
        before: How well the candidate was seen when the weather turned.
        in_time: How well they were seen `BACK_WITHIN_S` after the link's return.
        seen_share: Share of the bad weather with the picture not blind.
        heard_share: Share of it without sound missing: audio is `monitored`.
        expected: Alerts that the script asks for.
        lost: Rules of alerts that never came although the picture was monitored all the while.
        untold: Rules of alerts that never came of a time that was told as blind or degraded.
        accusations: Rules of conduct and identity alerts for which the script gives no reason.
        unaccounted_ms: How far the coverage is from the session's length.
        connections: How many connections it took.
        breaks: Why each after the first became due; unknown of a browser.
        packets_lost: Share of the packets that were lost in the bad weather.
    """

    job: Job
    problem: str = ""
    blind_after_s: float | None = None
    seen_after_s: float | None = None
    monitored_after_s: float | None = None
    before: str = ""
    in_time: str = ""
    seen_share: float = 1.0
    heard_share: float = 1.0
    expected: int = 0
    lost: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    accusations: tuple[str, ...] = ()
    unaccounted_ms: int = 0
    connections: int = 0
    breaks: tuple[str, ...] = ()
    packets_lost: float = 0.0


@dataclass(frozen=True, slots=True)
class _Played:
    """One session from its own side."""

    told: Attendance
    seen: Sequence[Seen]
    bad_at: float
    good_at: float
    packets_lost: float


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
    run.stage.say(f"{job.case.name} seed {job.seed} ({who}): {_in_words(found)}")
    return found


def _in_words(found: Outcome) -> str:
    if found.problem:
        return f"did not count: {found.problem}"
    words = [f"seen {found.seen_share:.0%}, heard {found.heard_share:.0%} of the time"]
    if found.job.case.breaks:
        blind, again = found.blind_after_s, found.monitored_after_s
        words = [
            f"blind after {blind:.2f} s" if blind is not None else "blind never told",
            f"monitored {again:.2f} s after the return" if again is not None else "never again",
            f"from {found.before} to {found.in_time}",
        ]
    if found.connections > 1 + found.job.case.breaks:
        words.append(f"{found.connections} connections ({', '.join(found.breaks) or 'unknown'})")
    for name, rules in (
        ("lost", found.lost),
        ("in a time told as blind", found.untold),
        ("accused of", found.accusations),
    ):
        if rules:
            words.append(f"{name} {', '.join(rules)}")
    return ", ".join(words)


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
    return _judged(run, job, played, view)


async def _settled(office: ExamOffice, session_id: str) -> SessionView:
    """The session once its coverage reaches its end, or as it is when it has had its time for that."""
    until_s = time.monotonic() + SETTLES_WITHIN_S
    while True:
        view = await office.look(session_id)
        is_told = all(part.end_ms is not None for part in view.coverage)
        if (view.ended_at is not None and is_told) or time.monotonic() > until_s:
            return view
        await asyncio.sleep(1)


async def _weather(run: _Run, job: Job, slot: _Slot, told: Attendance, watcher: Watcher) -> _Played:
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
    return _Played(told, watcher.seen, bad_at, good_at, lost)


def _judged(run: _Run, job: Job, played: _Played, view: SessionView) -> Outcome:
    if view.started_at is None:
        raise Unavailable("the session never began")
    started_at = view.started_at.timestamp()
    script = run.scripts[job.case.name]
    heard = [one for one in run.listener.heard if one.alert.session_id == view.session_id]
    verdict = judge(script, played.told.began_at, started_at, heard)
    lead_s = played.told.began_at - started_at
    untold = [row for row in verdict.missing if not _was_monitored(view, script, row, lead_s)]
    bad_ms = round((played.bad_at - started_at) * 1000)
    lasted_ms = round(job.case.lasts_s * 1000)
    breaks = job.case.breaks
    problem = played.told.problem
    if job.case.behind_nat and played.told.path != "relay":
        problem = f"media came by a {played.told.path} address, not by the TURN server"
    before = sight_at(played.seen, played.bad_at)
    if not problem and (before == "nothing" or before.startswith("blind")):
        problem = f"nothing was seen when the line turned bad ({before}): the machine was too slow"
    return Outcome(
        job=job,
        problem=problem,
        blind_after_s=blind_after_s(played.seen, played.bad_at) if breaks else None,
        seen_after_s=_after(played, monitored=False) if breaks else None,
        monitored_after_s=_after(played, monitored=True) if breaks else None,
        before=before,
        in_time=sight_at(played.seen, played.good_at + BACK_WITHIN_S),
        seen_share=1 - _unseen_ms(view, bad_ms, bad_ms + lasted_ms) / lasted_ms,
        heard_share=1 - _unheard_ms(view, bad_ms, bad_ms + lasted_ms) / lasted_ms,
        expected=len(verdict.rows),
        lost=tuple(row.expected.rule_id for row in verdict.missing if row not in untold),
        untold=tuple(row.expected.rule_id for row in untold),
        accusations=tuple(
            one.alert.rule_id for one in verdict.unexpected if one.alert.category != "coverage"
        ),
        unaccounted_ms=unaccounted_ms(view) if view.ended_at is not None else 0,
        connections=played.told.connections,
        breaks=played.told.breaks,
        packets_lost=played.packets_lost,
    )


def _after(played: _Played, *, monitored: bool) -> float | None:
    """A candidate who moved is back at once, and is not seen before blind was told."""
    back_at = played.good_at
    if played.good_at == played.bad_at:
        blind_s = blind_after_s(played.seen, played.bad_at)
        if blind_s is None:
            return 0.0
        found = seen_after_s(played.seen, back_at + blind_s, monitored=monitored)
        return None if found is None else found + blind_s
    return seen_after_s(played.seen, back_at, monitored=monitored)


def _unseen_ms(view: SessionView, start_ms: int, end_ms: int) -> int:
    return _overlap_ms(
        (
            part
            for part in view.coverage
            if part.modality == "video" and part.state == "blind" and part.reason != "covered"
        ),
        start_ms,
        end_ms,
    )


def _unheard_ms(view: SessionView, start_ms: int, end_ms: int) -> int:
    """The network's part: lack of computing power is told as well, and is not meant."""
    return _overlap_ms(
        (
            part
            for part in view.coverage
            if part.modality == "audio"
            and (part.state == "blind" or part.reason in ("audio_gap", "audio_missing"))
        ),
        start_ms,
        end_ms,
    )


def _overlap_ms(parts: Iterable[CoveragePart], start_ms: int, end_ms: int) -> int:
    return sum(
        max(
            0,
            min(end_ms if part.end_ms is None else part.end_ms, end_ms)
            - max(part.start_ms, start_ms),
        )
        for part in parts
    )


def _was_monitored(view: SessionView, script: Script, row: Row, lead_s: float) -> bool:
    """Whether all of a scene was seen as the policy asks, or covered by the candidate."""
    start_ms = (row.scene.start_s + lead_s) * 1000
    end_ms = (script.end_of(row.scene) + lead_s) * 1000
    return not any(
        part.modality == "video"
        and part.state != "monitored"
        and part.reason != "covered"
        and part.start_ms < end_ms
        and (part.end_ms is None or part.end_ms > start_ms)
        for part in view.coverage
    )


def load_average() -> float:
    """Processes that wanted a core in the last minute, by this machine's own count."""
    return os.getloadavg()[0]
