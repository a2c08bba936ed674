"""Things that do not belong on the desk: the same label in N of M searched pictures.

Nothing is concluded from one picture, and a picture without the thing is weak evidence against it:
a hand in front of a phone hides it. What a label means is said by the detector's settings.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from proctor.domain.ids import SessionId
from proctor.domain.observations import ObjectsSeen
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.hysteresis import Reading, Spell
from proctor.sensing.limits import ObjectLimits

OBJECTS = "objects"
PICTURES = "pictures"


@dataclass(slots=True, kw_only=True)
class ObjectsState:
    """What is remembered while there is anything to remember.

    Attributes:
        votes: The newest searched pictures, (when, the labels seen), from the first with any on.
        labels: What the behaviour is made of, in the order in which it was believed.
        spell: The behaviour itself.
    """

    votes: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    spell: Spell = field(default_factory=Spell)


class ObjectsSensor:
    """Turns searched pictures into OBJECT_SEEN, one signal for everything that is there at a time."""

    def __init__(self, session_id: SessionId, limits: ObjectLimits, state: ObjectsState) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

    def observe(self, seen: ObjectsSeen) -> list[Signal]:
        """Take one searched picture."""
        changed = self.advance(seen.observed_ms)
        state, spell = self.state, self.state.spell
        counted = [
            each.label
            for each in seen.objects
            if each.score >= self._limits.least_score and each.label not in self._limits.allowed
        ]
        labels = tuple(sorted(set(counted)))
        if not labels and not state.votes:
            return changed
        self._vote(seen.observed_ms, labels)
        believed = self._believed()
        supporting = set(labels)
        if spell.is_open:
            supporting &= {*state.labels, *believed}
        if not supporting:
            return changed + self._oppose(seen.observed_ms)
        spell.support(
            Reading(seen.observed_ms, seen.producers, seen.frame_digest),
            mean={OBJECTS: float(sum(1 for label in counted if label in supporting))},
        )
        spell.figures[PICTURES] = float(spell.supporting)
        if believed and not spell.is_open:
            self._open(believed, counted)
        state.labels += [label for label in believed if label not in state.labels]
        return [*changed, self._signal()] if spell.is_open else changed

    def _open(self, believed: list[str], counted: list[str]) -> None:
        """It began with the first picture of what is believed; other labels before it were nothing."""
        spell = self.state.spell
        shown = [at_ms for at_ms, labels in self.state.votes if set(labels) & set(believed)]
        spell.began_ms, spell.is_open = shown[0], True
        spell.supporting = len(shown)
        spell.readings = sum(1 for at_ms, _ in self.state.votes if at_ms >= shown[0])
        spell.figures[OBJECTS] = float(sum(1 for label in counted if label in believed))
        spell.figures[PICTURES] = float(spell.supporting)

    def _vote(self, at_ms: int, labels: tuple[str, ...]) -> None:
        state, spell = self.state, self.state.spell
        kept = [each for each in state.votes if at_ms - each[0] <= self._limits.within_ms]
        state.votes = [*kept, (at_ms, labels)][-self._limits.out_of :]
        if spell.is_pending:
            spell.began_ms = next((at for at, seen in state.votes if seen), None)
            if spell.began_ms is None:
                self._rest()

    def _believed(self) -> list[str]:
        """The labels that came back often enough and over long enough a time."""
        votes = self.state.votes
        times = Counter(label for _, labels in votes for label in labels)
        return [
            label
            for label, count in sorted(times.items())
            if count >= self._limits.needed and self._span_ms(label) >= self._limits.dwell_ms
        ]

    def _span_ms(self, label: str) -> int:
        seen_ms = [at_ms for at_ms, labels in self.state.votes if label in labels]
        return seen_ms[-1] - seen_ms[0]

    def _oppose(self, at_ms: int) -> list[Signal]:
        spell = self.state.spell
        if not spell.is_open:
            return []
        against_ms = spell.oppose(at_ms)
        return self._end(against_ms) if at_ms - against_ms >= self._limits.release_ms else []

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
        closed = [self._signal(ended_ms)] if self.state.spell.is_open else []
        self._rest()
        return closed

    def _signal(self, ended_ms: int | None = None) -> Signal:
        plain = self.state.spell.signal(SignalKind.OBJECT_SEEN, self._session_id, ended_ms)
        return replace(plain, support=replace(plain.support, labels=tuple(self.state.labels)))

    def _rest(self) -> None:
        self.state.votes = []
        self.state.labels = []
        self.state.spell.reset()
