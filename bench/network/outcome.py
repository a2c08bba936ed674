"""What came of one session on a bad line: its alerts, its coverage, the words on what is seen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.candidate.listener import Heard
from bench.candidate.scenes import Script
from bench.candidate.wire import CoveragePart, SessionView
from bench.network.attending import Attendance
from bench.network.cases import Case
from bench.network.watcher import Seen, blind_after_s, seen_after_s, sight_at
from bench.verdict import Row, judge, unaccounted_ms
from proctor.domain.errors import Unavailable

BACK_WITHIN_S = 5.0
"""How soon after the link's return somebody must be monitored."""


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
class Played:
    """One session from its own side.

    Attributes:
        told: How it went for the candidate.
        seen: What was said of the picture.
        bad_at: When the weather turned bad, s since the epoch.
        good_at: When it was good again; `bad_at` when only the address changed.
        packets_lost: Share of the packets that were lost in between.
    """

    told: Attendance
    seen: Sequence[Seen]
    bad_at: float
    good_at: float
    packets_lost: float


def in_words(found: Outcome) -> str:
    """One line on what came of it."""
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


def judged(
    job: Job, script: Script, played: Played, view: SessionView, heard: Sequence[Heard]
) -> Outcome:
    """Hold a session against its script and its case.

    Args:
        job: What was asked for.
        script: What was played.
        played: How it went on the candidate's side.
        view: The session, ended.
        heard: Its alerts as they came.

    Raises:
        Unavailable: The session never began.
    """
    if view.started_at is None:
        raise Unavailable("the session never began")
    started_at = view.started_at.timestamp()
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


def _after(played: Played, *, monitored: bool) -> float | None:
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
