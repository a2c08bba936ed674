"""What pages are asked to send, as a function of pressure, attention and time."""

from proctor.domain.ids import SessionId
from proctor.domain.sending import MediaWish
from proctor.services.host.sampling import Shed
from proctor.services.host.wishes import Wishes, wish_for

USUAL = MediaWish(fps=5, max_kbps=250)
ADA, BEN = SessionId("ses_ada"), SessionId("ses_ben")


def test_what_is_asked_for_is_a_quarter_more_than_is_looked_at() -> None:
    assert wish_for(USUAL, 2.0, is_pressed=False) == USUAL
    assert wish_for(USUAL, 2.0, is_pressed=True) == MediaWish(fps=3, max_kbps=150)
    assert wish_for(USUAL, 1.0, is_pressed=True) == MediaWish(fps=2, max_kbps=100)
    assert wish_for(USUAL, 0.1, is_pressed=True).fps == 2
    assert wish_for(USUAL, 4.0, is_pressed=True) == USUAL


def test_a_policy_that_looks_closer_gets_more_pictures_and_no_more_bits_than_are_allowed() -> None:
    assert wish_for(USUAL, 6.0, is_pressed=False) == MediaWish(fps=8, max_kbps=250)
    assert wish_for(USUAL, 30.0, is_pressed=False).fps == 10
    slow = MediaWish(fps=3, max_kbps=150)
    assert wish_for(slow, 4.0, is_pressed=False) == MediaWish(fps=5, max_kbps=150)


def say(wishes: Wishes, looks: dict[SessionId, float], shed: Shed, now_ms: int) -> dict[str, int]:
    """What is due, said at once."""
    due = wishes.due(looks, shed, now_ms)
    for session_id, wish in due.items():
        wishes.said(session_id, wish, now_ms)
    return {str(session_id): wish.fps for session_id, wish in due.items()}


def test_each_wish_is_said_once_and_again_until_it_was_said() -> None:
    wishes = Wishes(USUAL)
    assert wishes.due({ADA: 2.0}, Shed.NOTHING, 0) == {ADA: USUAL}
    assert say(wishes, {ADA: 2.0}, Shed.NOTHING, 200) == {ADA: 5}
    assert say(wishes, {ADA: 2.0}, Shed.NOTHING, 400) == {}
    wishes.forget(ADA)
    assert say(wishes, {ADA: 2.0}, Shed.NOTHING, 600) == {ADA: 5}
    assert say(wishes, {}, Shed.NOTHING, 800) == {}
    assert say(wishes, {ADA: 2.0}, Shed.NOTHING, 1_000) == {ADA: 5}


def test_a_pressed_host_asks_for_less_but_not_of_those_it_looks_at_closely() -> None:
    wishes = Wishes(USUAL)
    looks = {ADA: 4.0, BEN: 2.0}
    say(wishes, looks, Shed.NOTHING, 0)
    assert say(wishes, looks, Shed.BODY, 20_000) == {}
    assert say(wishes, looks, Shed.SMALL_FACES, 20_200) == {BEN: 3}
    assert say(wishes, {ADA: 1.0, BEN: 1.0}, Shed.ATTENTION, 20_400) == {ADA: 2}
    assert say(wishes, {ADA: 1.0, BEN: 1.0}, Shed.ATTENTION, 30_200) == {BEN: 2}


def test_what_was_given_up_comes_back_after_the_pressure_each_page_in_its_own_moment() -> None:
    wishes = Wishes(USUAL)
    looks = {SessionId(f"ses_{number}"): 2.0 for number in range(40)}
    say(wishes, looks, Shed.SMALL_FACES, 0)
    back = {
        second: len(say(wishes, looks, Shed.NOTHING, second * 1_000)) for second in range(1, 40)
    }
    assert sum(back.values()) == 40
    assert set(range(20)) & {second for second, count in back.items() if count} == set()
    assert max(back.values()) <= 20
    assert all(count == 0 for second, count in back.items() if second > 30)


def test_attention_brings_more_at_once_and_less_only_after_a_while() -> None:
    wishes = Wishes(MediaWish(fps=3, max_kbps=150))
    say(wishes, {ADA: 2.0}, Shed.NOTHING, 0)
    assert say(wishes, {ADA: 4.0}, Shed.NOTHING, 200) == {ADA: 5}
    assert say(wishes, {ADA: 2.0}, Shed.NOTHING, 5_000) == {}
    assert say(wishes, {ADA: 4.0}, Shed.NOTHING, 6_000) == {}
    assert say(wishes, {ADA: 2.0}, Shed.NOTHING, 10_200) == {ADA: 3}
