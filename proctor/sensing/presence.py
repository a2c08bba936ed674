"""Is the candidate there, and is there anybody else?

A box of the detector alone is no person (torsos fire) and no proof of absence either (profiles have
no mesh): only a confirmed face counts as somebody, only a picture without any box as nobody.
"""

from dataclasses import dataclass, field

from proctor.domain.geometry import Box
from proctor.domain.ids import SessionId
from proctor.domain.observations import CONFIRMED_FROM, FacesSeen, SeenFace
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.hysteresis import Hysteresis, Reading, Spell
from proctor.sensing.limits import NoFaceLimits, SeveralFacesLimits

CANDIDATE_WIDTH = 0.1
ONE_FACE_SHARE = 0.5
"""A box that lies by half in another is the same face: tiles find noses and mouths in a near one."""


def confirmed(seen: FacesSeen) -> list[SeenFace]:
    """The faces that the mesh confirms (ACCURACY: 0.5 costs no near-frontal face), each once."""
    found: list[SeenFace] = []
    for face in seen.faces:
        if face.presence >= CONFIRMED_FROM and not any(
            _is_within(face.box, other.box) for other in found
        ):
            found.append(face)
    return found


def _is_within(box: Box, other: Box) -> bool:
    """Whether the smaller of the two lies by half in the larger."""
    overlap = box.overlap(other)
    shared = overlap * (box.area + other.area) / (1 + overlap)
    return shared >= ONE_FACE_SHARE * min(box.area, other.area) > 0


def may_be_turned_away(seen: FacesSeen) -> bool:
    """Whether a box without a mesh is large enough to be the candidate's head."""
    return any(face.box.width >= CANDIDATE_WIDTH for face in seen.faces)


def reading_of(seen: FacesSeen) -> Reading:
    """Where this evidence comes from."""
    return Reading(seen.observed_ms, seen.producers, seen.frame_digest)


class NoFaceSensor:
    """Pictures without anybody become NO_FACE. A head turned away is neither for nor against it."""

    def __init__(self, session_id: SessionId, limits: NoFaceLimits, spell: Spell) -> None:
        self.absent = Hysteresis(SignalKind.NO_FACE, session_id, limits, spell)

    def observe(self, seen: FacesSeen, people: int, view_is_clear: bool) -> list[Signal]:
        """Take a picture with so many confirmed faces; nothing is concluded from a poor view."""
        if people:
            return self.absent.update(False, reading_of(seen))
        if not view_is_clear or may_be_turned_away(seen):
            return self.absent.advance(seen.observed_ms)
        return self.absent.update(True, reading_of(seen))


@dataclass(slots=True, kw_only=True)
class SeveralFacesState:
    """The newest votes, (when, whether somebody else was seen), and the behaviour itself."""

    votes: list[tuple[int, bool]] = field(default_factory=list)
    spell: Spell = field(default_factory=Spell)


class SeveralFacesSensor:
    """Two or more confirmed faces in N of M pictures become SEVERAL_FACES.

    A picture with one face speaks against it only when it was searched for small faces: in the others
    a person in the background is never found.
    """

    def __init__(
        self, session_id: SessionId, limits: SeveralFacesLimits, state: SeveralFacesState
    ) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

    def observe(self, seen: FacesSeen, people: int) -> list[Signal]:
        """Take a picture with so many confirmed faces."""
        changed = self.advance(seen.observed_ms)
        if people >= 2:
            self._vote(seen.observed_ms, True)
            return changed + self._support(seen, people)
        if seen.searched_small:
            self._vote(seen.observed_ms, False)
        return changed + self._oppose(seen)

    def _vote(self, at_ms: int, vote: bool) -> None:
        votes = [each for each in self.state.votes if at_ms - each[0] <= self._limits.within_ms]
        self.state.votes = [*votes, (at_ms, vote)][-self._limits.out_of :]
        spell = self.state.spell
        if spell.is_pending:
            spell.began_ms = next((at for at, voted in self.state.votes if voted), None)
            if spell.began_ms is None:
                self._rest()

    def _support(self, seen: FacesSeen, people: int) -> list[Signal]:
        spell = self.state.spell
        spell.support(reading_of(seen), mean={"faces": float(people)})
        if sum(vote for _, vote in self.state.votes) >= self._limits.needed:
            spell.is_open = True
        return [spell.signal(SignalKind.SEVERAL_FACES, self._session_id)] if spell.is_open else []

    def _oppose(self, seen: FacesSeen) -> list[Signal]:
        spell = self.state.spell
        if not spell.is_open or (spell.contrary_ms is None and not seen.searched_small):
            return []
        against_ms = spell.oppose(seen.observed_ms)
        if seen.observed_ms - against_ms < self._limits.release_ms:
            return []
        return self._end(against_ms)

    def advance(self, now_ms: int) -> list[Signal]:
        """Forget what nothing has supported for the length of the window."""
        spell = self.state.spell
        if spell.began_ms is None or now_ms - spell.last_ms <= self._limits.within_ms:
            return []
        return self.lost()

    def lost(self) -> list[Signal]:
        """Nothing more can be known: end it where it was last seen."""
        return self._end(self.state.spell.last_ms)

    def _end(self, ended_ms: int) -> list[Signal]:
        closed = self.state.spell.close(SignalKind.SEVERAL_FACES, self._session_id, ended_ms)
        self._rest()
        return closed

    def _rest(self) -> None:
        self.state.votes = []
        self.state.spell.reset()
