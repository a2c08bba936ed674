"""The table's figures, and what of them is not as promised."""

from dataclasses import replace

from bench.network.cases import CASES
from bench.network.outcome import Job, Outcome
from bench.network.report import as_markdown, figures

GOOD = Outcome(
    job=Job(CASES["cut-10"], 0, False),
    blind_after_s=2.6,
    seen_after_s=1.0,
    monitored_after_s=1.5,
    in_time="monitored",
    expected=3,
)


def test_a_good_run_has_no_problems() -> None:
    calm = Outcome(job=Job(CASES["loss-20"], 0, True), expected=5, packets_lost=0.2)
    found = figures([GOOD, calm], (1.0, 2.0))
    assert found.problems == []
    assert (found.broken, found.blind_in_time, found.monitored_in_time) == (1, 1, 1)
    assert [case.case for case in found.cases] == ["cut-10", "loss-20"]
    assert found.cases[1].blind_max_s is None and found.cases[1].in_browser == 1


def test_one_in_a_hundred_may_be_told_late_and_five_may_come_back_late() -> None:
    late_word = replace(GOOD, blind_after_s=3.1)
    late_back = replace(GOOD, monitored_after_s=5.2, in_time="degraded (overload)")
    good = [GOOD] * 100
    assert figures([late_word, *good[1:]], (0, 0)).problems == []
    (problem,) = figures([late_word] * 2 + good[2:], (0, 0)).problems
    assert problem.startswith("blind told within 3 s: 98 of 100")
    assert figures([late_back] * 5 + good[5:], (0, 0)).problems == []
    found = figures([late_back] * 6 + good[6:], (0, 0))
    (problem,) = found.problems
    assert problem.startswith("monitored again within 5 s: 94 of 100")
    assert found.late == {"degraded (overload)": 6}


def test_what_was_never_said_is_late() -> None:
    never = replace(GOOD, blind_after_s=None, seen_after_s=None, monitored_after_s=None)
    assert len(figures([never], (0, 0)).problems) == 2


def test_lost_alerts_accusations_holes_and_failures_are_told() -> None:
    bad = replace(GOOD, lost=("no_face",), accusations=("no_face", "speech"), unaccounted_ms=101)
    found = figures([bad, replace(GOOD, problem="the browser: gone")], (0, 0))
    assert found.cases[0].accused_of == {"no_face": 1, "speech": 1}
    assert found.problems == [
        "1 sessions could not be counted",
        "1 alerts lost",
        "2 accusations that nobody's behaviour caused",
        "coverage leaves 101 ms unaccounted for",
    ]


def test_an_alert_of_a_time_that_was_told_as_blind_is_counted_apart() -> None:
    found = figures([replace(GOOD, untold=("no_face",))], (0, 0))
    assert found.problems == [] and found.cases[0].alerts_of_told_blindness == 1


def test_the_page_has_a_row_a_case() -> None:
    lines = as_markdown(figures([GOOD], (1.0, 2.0))).splitlines()
    assert lines[2].startswith("| cut-10 | 1 (0) |")
    assert len({line.count("|") for line in lines[:3]}) == 1
