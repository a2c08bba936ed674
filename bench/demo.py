"""The demonstration: one candidate over real WebRTC, told as it happens, and held against the story."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.candidate.desk import ExamOffice
from bench.candidate.listener import AlertListener, Heard
from bench.candidate.person import Candidate
from bench.candidate.reels import Reels, encode
from bench.candidate.scenes import Script
from bench.candidate.sender import stay_on_loopback
from bench.candidate.wire import SessionView, Verification
from bench.cast import Cast, gather_cast
from bench.story import write_story
from bench.verdict import Verdict, judge, unaccounted_ms
from proctor.fusion.policy import Policy

COVERAGE_TOLERANCE_MS = 100
LAST_ALERTS_S = 3.0
_COLOURS = {"high": "bold red", "medium": "yellow", "low": "cyan", "info": "dim"}


class Narrator:
    """Says what happens, one line each, fit for a terminal and for a log."""

    def __init__(self, console: Console, started_s: float) -> None:
        self._console = console
        self._started_s = started_s
        self.first_alert_s: float | None = None

    def _clock(self) -> str:
        return f"[dim]{time.perf_counter() - self._started_s:6.1f} s[/]"

    def say(self, words: str) -> None:
        """A step of ours."""
        self._console.print(f"{self._clock()}  {words}", highlight=False, soft_wrap=True)

    def scene(self, name: str) -> None:
        """A new scene begins."""
        self.say(f"[bold]▶ the candidate {name}[/]")

    def alert(self, heard: Heard, script: Script, candidate: Candidate) -> None:
        """An alert came in; those of other sessions are not ours to tell."""
        alert = heard.alert
        if alert.session_id != candidate.session_id:
            return
        if self.first_alert_s is None:
            self.first_alert_s = time.perf_counter() - self._started_s
        colour = "blue" if alert.category == "coverage" else _COLOURS.get(alert.severity, "white")
        if alert.transition != "opened":
            self.say(f"[dim]  {alert.transition}: {alert.title}. {alert.reason}[/]")
            return
        words = f"[{colour}]● {alert.title}[/] ({alert.severity}, {alert.category}) {alert.reason}"
        since = _since(heard, script, candidate.playback.began_at)
        self.say(f"  {words} [bold]+{since:.1f} s[/]" if since is not None else f"  {words}")


def _since(heard: Heard, script: Script, began_at: float) -> float | None:
    """How long ago the scene that this alert is due for began."""
    if not began_at:
        return None
    rule = heard.alert.rule_id
    starts = [
        began_at + scene.start_s
        for scene in script.scenes
        if any(expected.rule_id == rule for expected in scene.expects)
    ]
    past = [start for start in starts if start <= heard.at]
    return heard.at - past[-1] if past else None


@dataclass(frozen=True, slots=True)
class Show:
    """All that is made before anybody joins."""

    cast: Cast
    script: Script
    reels: Reels


def rehearse(portrait: Path, speech: Path, media: Path | None, policy: Policy) -> Show:
    """Gather who and what is there, write the story, encode it: a few seconds of a core.

    Args:
        portrait: The product's own picture of a person.
        speech: The product's own recording.
        media: A folder that may add to them (see bench/cast.py).
        policy: The policy that the exam uses, for what is due when.
    """
    cast = gather_cast(portrait, speech, media)
    script = write_story(cast, policy)
    return Show(cast, script, encode(script))


async def play(
    base_url: str,
    admin_token: str,
    proctor_token: str,
    show: Show,
    console: Console,
    started_s: float,
) -> bool:
    """Enrol, verify, join, play the story, report. True when what came is what was expected.

    Args:
        base_url: Of a running product.
        admin_token: For the exam office's steps.
        proctor_token: For the ear on the alerts.
        show: What is played.
        console: Where it is told.
        started_s: `time.perf_counter()` at which the demonstration began.
    """
    stay_on_loopback(base_url)
    tell = Narrator(console, started_s)
    script = show.script
    for note in show.cast.notes:
        tell.say(f"[yellow]note[/] {note}")
    candidate = Candidate(base_url, show.reels)
    listener = AlertListener(
        base_url,
        proctor_token,
        lambda heard: tell.alert(heard, script, candidate),
    )
    async with ExamOffice(base_url, admin_token) as office:
        session_id, ticket = await _prepare(office, show.cast, tell)
        listening = asyncio.create_task(listener.run())
        try:
            await asyncio.wait_for(listener.connected.wait(), 15)
            await candidate.join(ticket)
            await _narrate(candidate, script, tell)
            await office.end(session_id)
            await asyncio.sleep(LAST_ALERTS_S)
            session = await office.look(session_id)
        finally:
            await candidate.close()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
    assert session.started_at is not None
    heard = [news for news in listener.heard if news.alert.session_id == session_id]
    verdict = judge(script, candidate.playback.began_at, session.started_at.timestamp(), heard)
    return _report(console, verdict, session, tell)


async def _prepare(office: ExamOffice, cast: Cast, tell: Narrator) -> tuple[str, str]:
    exam = await office.exam("Demonstration")
    candidate = await office.candidate(f"demo-{time.time_ns():x}")
    await office.consent(candidate)
    await office.enrol(candidate, cast.enrolment)
    tell.say(f"enrolled a face from {len(cast.enrolment)} pictures, after consent")
    tell.say(f"verified: the candidate   {_words(await office.verify(candidate, cast.probes))}")
    if cast.other_probes:
        told = await office.verify(candidate, cast.other_probes)
        tell.say(f"verified: somebody else   {_words(told)}")
    made = await office.session(exam, candidate)
    return made.session.session_id, made.join_ticket


def _words(told: Verification) -> str:
    return f"[bold]{told.decision.replace('_', ' ')}[/] at a false match rate of {told.fmr:g}"


async def _narrate(candidate: Candidate, script: Script, tell: Narrator) -> None:
    playback = candidate.playback
    await asyncio.wait_for(playback.started.wait(), 20)
    for scene in script.scenes:
        await asyncio.sleep(max(0.0, scene.start_s - playback.position_s))
        tell.scene(scene.name)
    await playback.finished()


def _report(console: Console, verdict: Verdict, session: SessionView, tell: Narrator) -> bool:
    table = Table(title="\nExpected and received", title_justify="left", title_style="bold")
    for name in ("the candidate ...", "expected", "received", "after the event", "less its dwell"):
        table.add_column(
            name, justify="right" if name in ("after the event", "less its dwell") else "left"
        )
    for row in verdict.rows:
        if row.heard is None or row.delay_s is None or row.beyond_dwell_s is None:
            table.add_row(row.scene.name, row.expected.rule_id, "[bold red]missing", "", "")
        else:
            table.add_row(
                row.scene.name,
                row.expected.rule_id,
                f"[green]{row.heard.alert.title}",
                f"{row.delay_s:.1f} s",
                f"{row.beyond_dwell_s:+.1f} s",
            )
    for style, word, items in (
        ("bold red", "unexpected", verdict.unexpected),
        ("dim", "also said, rightly", verdict.tolerated),
    ):
        for news in items:
            place = f"at {news.alert.occurred_ms / 1000:.1f} s of the session"
            table.add_row(
                place, f"[{style}]{word}", f"{news.alert.title} ({news.alert.rule_id})", "", ""
            )
    console.print(table)
    is_whole = _report_coverage(console, session)
    if tell.first_alert_s is not None:
        console.print(
            f"From the command to the first alert: {tell.first_alert_s:.1f} s", highlight=False
        )
    holds = verdict.holds and is_whole
    console.print(
        "[bold green]What came is what was expected."
        if holds
        else "[bold red]What came differs from what was expected."
    )
    return holds


def _report_coverage(console: Console, session: SessionView) -> bool:
    assert session.started_at is not None
    assert session.ended_at is not None
    length_ms = (session.ended_at - session.started_at).total_seconds() * 1000
    for modality in ("video", "audio"):
        sums: dict[str, int] = {}
        for part in session.coverage:
            if part.modality == modality and part.end_ms is not None:
                name = part.state if part.reason is None else f"{part.state} ({part.reason})"
                sums[name] = sums.get(name, 0) + part.end_ms - part.start_ms
        told = " + ".join(
            f"{name} {milliseconds / 1000:.1f} s" for name, milliseconds in sums.items()
        )
        total = sum(sums.values())
        console.print(
            f"{modality}: {told} = {total / 1000:.2f} s of {length_ms / 1000:.2f} s",
            highlight=False,
        )
    off_ms = unaccounted_ms(session)
    if off_ms > COVERAGE_TOLERANCE_MS:
        console.print(f"[bold red]coverage leaves {off_ms} ms unaccounted for")
    return off_ms <= COVERAGE_TOLERANCE_MS


async def fresh_join_link(base_url: str, admin_token: str) -> str:
    """A link with which somebody at a browser can join a new session of their own."""
    async with ExamOffice(base_url, admin_token) as office:
        exam = await office.exam("Try it yourself")
        candidate = await office.candidate(f"visitor-{time.time_ns():x}")
        await office.consent(candidate)
        return (await office.session(exam, candidate)).join_url
