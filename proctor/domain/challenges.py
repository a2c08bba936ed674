"""A challenge at enrolment: movements that a photograph or a recording of yesterday cannot know."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Step(StrEnum):
    """A movement, from the candidate's own point of view."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    LOOK_UP = "look_up"
    TILT = "tilt"
    COME_CLOSER = "come_closer"


class ChallengeReason(StrEnum):
    """Why a challenge was not passed. Each says what to do next; none carries a number."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    USED = "used"
    INCOMPLETE = "incomplete"
    UNREADABLE = "unreadable"
    NONE = "none"
    SEVERAL = "several"
    DUPLICATE = "duplicate"
    NOT_NEUTRAL = "not_neutral"
    OTHER_PERSON = "other_person"
    WRONG_ORDER = "wrong_order"
    WRONG_STEP = "wrong_step"
    NOT_FOLLOWED = "not_followed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a candidate is asked to do.

    Attributes:
        nonce: Its name; good for one try of one candidate.
        steps: The movements, in the order in which they are asked for.
        expires_at: From then on it is no longer taken.
    """

    nonce: str
    steps: tuple[Step, ...]
    expires_at: datetime
