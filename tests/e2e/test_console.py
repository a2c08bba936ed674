"""A reviewer at the console, in Debian's Chromium, over real stores and without Ray."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.candidate.browser import CHROMIUM
from bench.console_world import WEB, World, console_world
from proctor.bootstrap_proof import open_seal
from proctor.domain.deliveries import DeliveryState, Planned
from proctor.domain.ids import SessionId
from proctor.domain.roles import Role
from proctor.domain.sinks import Health
from proctor.settings import Settings
from tests.contract.sink_samples import SINK, failed, sink
from tests.e2e.support.system import PROCTOR

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

AXE = WEB.parent / "node_modules" / "axe-core" / "axe.min.js"
BLOCKED = "Content Security Policy"
CHECK = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.slice(0, 4).map((node) => node.target.join(" ")).join(" | ")}`);
}"""
OVERFLOWS = """() => [document.documentElement, ...document.querySelectorAll(".view.scrolls")]
  .some((one) => one.scrollWidth > one.clientWidth + 1)"""

pytestmark = [
    pytest.mark.e2e,
]


@asynccontextmanager
async def browser() -> "AsyncIterator[Browser]":
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        try:
            yield opened
        finally:
            await opened.close()


@asynccontextmanager
async def desk(
    opened: "Browser", world: World, role: Role, width: int = 1440, theme: str = "light"
) -> "AsyncIterator[tuple[Page, list[str]]]":
    """A page that is signed in by pasting a token, and what its console complained of."""
    context = await opened.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,  # type: ignore[arg-type]
        locale="en",
    )
    page = await context.new_page()
    page.set_default_timeout(20_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    await page.goto(f"{world.url}/console")
    await page.fill("#token", world.token(role, "rita"))
    await page.get_by_role("button", name="Sign in").click()
    await page.locator("main h1").wait_for()
    try:
        yield page, problems
    finally:
        await context.close()


async def _shown(page: "Page", path: str) -> None:
    """Go there, and wait until nothing is loading any more."""
    await page.goto(path)
    await page.locator("main h1").wait_for()
    await page.wait_for_function("() => !document.querySelector('.skeleton')")


async def test_a_reviewer_looks_dismisses_confirms_and_decides(tmp_path: Path) -> None:
    async with console_world(tmp_path, 12, 60) as world, browser() as opened:
        async with desk(opened, world, Role.REVIEWER) as (page, problems):
            await page.locator(f'[data-session="{world.seeded.busiest}"]').click()
            left = page.locator('.item[data-verdict="unreviewed"]')
            await left.first.wait_for()
            first = await left.nth(0).get_attribute("data-incident")
            second = await left.nth(1).get_attribute("data-incident")

            # Nothing is shown before a reason was given; then the picture, and the clip by ranges.
            await page.locator(f'.item[data-incident="{first}"]').click()
            assert await page.locator(".stage img, .stage video").count() == 0
            await page.get_by_role("button", name="Show", exact=True).click()
            await page.locator(".stage video").wait_for()
            await page.wait_for_function(
                "() => document.querySelector('.stage video').readyState >= 2"
            )
            assert await page.evaluate("() => document.querySelector('.stage video').duration") > 5
            await page.get_by_role("button", name="Judged picture").click()
            await page.wait_for_function(
                "() => document.querySelector('.stage img')?.naturalWidth > 0"
            )

            await page.keyboard.press("d")
            reason = page.get_by_label("Why it is dismissed")
            await reason.fill("A poster on the wall")
            await page.get_by_role("button", name="Save as dismissed").click()
            dismissed = page.locator(f'.item[data-incident="{first}"][data-verdict="dismissed"]')
            await dismissed.wait_for()

            await page.locator(f'.item[data-incident="{second}"]').click()
            await page.locator(f'.incident[data-incident="{second}"] h2').wait_for()
            await page.keyboard.press("c")
            await page.get_by_label("What confirms it").fill("Seen in the picture")
            await page.get_by_role("button", name="Save as confirmed").click()
            await page.locator(
                f'.item[data-incident="{second}"][data-verdict="confirmed"]'
            ).wait_for()

            await page.get_by_label("Follow-up needed").check()
            await page.get_by_label("Your notes").fill("Ask about the poster")
            await page.get_by_role("button", name="Save decision").click()
            await page.get_by_text("Ask about the poster").wait_for()
        assert problems == []
        given = await world.stores.verdicts.list(world.tenant, first)  # type: ignore[arg-type]
        assert [(one.verdict, one.reason) for one in given] == [
            ("dismissed", "A poster on the wall")
        ]
        decided = await world.stores.cases.decisions(world.tenant, SessionId(world.seeded.busiest))
        assert (decided[-1].word, decided[-1].reviewer) == ("follow_up_needed", "rita")


async def test_a_reviewer_exports_a_session_that_anybody_can_check(tmp_path: Path) -> None:
    async with console_world(tmp_path, 4, 8) as world, browser() as opened:
        async with desk(opened, world, Role.REVIEWER) as (page, problems):
            await _shown(page, f"{world.url}/console/sessions/{world.seeded.busiest}")
            await page.get_by_role("button", name="Export", exact=True).click()
            async with page.expect_download() as taken:
                await page.get_by_role("button", name="Save the file").click()
            await page.get_by_text("The export is ready.").wait_for()
            download = await taken.value
            assert download.suggested_filename == f"session-{world.seeded.busiest}.zip"
            export, key = tmp_path / "taken.zip", tmp_path / "proof.pem"
            await download.save_as(export)
        assert problems == []
    key.write_text(open_seal(Settings(home=tmp_path, _env_file=None)).pem(), encoding="utf-8")
    proctor = [str(PROCTOR), "verify", str(export), "--key", str(key)]
    checked = await asyncio.to_thread(subprocess.run, proctor, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_an_administrator_sees_dead_letters_and_sends_them_again(tmp_path: Path) -> None:
    async with console_world(tmp_path, 4, 8, with_evidence=False) as world, browser() as opened:
        stores, now = world.stores, datetime.now(UTC)
        await stores.sinks.add_sink(sink(tenant_id=world.tenant, name="School hook"), b"", 5)
        items = await stores.feed.read(world.tenant, 0, 2)
        plan = [Planned(item=item, state=DeliveryState.PENDING, due_at=now) for item in items]
        assert len(plan) == 2 and await stores.deliveries.plan(SINK, 0, plan, now)
        dead = [failed(one.alert.alert_id, next_s=None) for one in items]
        await stores.deliveries.record(SINK, dead, Health())
        async with desk(opened, world, Role.ADMIN) as (page, problems):
            await _shown(page, f"{world.url}/console/admin")
            await page.get_by_role("button", name="2 dead letters").click()
            await page.get_by_text("webhook/server-error").first.wait_for()
            await page.get_by_role("button", name="Send again", exact=True).first.click()
            await page.get_by_text("1 is sent again.").wait_for()
            await page.get_by_role("button", name="Send all again").click()
            await page.get_by_text("No dead letters.").wait_for()
        assert problems == []
        left = await stores.deliveries.dead_letters(world.tenant, SINK, 0, 9)
        due = await stores.deliveries.due(SINK, datetime.now(UTC), 9)
        assert (list(left), len(due)) == ([], 2)


async def test_a_lost_update_is_told_and_the_words_stay(tmp_path: Path) -> None:
    async with console_world(tmp_path, 4, 8, with_evidence=False) as world, browser() as opened:
        path = f"{world.url}/console/sessions/{world.seeded.busiest}"
        async with (
            desk(opened, world, Role.REVIEWER) as (one, _),
            desk(opened, world, Role.ADMIN) as (other, _),
        ):
            for page in (one, other):
                await _shown(page, path)
                await page.get_by_label("Reviewed", exact=False).first.check()
            await one.get_by_label("Your notes").fill("The first word")
            await one.get_by_role("button", name="Save decision").click()
            await one.get_by_text("The first word").wait_for()
            await other.get_by_label("Your notes").fill("The second word")
            await other.get_by_role("button", name="Save decision").click()
            await other.get_by_text("decided while you wrote").wait_for()
            assert await other.get_by_label("Your notes").input_value() == "The second word"
            assert await other.get_by_text("The first word").count() == 1


async def test_what_a_reviewer_saw_is_added_and_the_cursor_obeys_the_keys(tmp_path: Path) -> None:
    async with console_world(tmp_path, 4, 20, with_evidence=False) as world, browser() as opened:
        async with desk(opened, world, Role.REVIEWER) as (page, problems):
            await _shown(page, f"{world.url}/console/sessions/{world.seeded.busiest}")
            cursor = page.get_by_role("slider", name="Moment of the session")
            await cursor.focus()
            await page.keyboard.press("Home")
            for _ in range(5):
                await page.keyboard.press("ArrowRight")
            assert await cursor.get_attribute("aria-valuenow") == "5"
            await page.keyboard.press("]")
            assert int(await cursor.get_attribute("aria-valuenow") or 0) > 5
            await page.keyboard.press("Home")
            await page.keyboard.press("a")
            await page.get_by_label("What did you see or hear?").fill("A hand with a note")
            await page.get_by_role("button", name="Add", exact=True).click()
            await page.locator(".incident .reason", has_text="A hand with a note").wait_for()
        assert problems == []


async def test_a_proctor_sees_live_sessions_and_no_more_of_one_than_they_may(
    tmp_path: Path,
) -> None:
    async with console_world(tmp_path, 60, 60, with_evidence=False) as world, browser() as opened:
        async with desk(opened, world, Role.PROCTOR) as (page, problems):
            row = page.locator("[data-session]").first
            await row.click()
            await page.get_by_role("slider", name="Moment of the session").wait_for()
            assert await page.get_by_role("button", name="Save decision").count() == 0
            assert await page.get_by_role("link", name="Queue").count() == 0
            await _shown(page, f"{world.url}/console/queue")
            await page.get_by_text("There is nothing here").wait_for()
        assert problems == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
async def test_no_page_has_a_serious_fault_for_anybody(
    tmp_path: Path, theme: str, width: int
) -> None:
    async with console_world(tmp_path, 30, 60) as world, browser() as opened:
        async with desk(opened, world, Role.ADMIN, width, theme) as (page, problems):
            session = f"sessions/{world.seeded.busiest}"
            views = ["live", "queue", "incidents", session, f"{session}/appeal", "policies"]
            views += ["policies/standard", "policies/new", "admin", "setup", "nowhere"]
            found: dict[str, list[str]] = {}
            for view in views:
                await _shown(page, f"{world.url}/console/{view}")
                await page.evaluate(AXE.read_text(encoding="utf-8"))
                found[view] = await page.evaluate(CHECK)
                if await page.evaluate(OVERFLOWS):
                    found[view].append("wider than its window")
            await page.evaluate("() => sessionStorage.clear()")
            await page.goto(f"{world.url}/console")
            await page.locator("#token").wait_for()
            await page.evaluate(AXE.read_text(encoding="utf-8"))
            found["door"] = await page.evaluate(CHECK)
        assert {view: faults for view, faults in found.items() if faults} == {}
        assert [said for said in problems if BLOCKED in said] == []
