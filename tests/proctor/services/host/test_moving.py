"""Who is asked to move, how often, and when patience ends."""

from proctor.domain.ids import SessionId
from proctor.services.host.moving import Moves

ADA, BEN, EVE = (SessionId(f"ses_{name}") for name in ("ada", "ben", "eve"))


def test_each_wave_asks_those_who_were_not_asked_yet() -> None:
    moves = Moves()
    assert moves.turn([ADA, BEN, EVE], 2, 0).ask == (ADA, BEN)
    assert moves.turn([ADA, BEN, EVE], 2, 1_000).ask == (EVE,)
    assert moves.turn([ADA, BEN, EVE], 2, 2_000).ask == ()


def test_who_stays_is_asked_every_ten_seconds_and_let_go_after_thirty() -> None:
    moves = Moves()
    moves.turn([ADA], 1, 0)
    asked = [at for at in range(1_000, 30_000, 1_000) if moves.turn([ADA], 0, at).ask]
    assert asked == [10_000, 20_000]
    turn = moves.turn([ADA], 0, 30_000)
    assert (turn.ask, turn.let_go) == ((), (ADA,))


def test_who_left_and_came_back_begins_anew() -> None:
    moves = Moves()
    moves.turn([ADA], 1, 0)
    moves.turn([], 0, 5_000)
    assert moves.turn([ADA], 0, 40_000).let_go == ()
    assert moves.turn([ADA], 1, 41_000).ask == (ADA,)
