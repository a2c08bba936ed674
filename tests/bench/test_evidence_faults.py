"""F25, F31, F35: whatever fails, alerts are on time and every incident says truly where its evidence is."""

import pytest

from bench.evidence.faults import FAULTS, INCIDENTS
from bench.evidence.scene import Tally
from bench.evidence_faults import is_good, play
from proctor.domain.evidence import Loss

NOTHING_IS_LOST = ("none", "F31-500", "F31-403", "F31-hang", "F31-slow", "F31-altered")
SOME_IS_LOST = {
    "F25-disk": {Loss.DISK_FULL, Loss.SPOOL_FULL},
    "F25-spool": {Loss.SPOOL_FULL},
    "F35-keys": {Loss.KEYS_AWAY},
    "host-killed": {Loss.NEVER_DELIVERED},
}


@pytest.mark.service
@pytest.mark.parametrize("fault", NOTHING_IS_LOST)
def test_a_store_that_fails_costs_time_alone(fault: str) -> None:
    tally = play(fault, 1, 1.5)
    assert is_good(tally), tally
    assert (tally.alerts, tally.stored, tally.lost.total()) == (INCIDENTS, INCIDENTS, 0)


@pytest.mark.service
@pytest.mark.parametrize("fault", SOME_IS_LOST)
def test_what_cannot_be_kept_is_told_with_its_reason(fault: str) -> None:
    """F25-disk mounts a small disk of its own: without root it fails and says so."""
    tally = play(fault, 1, 2.0)
    assert is_good(tally), tally
    assert (tally.alerts, tally.stored + tally.lost.total()) == (INCIDENTS, INCIDENTS)
    assert tally.stored > 0
    assert tally.lost and set(tally.lost) <= SOME_IS_LOST[fault]


def test_every_fault_is_tested() -> None:
    assert {*NOTHING_IS_LOST, *SOME_IS_LOST} == set(FAULTS)


@pytest.mark.parametrize("wrong", ["late", "unstated", "wrong", "plain"])
def test_the_verdict_would_see_it(wrong: str) -> None:
    assert is_good(Tally(alerts=5, stored=5))
    assert not is_good(Tally(alerts=5, stored=5, **{wrong: 1}))
    assert not is_good(Tally(alerts=5) + Tally(**{wrong: 1}))
