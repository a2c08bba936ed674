"""One seed of the matrix of bad lines, as it is run for every commit. `proctor bench network` is all of it.

It needs root for network namespaces and fails with one line where there is no way to lose packets: a
test that skipped would prove nothing. How fast the product is, only the command measures.
"""

from dataclasses import replace

import pytest

from bench.network.cases import CASES, Case
from bench.network.lab import Lab
from bench.network.outcome import Job, Outcome
from deployments.bad_lines import play_jobs
from deployments.cli.demo import fetch_models, find_media, own_home, wide_console
from deployments.cli.errors import read_settings

pytestmark = pytest.mark.e2e

SHORT_S = 24.0
"""Room for both behaviours during the bad weather."""


def short(name: str) -> Case:
    return replace(CASES[name], lasts_s=SHORT_S)


JOBS = (
    Job(short("loss-5"), 1, in_browser=False),
    Job(short("loss-20"), 1, in_browser=False),
    Job(CASES["cut-3"], 1, in_browser=False),
    Job(CASES["moved"], 1, in_browser=True),
    Job(short("turn"), 1, in_browser=True),
)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Every job on one product, all at once."""
    with own_home(read_settings()) as settings, Lab() as lab:
        files = fetch_models(settings, wide_console())
        found = play_jobs(settings, lab, JOBS, len(JOBS), files, find_media(None), print)
    return {one.job.case.name: one for one in found}


@pytest.mark.parametrize("name", [job.case.name for job in JOBS])
def test_no_alert_is_lost_nobody_is_accused_and_every_moment_is_accounted_for(
    outcomes: dict[str, Outcome], name: str
) -> None:
    found = outcomes[name]
    assert found.problem == ""
    assert found.lost == () and found.accusations == ()
    assert found.unaccounted_ms <= 100


@pytest.mark.parametrize("name", ["loss-5", "loss-20"])
def test_a_lossy_line_does_not_blind(outcomes: dict[str, Outcome], name: str) -> None:
    found = outcomes[name]
    assert found.packets_lost > found.job.case.weather.loss / 2
    assert found.seen_share > 0.25  # all of it, where the machine has the time


def test_a_cut_is_told_and_the_candidate_is_seen_again(outcomes: dict[str, Outcome]) -> None:
    found = outcomes["cut-3"]
    assert found.packets_lost == 1.0
    assert found.blind_after_s is not None and found.seen_after_s is not None


def test_a_changed_address_is_a_new_connection_of_the_same_session(
    outcomes: dict[str, Outcome],
) -> None:
    found = outcomes["moved"]
    assert found.blind_after_s is not None and found.seen_after_s is not None
    assert found.connections >= 2


def test_who_can_be_reached_through_turn_only_is_monitored_like_any_other(
    outcomes: dict[str, Outcome],
) -> None:
    found = outcomes["turn"]
    assert found.problem == ""  # would say so if media had come by another way
    assert found.seen_share > 0.25
