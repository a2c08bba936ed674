"""Every fault of delivery with one seed: nothing lost, in order, doubled under the same id only."""

import pytest

from bench.push_faults import play
from bench.pushing.faults import FAULTS
from bench.pushing.scene import Taken, Tally, made_up, script
from bench.receiver import Got

OUTAGE_S = 1.2


@pytest.mark.parametrize(
    "name",
    [
        "F2",
        "F24",
        "F29",
        "F30",
        *(pytest.param(f, marks=pytest.mark.service) for f in ("F20", "F22", "F23")),
    ],
)
def test_nothing_is_lost(name: str) -> None:
    tally = play(name, 1, OUTAGE_S)
    assert (tally.lost, tally.disordered) == (0, 0)
    assert tally.raised == tally.delivered + tally.dead >= 12
    if name == "F30":
        assert 1 <= tally.doubled <= 2  # killed after the receiver's yes: the same alert again


def test_an_alert_that_is_never_taken_ends_as_a_dead_letter() -> None:
    tally = play("F29", 3, OUTAGE_S)
    assert (tally.dead, tally.lost, tally.disordered) == (1, 0, 0)


def test_two_dispatchers_at_once_send_each_alert_once() -> None:
    tally = play("none", 1, OUTAGE_S)
    assert tally.raised == tally.delivered == 24
    assert (tally.doubled, tally.lost, tally.disordered) == (0, 0, 0)


def test_the_verdict_can_say_no() -> None:
    """What is missing, doubled or out of order is counted, or the zeros above would say nothing."""
    alerts = [made_up(0, 1), made_up(0, 2), made_up(0, 3)]
    taken = Taken()
    for seq in (2, 1, 1):
        name = made_up(0, seq).alert_id
        event = f'{{"id": "{name}", "data": {{"session_id": "ses_0", "seq": {seq}}}}}'
        taken.take(Got("/", {}, event.encode()))
    assert taken.tally(alerts) == Tally(raised=3, delivered=2, doubled=1, lost=1, disordered=1)
    assert set(FAULTS) >= {"F2", "F20", "F22", "F23", "F24", "F29", "F30"}


def test_a_script_is_the_same_for_a_seed_and_numbers_sessions_without_holes() -> None:
    assert script(7, 40) == script(7, 40) != script(8, 40)
    seqs: dict[str, list[int]] = {}
    for alert in script(7, 40):
        seqs.setdefault(alert.session_id, []).append(alert.seq)
    assert all(found == list(range(1, len(found) + 1)) for found in seqs.values())
