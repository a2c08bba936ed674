"""Whether the pictures of a challenge show its movements, in its order, by one and the same person.

Each step is held against the first pictures, which look straight ahead, so that the camera's place and
the mesh's own offset (5 degrees of pitch, ACCURACY.md) cancel out. A picture shows one movement at most:
whoever turns and tilts the head at once, or leans in while turning, is asked to try again. It keeps
photographs and recordings out that were made without knowing the order; it is no proof against a face
that is generated live, nor against a picture of each movement that somebody chooses from in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

from proctor.domain.challenges import ChallengeReason, Step
from proctor.domain.geometry import HeadPose

MOST_PICTURES_PER_STEP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeLimits:
    """When a movement counts. Wide: the mesh is 7 degrees off in yaw, 9 in pitch, 5 in roll (ACCURACY.md).

    What a step did not ask for must rest: `still_...`, each below what counts as that movement. A head
    that is turned farther reads as tilted, raised and wider, too (64 degrees: 11, 9), so for a turn they
    grow with it; no other step takes a turned head. LFW, 48 people: all 144 pictures tilted by 14 to 22
    degrees rest against the untilted ones, 121 of 144 against the median of pictures of other days;
    so do 22 of 23 turned heads. Looking down is no step's movement and is not limited.

    Attributes:
        turn_deg: Yaw towards the side, from straight ahead. Of eight labelled heads (AFLW2000) one that is
            straight ahead reads 17 degrees, and those turned by 36 and more read 31 and more.
        up_deg: Pitch upwards.
        tilt_deg: Roll to either side.
        closer: How many times as wide the face becomes.
        still_deg: Yaw to either side.
        still_up_deg: Pitch upwards.
        still_tilt_deg: Roll to either side.
        still_width: How many times as wide the face may become.
        neutral_yaw_deg: Straight ahead is within this of the camera.
        neutral_pitch_deg: The same, up and down: 142 of 144 LFW pictures straight ahead in yaw are.
        neutral_roll_deg: The same, to the shoulders: 98 % of them are within 5 degrees.
        same_person_from: Probability that the face is the first pictures' one. LFW, dlib, faces
            turned by 15 degrees and more against frontal ones: 132 of 132 of the same person reach it
            and 0.5 % of 2,233 of another.
    """

    turn_deg: float = 18.0
    up_deg: float = 10.0
    tilt_deg: float = 12.0
    closer: float = 1.2
    still_deg: float = 14.0
    still_up_deg: float = 8.0
    still_tilt_deg: float = 10.0
    still_width: float = 1.15
    neutral_yaw_deg: float = 15.0
    neutral_pitch_deg: float = 20.0
    neutral_roll_deg: float = 10.0
    same_person_from: float = 0.5


DEFAULT_LIMITS = ChallengeLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """One picture of a challenge.

    Attributes:
        head: Where the head points; None without a confirmed face.
        width: Width of the face as a share of the picture's.
        same_person: Probability that it is the first pictures' face.
        against: What stands against the picture itself (no face, several, unreadable, sent before).
    """

    head: HeadPose | None
    width: float = 0.0
    same_person: float = 0.0
    against: ChallengeReason | None = None


@dataclass(frozen=True, slots=True)
class Neutral:
    """The face straight ahead, median of the first pictures."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    width: float


def neutral_of(
    pictures: Sequence[Posed], limits: ChallengeLimits = DEFAULT_LIMITS
) -> Neutral | None:
    """Straight ahead by these pictures; None when they do not look at the camera."""
    seen = [(each.head, each.width) for each in pictures if each.head is not None]
    if not seen:
        return None
    neutral = Neutral(
        yaw_deg=median(head.yaw_deg for head, _ in seen),
        pitch_deg=median(head.pitch_deg for head, _ in seen),
        roll_deg=median(head.roll_deg for head, _ in seen),
        width=median(width for _, width in seen),
    )
    is_straight = (
        abs(neutral.yaw_deg) <= limits.neutral_yaw_deg
        and abs(neutral.pitch_deg) <= limits.neutral_pitch_deg
        and abs(neutral.roll_deg) <= limits.neutral_roll_deg
    )
    return neutral if is_straight and neutral.width > 0 else None


def follows(
    step: Step, picture: Posed, neutral: Neutral, limits: ChallengeLimits = DEFAULT_LIMITS
) -> bool:
    """Whether one picture shows the movement, and no other.

    A camera sees the candidate's left at the right edge of the picture, where yaw is positive.
    """
    if picture.head is None:
        return False
    yaw = picture.head.yaw_deg - neutral.yaw_deg
    pitch = picture.head.pitch_deg - neutral.pitch_deg
    roll = picture.head.roll_deg - neutral.roll_deg
    grown = picture.width / neutral.width
    is_ahead = abs(yaw) <= limits.still_deg
    far = max(1.0, abs(yaw) / limits.turn_deg)
    is_level = pitch >= -limits.still_up_deg * far
    is_upright = abs(roll) <= limits.still_tilt_deg * far
    is_away = grown - 1 <= (limits.still_width - 1) * far
    match step:
        case Step.TURN_LEFT:
            return yaw >= limits.turn_deg and is_level and is_upright and is_away
        case Step.TURN_RIGHT:
            return yaw <= -limits.turn_deg and is_level and is_upright and is_away
        case Step.LOOK_UP:
            return pitch <= -limits.up_deg and is_ahead and is_upright and is_away
        case Step.TILT:
            return abs(roll) >= limits.tilt_deg and is_ahead and is_level and is_away
        case Step.COME_CLOSER:
            return grown >= limits.closer and is_ahead and is_level and is_upright


def check(
    steps: Sequence[Step],
    pictures: Sequence[Sequence[Posed]],
    neutral: Neutral | None,
    limits: ChallengeLimits = DEFAULT_LIMITS,
) -> tuple[tuple[ChallengeReason, ...], ...]:
    """What stands against each step, in order; () for one that is followed.

    Args:
        steps: As the challenge asked.
        pictures: Of each step, at least one.
        neutral: Straight ahead; None when the first pictures do not show it.
        limits: When a movement counts.
    """
    if neutral is None:
        return tuple((ChallengeReason.NOT_NEUTRAL,) for _ in steps)
    return tuple(
        _against(at, steps, pictures[at] if at < len(pictures) else (), neutral, limits)
        for at in range(len(steps))
    )


def _against(
    at: int,
    steps: Sequence[Step],
    pictures: Sequence[Posed],
    neutral: Neutral,
    limits: ChallengeLimits,
) -> tuple[ChallengeReason, ...]:
    if not pictures:
        return (ChallengeReason.INCOMPLETE,)
    against = tuple(dict.fromkeys(each.against for each in pictures if each.against is not None))
    if against:
        return against
    same = [each for each in pictures if each.same_person >= limits.same_person_from]
    is_same = mean(each.same_person for each in pictures) >= limits.same_person_from
    if not is_same or len(same) * 2 <= len(pictures):
        return (ChallengeReason.OTHER_PERSON,)

    def shown(step: Step) -> bool:  # by the person themselves, in more than half of all pictures
        following = sum(follows(step, each, neutral, limits) for each in same)
        return following * 2 > len(pictures)

    if shown(steps[at]):
        return ()
    if any(shown(step) for step in steps if step is not steps[at]):
        return (ChallengeReason.WRONG_ORDER,)
    if any(shown(step) for step in Step if step not in steps):
        return (ChallengeReason.WRONG_STEP,)
    return (ChallengeReason.NOT_FOLLOWED,)
