"""`within` and `count`: what a rule may ask of signals that have ended.

Both look only at what was seen since the view was last whole: an outage that cuts one behaviour in two
makes no second one of it, and nothing from before a gap is joined to what came after (TRUST I8).
"""

from typing import Annotated

from pydantic import Field

from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.view import Held, View
from proctor.sensing.strict import Strict

MAX_TIMES = 20

Window = Annotated[int, Field(ge=1_000, le=3_600_000)]


class Lately(Strict):
    """What `within` asks: open now, or not long ago.

    Attributes:
        signal: Of what.
        last_ms: How far back.
    """

    signal: SignalKind
    last_ms: Window


class Within(Strict):
    """A signal is open, or was at some time in the last so many milliseconds."""

    within: Lately

    def holds(self, view: View) -> Held | None:
        """Since the behaviour began; confirmed only while it is open."""
        asked = self.within
        standing = view.standing.get(asked.signal)
        if standing is not None:
            return Held(standing.signal.started_ms, standing.confirmed_ms, (standing.signal,))
        for last in view.recent.get(asked.signal, ())[-1:]:
            if (last.ended_ms or 0) > view.now_ms - asked.last_ms:
                return Held(last.started_ms, None, (last,))
        return None

    def over_ms(self, view: View) -> int:
        """Since the window passed; what a gap may have hidden counts as if it had been there."""
        asked = self.within
        known = (view.closed_ms.get(asked.signal), view.whole_from_ms.get(asked.signal))
        return max((each + asked.last_ms for each in known if each is not None), default=0)

    def ways(self) -> frozenset[frozenset[SignalKind]]:
        """The signal alone."""
        return frozenset({self.kinds()})

    def kinds(self) -> frozenset[SignalKind]:
        """The signal."""
        return frozenset({self.within.signal})


class Times(Strict):
    """What `count` asks: a behaviour that comes back.

    Attributes:
        signal: Of what.
        at_least: So many separate times, the one that is open among them.
        last_ms: All of which began within so long.
    """

    signal: SignalKind
    at_least: Annotated[int, Field(ge=2, le=MAX_TIMES)]
    last_ms: Window


class Count(Strict):
    """A signal opened so many separate times in the last so many milliseconds."""

    count: Times

    def holds(self, view: View) -> Held | None:
        """Since the newest of them began; confirmed only while it is open."""
        asked, counted = self.count, self._newest(view)
        if len(counted) < asked.at_least or counted[0].started_ms <= view.now_ms - asked.last_ms:
            return None
        standing = view.standing.get(asked.signal)
        confirmed_ms = None if standing is None else standing.confirmed_ms
        return Held(counted[-1].started_ms, confirmed_ms, tuple(reversed(counted)))

    def _newest(self, view: View) -> list[Signal]:
        """The newest spells, oldest first, as many as are asked for, or fewer."""
        standing = view.standing.get(self.count.signal)
        spells = [*view.recent.get(self.count.signal, ())]
        if standing is not None:
            spells.append(standing.signal)
        return spells[-self.count.at_least :]

    def over_ms(self, view: View) -> int:
        """Since the window passed; what a gap may have hidden counts as if it had been there."""
        asked, counted = self.count, self._newest(view)
        known = [each.started_ms for each in counted[: len(counted) == asked.at_least]]
        if asked.signal in view.whole_from_ms:
            known.append(view.whole_from_ms[asked.signal])
        return max((each + asked.last_ms for each in known), default=0)

    def ways(self) -> frozenset[frozenset[SignalKind]]:
        """The signal alone: often is no other evidence than once."""
        return frozenset({self.kinds()})

    def kinds(self) -> frozenset[SignalKind]:
        """The signal."""
        return frozenset({self.count.signal})
