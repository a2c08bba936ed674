"""F24: the database's disk is full while alerts come. Wants root, for a small disk of its own."""

from bench.push_faults import play
from bench.pushing.faults import ALERTS


def test_a_full_disk_loses_nothing() -> None:
    tally = play("F24-disk", 1, 1.2)
    assert (tally.raised, tally.delivered, tally.lost) == (ALERTS, ALERTS, 0)
    assert tally.disordered == 0
