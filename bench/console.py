"""How soon the review queue of 10,000 sessions can be used, and how smoothly it is scrolled, in Chromium.

    python -m bench.console [--sessions 10000] [--incidents 100000] [--row 5000] [--rounds 5] [--json FILE]

`first row` is from the navigation to the moment at which the first row is drawn, is the topmost thing
at its place and two frames have passed: it can be clicked. `to row` is from the first turn of the wheel
until that row is reached; every page before it is fetched on the way, as for a person who scrolls.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.candidate.browser import CHROMIUM
from bench.console_world import World, console_world
from proctor.domain.roles import Role

if TYPE_CHECKING:
    from playwright.async_api import Page

GOAL_MS = 2_000.0

CLICKABLE = """() => new Promise((resolve) => {
  const look = () => {
    const row = document.querySelector("[data-session]");
    const box = row?.getBoundingClientRect();
    const top = box && document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    const done = () => resolve(performance.now());
    const isThere = top && row.contains(top);
    requestAnimationFrame(isThere ? () => requestAnimationFrame(done) : look);
  };
  look();
})"""
"""Milliseconds since the navigation began."""

SCROLLED = """(wanted) => new Promise((resolve) => {
  const began = performance.now();
  const list = document.querySelector('[role="list"]');
  let longest = 0, last = began;
  const step = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    list.scrollTop = Math.min(list.scrollTop + 4000, wanted * 54);
    const isThere = list.scrollTop >= wanted * 54 - list.clientHeight;
    if (isThere && list.querySelector("[data-session]")) resolve({ms: now - began, longest});
    else requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


async def measure(world: World, row: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every round."""
    from playwright.async_api import async_playwright

    found: dict[str, list[float]] = {"first row": [], f"to row {row}": [], "longest frame": []}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        for _ in range(rounds):
            context = await browser.new_context(viewport={"width": 1440, "height": 900})
            page = await context.new_page()
            await _sign_in(page, world)
            await page.goto(f"{world.url}/console/queue", wait_until="commit")
            found["first row"].append(await page.evaluate(CLICKABLE))
            scrolled = await page.evaluate(SCROLLED, row)
            found[f"to row {row}"].append(scrolled["ms"])
            found["longest frame"].append(scrolled["longest"])
            await context.close()
        await browser.close()
    return found


async def _sign_in(page: "Page", world: World) -> None:
    """The token is in the tab; the page's files are not in its cache yet."""
    await page.goto(f"{world.url}/healthz")
    token = world.token(Role.REVIEWER)
    await page.evaluate("(token) => sessionStorage.setItem('proctor.staff', token)", token)


async def run(sessions: int, incidents: int, row: int, rounds: int) -> dict[str, list[float]]:
    """Seed, serve and measure."""
    with tempfile.TemporaryDirectory() as folder:
        async with console_world(Path(folder), sessions, incidents, with_evidence=False) as world:
            return await measure(world, row, rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--incidents", type=int, default=100_000)
    parser.add_argument("--row", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    found = asyncio.run(run(asked.sessions, asked.incidents, asked.row, asked.rounds))
    print(f"queue of {asked.sessions:,} sessions, {asked.rounds} cold pages\n")
    print("| | median ms | worst ms |\n|---|---:|---:|")
    for name, took in found.items():
        print(f"| {name} | {statistics.median(took):.0f} | {max(took):.0f} |")
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
