"""The movements of a challenge, by hand-made poses."""

import pytest

from proctor.domain.challenges import ChallengeReason, Step
from proctor.domain.geometry import HeadPose
from proctor.identity.challenge import Neutral, Posed, check, follows, neutral_of

AHEAD = Neutral(yaw_deg=4.0, pitch_deg=5.0, roll_deg=-2.0, width=0.3)
LEFT, RIGHT, UP, TILT, CLOSER = (
    Step.TURN_LEFT,
    Step.TURN_RIGHT,
    Step.LOOK_UP,
    Step.TILT,
    Step.COME_CLOSER,
)


def posed(
    yaw: float = 4.0,
    pitch: float = 5.0,
    roll: float = -2.0,
    width: float = 0.3,
    same: float = 0.95,
    against: ChallengeReason | None = None,
) -> Posed:
    return Posed(head=HeadPose(yaw, pitch, roll), width=width, same_person=same, against=against)


MOVES = {
    LEFT: posed(yaw=24.0),
    RIGHT: posed(yaw=-16.0),
    UP: posed(pitch=-8.0),
    TILT: posed(roll=15.0),
    CLOSER: posed(width=0.42),
}
EVERYTHING = posed(yaw=23.0, pitch=-6.0, roll=11.0, width=0.37)  # 19, -11, 13 and 1.23


@pytest.mark.parametrize("step", Step)
def test_one_pose_that_moves_every_way_at_once_is_none_of_them(step: Step) -> None:
    assert not follows(step, EVERYTHING, AHEAD)


@pytest.mark.parametrize("limit", ["yaw", "pitch", "roll", "width"])
def test_a_movement_with_another_nearly_made_is_neither(limit: str) -> None:
    """Otherwise two pictures that hardly differ would be two movements."""
    nearly = {
        "yaw": AHEAD.yaw_deg + 15,
        "pitch": AHEAD.pitch_deg - 9,
        "roll": AHEAD.roll_deg - 11.5,
        "width": AHEAD.width * 1.18,
    }
    for step, move in MOVES.items():
        assert move.head is not None
        shown = {
            "yaw": move.head.yaw_deg,
            "pitch": move.head.pitch_deg,
            "roll": move.head.roll_deg,
            "width": move.width,
        } | {limit: nearly[limit]}
        picture = posed(shown["yaw"], shown["pitch"], shown["roll"], shown["width"])
        assert not any(follows(each, picture, AHEAD) for each in Step), step


@pytest.mark.parametrize(
    ("step", "picture"),
    [
        (LEFT, posed(yaw=30.0, pitch=0.0, roll=5.0, width=0.33)),
        (RIGHT, posed(yaw=-30.0, pitch=15.0, roll=-9.0, width=0.25)),
        (UP, posed(yaw=14.0, pitch=-15.0, roll=5.0, width=0.33)),
        (TILT, posed(yaw=-6.0, pitch=0.0, roll=-20.0, width=0.33)),
        (LEFT, posed(yaw=68.0, pitch=-4.0, roll=-13.0, width=0.36)),  # far turns read so
        (CLOSER, posed(yaw=12.0, pitch=18.0, roll=4.0, width=0.4)),
    ],
)
def test_a_little_of_everything_comes_with_every_real_movement(step: Step, picture: Posed) -> None:
    assert follows(step, picture, AHEAD)


@pytest.mark.parametrize("step", Step)
def test_each_movement_is_itself_and_no_other(step: Step) -> None:
    assert [each for each in Step if follows(each, MOVES[step], AHEAD)] == [step]
    assert not follows(step, posed(), AHEAD), "straight ahead is no movement"
    assert not follows(step, Posed(head=None), AHEAD)


@pytest.mark.parametrize(
    ("step", "picture", "does"),
    [
        (LEFT, posed(yaw=21.9), False),  # counted from straight ahead, not from the camera
        (LEFT, posed(yaw=22.0), True),
        (RIGHT, posed(yaw=-14.0), True),
        (UP, posed(pitch=20.0), False),
        (TILT, posed(roll=-14.0), True),
        (CLOSER, posed(width=0.35), False),
        (CLOSER, posed(width=0.5, yaw=30.0), False),  # a turned head is wider, too
    ],
)
def test_how_far_is_far_enough(step: Step, picture: Posed, does: bool) -> None:
    assert follows(step, picture, AHEAD) is does


def test_straight_ahead_is_the_median_of_pictures_that_look_at_the_camera() -> None:
    seen = [posed(yaw=2.0, width=0.28), posed(yaw=4.0), posed(yaw=40.0), Posed(head=None)]
    neutral = neutral_of(seen)
    assert neutral is not None and (neutral.yaw_deg, neutral.width) == (4.0, 0.3)
    assert neutral_of([posed(yaw=25.0)] * 3) is None
    assert neutral_of([posed(pitch=25.0)] * 3) is None, "from there, straight ahead is up"
    assert neutral_of([posed(pitch=-25.0)] * 3) is None
    assert neutral_of([posed(roll=14.0)] * 3) is None, "from there, upright is a tilt"
    assert neutral_of([Posed(head=None)]) is None


def against(
    *pictures: list[Posed], steps: tuple[Step, ...] = (LEFT, UP, CLOSER)
) -> list[list[str]]:
    return [list(reasons) for reasons in check(steps, pictures, AHEAD)]


def test_what_is_followed_in_order_has_nothing_against_it() -> None:
    assert against([MOVES[LEFT]] * 3, [MOVES[UP]], [MOVES[CLOSER], MOVES[CLOSER]]) == [[], [], []]


@pytest.mark.parametrize(
    ("story", "first", "reason"),
    [
        ("what another step asked for", [MOVES[UP]], "wrong_order"),
        ("what no step asked for", [MOVES[RIGHT]], "wrong_step"),
        ("nothing at all", [posed()], "not_followed"),
        ("once in three", [MOVES[LEFT], posed(), posed()], "not_followed"),
        ("two poses to choose from", [MOVES[LEFT], MOVES[UP]], "not_followed"),
        ("somebody else", [posed(yaw=24.0, same=0.02)], "other_person"),
        ("somebody else in half", [MOVES[LEFT], posed(yaw=24.0, same=0.1)], "other_person"),
        (
            "the movement in part by somebody else",
            [MOVES[LEFT], posed(yaw=24.0, same=0.1), posed()],
            "not_followed",
        ),
        ("everything at once", [EVERYTHING], "not_followed"),
        ("nobody", [MOVES[LEFT], Posed(head=None, against=ChallengeReason.NONE)], "none"),
        ("two people", [Posed(head=None, against=ChallengeReason.SEVERAL)], "several"),
        ("the same file", [posed(yaw=24.0, against=ChallengeReason.DUPLICATE)], "duplicate"),
        ("no picture", [], "incomplete"),
    ],
)
def test_each_reason(story: str, first: list[Posed], reason: str) -> None:
    assert against(first, [MOVES[UP]], [MOVES[CLOSER]]) == [[reason], [], []], story


def test_without_straight_ahead_nothing_can_be_compared_and_missing_steps_are_told() -> None:
    assert check((LEFT, UP, TILT), [[MOVES[LEFT]]], None) == ((ChallengeReason.NOT_NEUTRAL,),) * 3
    assert against([MOVES[LEFT]]) == [[], ["incomplete"], ["incomplete"]]
