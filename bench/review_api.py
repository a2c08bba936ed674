"""How quick the reviewer's desk answers: 10,000 sessions and 100,000 incidents, on SQLite and PostgreSQL.

    python -m bench.review_api [--sessions 10000] [--incidents 100000] [--json FILE]

Rows are written by the tables' own columns, in bulk; the requests go through the whole application (door,
guard, routes, stores) by an ASGI client, one after the other. Redis is the tests' fake in memory: what is
measured is the database and what is made of its rows.
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from bench.postgres import run_postgres
from bench.review_seed import ADMIN_TENANT, Seeded, seed
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.roles import Role

GOAL_MS = 150.0
ROUNDS = 60


@asynccontextmanager
async def served(url: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The API over these stores, with an administrator's token."""
    from proctor.api.app import create_app
    from proctor.services.casework import Casework
    from proctor.services.desk import Desk
    from proctor.services.figures import Figures
    from tests.fakes.api import FakeApi

    api = FakeApi(folder)
    sql = SqlStores(url)
    await sql.open()
    known = api.services
    desk = Desk(
        sql.desk,
        sql.cases,
        sql.sessions,
        sql.exams,
        sql.candidates,
        sql.incidents,
        sql.verdicts,
        sql.allowances,
        known.reader,
        known.clock,
    )
    services = replace(
        known,
        desk=desk,
        casework=Casework(sql.cases, sql.sessions, known.clock),
        figures=Figures(sql.figures, sql.sinks, sql.deliveries, None, known.clock),
    )
    services.sessions._store = sql.sessions  # the list of sessions alone is asked of it
    app = create_app(services)
    gc.collect()
    gc.freeze()  # as the gateway does
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://bench",
        headers=api.as_(Role.ADMIN, ADMIN_TENANT),
    )
    try:
        yield client
    finally:
        await client.aclose()
        await sql.close()
        await api.close()


async def measure(client: httpx.AsyncClient, seeded: Seeded, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every call, by what was asked."""
    deep = await _deep(client, "/v1/review/queue", 40)
    deep_incidents = await _deep(client, "/v1/incidents", 40)
    draw = random.Random(7)
    exam = draw.choice(seeded.exams)
    asked: dict[str, Callable[[], str]] = {
        "queue, first page": lambda: "/v1/review/queue",
        "queue, page 40": lambda: f"/v1/review/queue?cursor={deep}",
        "queue of an exam": lambda: f"/v1/review/queue?exam_id={draw.choice(seeded.exams)}",
        "queue, high and unreviewed": lambda: (
            "/v1/review/queue?severity=high&verdict=unreviewed&status=open"
        ),
        "queue, a rare rule": lambda: f"/v1/review/queue?rule_id={seeded.rare_rule}",
        "queue, a rule that found nothing": lambda: "/v1/review/queue?rule_id=never",
        "queue, words": lambda: f"/v1/review/queue?q=ref-{draw.randrange(10_000):05d}",
        "queue, decided": lambda: "/v1/review/queue?status=follow_up_needed",
        "queue of an exam, filtered": lambda: (
            f"/v1/review/queue?exam_id={exam}&severity=medium&min_priority=0.2"
        ),
        "incidents, first page": lambda: "/v1/incidents",
        "incidents, page 40": lambda: f"/v1/incidents?cursor={deep_incidents}",
        "incidents of an exam": lambda: f"/v1/incidents?exam_id={draw.choice(seeded.exams)}",
        "incidents, a rare rule": lambda: f"/v1/incidents?rule_id={seeded.rare_rule}",
        "one incident": lambda: f"/v1/incidents/{draw.choice(seeded.incidents)}",
        "timeline": lambda: f"/v1/sessions/{draw.choice(seeded.sessions)}/timeline",
        "timeline, the busiest": lambda: f"/v1/sessions/{seeded.busiest}/timeline",
        "grid of live sessions": lambda: (
            "/v1/sessions?state=live&limit=200&fields=candidate,priority,coverage,incidents"
        ),
        "overview": lambda: "/v1/admin/overview",
        "rules": lambda: "/v1/admin/rules",
    }
    found: dict[str, list[float]] = {}
    for name, path in asked.items():
        found[name] = []
        for turn in range(rounds + 3):
            address = path()
            began = time.perf_counter()
            answer = await client.get(address)
            took_ms = (time.perf_counter() - began) * 1000
            if answer.status_code != 200:
                raise RuntimeError(f"{name}: {answer.status_code} {answer.text[:200]}")
            if turn >= 3:  # the first few open connections and read policies
                found[name].append(took_ms)
    return found


async def _deep(client: httpx.AsyncClient, path: str, pages: int) -> str:
    cursor = ""
    for _ in range(pages):
        answer = (await client.get(path + (f"?cursor={cursor}" if cursor else ""))).json()
        if answer["next"] is None:
            break
        cursor = answer["next"]
    return cursor


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """p50 and p95 in ms of every question, by database."""
    names = list(found)
    lines = [
        "| asked | " + " | ".join(f"{name} p50 | p95" for name in names) + " |",
        "|---|" + "---:|---:|" * len(names),
    ]
    for asked in next(iter(found.values())):
        cells = []
        for name in names:
            p50, p95 = quantiles(found[name][asked])
            cells.append(f"{p50:.0f} | {p95:.0f}")
        lines.append(f"| {asked} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def quantiles(took_ms: list[float]) -> tuple[float, float]:
    """(p50, p95)."""
    cuts = statistics.quantiles(took_ms, n=100, method="inclusive")
    return cuts[49], cuts[94]


async def run(url: str, sessions: int, incidents: int, rounds: int) -> dict[str, list[float]]:
    """Seed an empty, migrated database and measure it."""
    database = Database(url, patience_s=600)
    began = time.perf_counter()
    seeded = await seed(database, sessions, incidents)
    await database.close()
    print(f"  seeded in {time.perf_counter() - began:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        async with served(url, Path(folder)) as client:
            return await measure(client, seeded, rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--incidents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    found = {}
    if asked.only != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/review.db"
            upgrade(url)
            found["SQLite"] = asyncio.run(run(url, asked.sessions, asked.incidents, asked.rounds))
    if asked.only != "sqlite":
        with run_postgres() as cluster:
            upgrade(cluster.url)
            found["PostgreSQL"] = asyncio.run(
                run(cluster.url, asked.sessions, asked.incidents, asked.rounds)
            )
    print(table(found))
    if asked.json is not None:
        told = {
            name: {what: quantiles(took) for what, took in of.items()} for name, of in found.items()
        }
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
