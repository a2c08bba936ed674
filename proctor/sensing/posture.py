"""How the candidate holds head and body: turned away, leaning out, or out of the picture."""

from dataclasses import dataclass, field

from proctor.domain.geometry import BodyPoint
from proctor.domain.ids import SessionId
from proctor.domain.observations import BodySeen, FacesSeen, GazeSeen
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.baseline import Baseline, BaselineState
from proctor.sensing.gaze import largest
from proctor.sensing.hysteresis import Hysteresis, Reading, Spell
from proctor.sensing.limits import BodyLimits, HeadLimits
from proctor.sensing.presence import may_be_turned_away, reading_of

NOSE, LEFT_SHOULDER, RIGHT_SHOULDER = 0, 11, 12
UNCONFIRMED = "unconfirmed_share"


@dataclass(slots=True, kw_only=True)
class HeadState:
    """The session's baseline and the behaviour itself."""

    baseline: BaselineState = field(default_factory=BaselineState)
    spell: Spell = field(default_factory=Spell)


class HeadSensor:
    """A head far from its baseline, or a box whose mesh does not confirm a face: HEAD_TURNED."""

    def __init__(self, session_id: SessionId, limits: HeadLimits, state: HeadState) -> None:
        self._limits = limits
        self.baseline = Baseline(limits.baseline, state.baseline)
        self.turned = Hysteresis(SignalKind.HEAD_TURNED, session_id, limits, state.spell)

    def observe_faces(self, seen: FacesSeen, people: int, view_is_clear: bool) -> list[Signal]:
        """Take a picture with so many confirmed faces."""
        if people or not view_is_clear or not may_be_turned_away(seen):
            return self.turned.advance(seen.observed_ms)
        newest = largest(self.turned.spell, 0.0)
        return self.turned.update(True, reading_of(seen), {UNCONFIRMED: 1.0}, newest)

    def observe_gaze(self, seen: GazeSeen) -> list[Signal]:
        """Take the head pose of a confirmed face."""
        if seen.head is None:
            return []
        base_deg = self.baseline.take(seen.head.yaw_deg, seen.observed_ms)
        if base_deg is None:
            return []
        turned_deg = seen.head.yaw_deg - base_deg
        return self.turned.update(
            abs(turned_deg) >= self._limits.yaw_deg,
            Reading(seen.observed_ms, seen.producers, seen.frame_digest),
            {UNCONFIRMED: 0.0},
            largest(self.turned.spell, turned_deg),
        )


class BodySensor:
    """An upper body that is not there or leans out of the picture: BODY_MISSING.

    The pose detector loses faces that fill the picture, so a body that it does not find is missing
    only when no face was confirmed shortly before.
    """

    def __init__(self, session_id: SessionId, limits: BodyLimits, spell: Spell) -> None:
        self._limits = limits
        self.missing = Hysteresis(SignalKind.BODY_MISSING, session_id, limits, spell)

    def observe(self, seen: BodySeen, face_ms: int | None, view_is_clear: bool) -> list[Signal]:
        """Take one reading; `face_ms` is when a face was last confirmed."""
        from_edge = self._from_edge(seen.points)
        if from_edge is None:
            if not view_is_clear:
                return self.missing.advance(seen.observed_ms)
            held = face_ms is not None and seen.observed_ms - face_ms <= self._limits.face_holds_ms
            is_missing, from_edge = not held, 0.0
        else:
            is_missing = from_edge < self._limits.margin
        return self.missing.update(
            is_missing,
            Reading(seen.observed_ms, seen.producers, seen.frame_digest),
            {"from_edge": from_edge},
        )

    def _from_edge(self, points: tuple[BodyPoint, ...] | None) -> float | None:
        """How far the nose, else the middle of the shoulders, is from the nearer side; None unseen."""
        if points is None or len(points) <= RIGHT_SHOULDER:
            return None
        nose, left, right = points[NOSE], points[LEFT_SHOULDER], points[RIGHT_SHOULDER]
        visible_from = self._limits.visible_from
        if nose.visibility >= visible_from:
            middle = nose.x
        elif left.visibility >= visible_from and right.visibility >= visible_from:
            middle = (left.x + right.x) / 2
        else:
            return None
        return min(middle, 1 - middle)
