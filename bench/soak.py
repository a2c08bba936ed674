"""Soak: candidates come, go, lose their connection and come back for hours, and memory is watched."""

import asyncio
import contextlib
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

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
from bench.load_report import ProcessRow, rss_mb_by_kind
from bench.schedule import plan_events
from bench.soak_turns import Stay, Turns
from bench.soak_verdict import KindGrowth, Sample, after_warm_up, growth

SAMPLES = 240
LEAST_APART_S = 5.0
JOIN_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakAsked:
    """What to do.

    Attributes:
        hours: For how long.
        sessions: How many candidates at once, at most.
        event_every_s: How often each misbehaves.
        seed: Of who comes and goes when.
    """

    hours: float
    sessions: int
    event_every_s: float
    seed: int

    @property
    def seconds(self) -> float:
        """The same as `hours`."""
        return self.hours * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Churned:
    """What the candidates of a worker went through.

    Attributes:
        stays: Sessions that were held to their end.
        drops: Connections that were lost on purpose.
        resumed: Of those, how many came back.
        problems: What went wrong, counted by its text.
    """

    stays: int
    drops: int
    resumed: int
    problems: dict[str, int]


class SoakKind(BaseModel):
    """One kind of process; memory with shared pages counted whole."""

    model_config = ConfigDict(frozen=True)

    rss_mb: float
    rss_percent_per_hour: float
    rss_percent_per_hour_error: float
    descriptors: float
    descriptors_per_hour: float
    was_replaced: bool
    problems: tuple[str, ...]


class SoakFigures(BaseModel):
    """A soak in numbers."""

    model_config = ConfigDict(frozen=True)

    hours: float
    sessions: int
    samples: int
    stays: int
    drops: int
    resumed: int
    problems: dict[str, int]
    kinds: dict[str, SoakKind]

    @property
    def holds(self) -> bool:
        """Whether no limit is passed."""
        return not any(kind.problems for kind in self.kinds.values())


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


def soak_figures(
    samples: Sequence[Sample], churned: Sequence[Churned], asked: SoakAsked
) -> SoakFigures:
    """Work the looks out.

    Raises:
        ValueError: There are too few after the warm-up.
    """
    left = after_warm_up(samples)
    problems: Counter[str] = Counter()
    for part in churned:
        problems.update(part.problems)
    return SoakFigures(
        hours=asked.hours,
        sessions=asked.sessions,
        samples=len(left),
        stays=sum(part.stays for part in churned),
        drops=sum(part.drops for part in churned),
        resumed=sum(part.resumed for part in churned),
        problems=dict(problems),
        kinds={kind: _kind(found) for kind, found in growth(left).items()},
    )


def _kind(found: KindGrowth) -> SoakKind:
    return SoakKind(
        rss_mb=found.rss.mean,
        rss_percent_per_hour=found.rss.percent_per_hour,
        rss_percent_per_hour_error=found.rss.error_percent,
        descriptors=found.descriptors.mean,
        descriptors_per_hour=found.descriptors.per_hour,
        was_replaced=found.was_replaced,
        problems=found.problems,
    )


def print_soak(found: SoakFigures, console: Console) -> None:
    """The same for people."""
    table = Table(
        title=f"\n{found.hours:g} h, {found.sessions} at once, {found.samples} looks",
        title_justify="left",
    )
    table.add_column("process")
    for name in ("MB (RSS)", "% an hour", "+-", "descriptors", "more an hour", ""):
        table.add_column(name, justify="left" if not name else "right")
    for kind, row in found.kinds.items():
        remark = "; ".join(row.problems)
        table.add_row(
            kind,
            f"{row.rss_mb:.0f}",
            f"{row.rss_percent_per_hour:+.2f}",
            f"{row.rss_percent_per_hour_error:.2f}",
            f"{row.descriptors:.1f}",
            f"{row.descriptors_per_hour:+.1f}",
            "not as many all the time: not judged" if row.was_replaced else remark,
        )
    console.print(table)
    console.print(
        f"{found.stays} sessions held to their end, {found.drops} connections lost on purpose, "
        f"{found.resumed} of them back; problems: {found.problems or 'none'}",
        highlight=False,
    )
