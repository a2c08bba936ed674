"""Soak: candidates come, go, lose their connection and come back for hours, and memory is watched."""

import asyncio
import contextlib
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

from bench.candidate.desk import ExamOffice
from bench.candidate.film import GRID_MS
from bench.candidate.person import Candidate
from bench.candidate.projector import Projector
from bench.candidate.pump import Pump
from bench.candidate.sender import stay_on_loopback
from bench.candidate.wire import ApiProblem
from bench.crowd import run_loop
from bench.footage import Footage, cut_film, person_of
from bench.load import CLIENTS_PER_WORKER, Product
from bench.schedule import plan_events
from bench.soak_report import Churned, SoakAsked
from bench.soak_turns import Stay, Turns
from bench.soak_verdict import Sample
from bench.window import ProcessRow, rss_mb_by_kind

SAMPLES = 240
LEAST_APART_S = 5.0
JOIN_EVERY_S = 0.5


async def run_soak(
    product: Product, footage: Footage, asked: SoakAsked, say: Callable[[str], None]
) -> tuple[list[Sample], list[Churned]]:
    """Let candidates come and go on a running product, and look at it at even distances.

    Raises:
        ApiProblem: A candidate could not be enrolled.
    """
    say(f"{asked.sessions} candidates come and go for {asked.hours:g} h")
    until = time.time() + asked.seconds
    churning = asyncio.create_task(_churn(product, footage, asked, until))
    apart_s = max(LEAST_APART_S, asked.seconds / SAMPLES)
    samples: list[Sample] = []
    began_s = time.monotonic()
    try:
        while time.time() < until and not churning.done():
            rows = await asyncio.to_thread(product.look)
            samples.append(_sample(rows, time.monotonic() - began_s))
            await asyncio.wait([churning], timeout=apart_s)
        return samples, await churning
    finally:
        churning.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await churning


def _sample(rows: Sequence[ProcessRow], at_s: float) -> Sample:
    descriptors: Counter[str] = Counter()
    for row in rows:
        descriptors[row.kind] += row.descriptors
    return Sample(
        at_s=at_s,
        rss_mb=rss_mb_by_kind(rows),
        descriptors=dict(descriptors),
        processes=dict(Counter(row.kind for row in rows)),
    )


async def _churn(
    product: Product, footage: Footage, asked: SoakAsked, until: float
) -> list[Churned]:
    workers = max(1, -(-asked.sessions // CLIENTS_PER_WORKER))
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        parts = [
            loop.run_in_executor(
                pool,
                run_churn,
                (product.base_url, product.admin_token),
                footage,
                asked,
                tuple(range(worker, asked.sessions, workers)),
                until,
            )
            for worker in range(workers)
        ]
        return list(await asyncio.gather(*parts))


def run_churn(
    door: tuple[str, str], footage: Footage, asked: SoakAsked, places: Sequence[int], until: float
) -> Churned:
    """What a worker runs: stay after stay at each of its places.

    Args:
        door: Address of the product, and an administrator's token.
        footage: What is played.
        asked: What to do.
        places: Which places are this worker's.
        until: Wall time after which nobody comes any more.
    """
    stay_on_loopback(door[0])
    return run_loop(_Churn(door, footage, asked, until).run(places))


class _Churn:
    def __init__(
        self, door: tuple[str, str], footage: Footage, asked: SoakAsked, until: float
    ) -> None:
        self._door = door
        self._footage = footage
        self._asked = asked
        self._until = until
        self._pump = Pump()
        self._projector = Projector(footage.library, self._pump)
        self._stays = self._drops = self._resumed = 0
        self._problems: Counter[str] = Counter()

    async def run(self, places: Sequence[int]) -> Churned:
        pumping = asyncio.create_task(self._pump.run())
        async with ExamOffice(*self._door) as office:
            exam = await office.exam("Soak")
            await asyncio.gather(*(self._at(office, exam, place) for place in places))
        pumping.cancel()
        await asyncio.wait([pumping])
        return Churned(
            stays=self._stays,
            drops=self._drops,
            resumed=self._resumed,
            problems=dict(self._problems),
        )

    async def _at(self, office: ExamOffice, exam: str, place: int) -> None:
        await asyncio.sleep(place * JOIN_EVERY_S)
        person = person_of(self._footage, place)
        who = await office.candidate(f"soak-{time.time_ns():x}-{place}")
        await office.consent(who)
        await office.enrol(who, person.enrolment)
        turns = Turns(place, len(self._footage.people) * self._asked.sessions, self._asked.seed)
        while True:
            stay = turns.next()
            await asyncio.sleep(stay.waits_s)
            if (stay_now := stay.within(self._until - time.time())) is None:
                return
            try:
                await self._stay(office, exam, who, stay_now)
            except (ApiProblem, TimeoutError) as problem:
                self._problems[str(problem) or type(problem).__name__] += 1

    async def _stay(self, office: ExamOffice, exam: str, who: str, stay: Stay) -> None:
        length_s = stay.lasts_s // (GRID_MS / 1000) * (GRID_MS / 1000)
        kinds = person_of(self._footage, stay.number).kinds
        events = plan_events(
            stay.number, length_s, self._asked.event_every_s, kinds, self._asked.seed
        )
        film = cut_film(self._footage, stay.number, events, length_s)
        new = await office.session(exam, who)
        candidate = Candidate(self._door[0], film, self._projector.attach)
        try:
            await candidate.join(new.join_ticket)
            async with asyncio.timeout(length_s + 60):
                if stay.drops_after_s is not None:
                    await candidate.playback.started.wait()
                    await asyncio.sleep(stay.drops_after_s)
                    before = len(candidate.epochs)
                    self._drops += 1
                    await candidate.drop()
                    await candidate.playback.finished()
                    self._resumed += len(candidate.epochs) > before
                await candidate.playback.finished()
            await office.end(new.session.session_id)
            self._stays += 1
        finally:
            await candidate.close()
