"""Follows the candidate from picture to picture, so that a known face is read and not searched for.

Pure bookkeeping over what the face group answered; times are session time. A search remembers the room;
while nothing in it has changed the face alone is followed (`FaceAsk.track`). Nothing is followed that was
not seen shortly before, and the first picture in which the room differs is searched as a whole.
"""

from proctor.domain.geometry import Box, FaceRegion
from proctor.domain.perception import FaceAnswer, FaceAsk, KnownEyes
from proctor.services.host.facts import main_face
from proctor.services.host.picture import Luma
from proctor.services.host.sampling import Around
from proctor.services.host.surroundings import Surroundings

FRESH_MS = 2_500
"""A face seen longer ago is searched for: two looks at the base rate of one a second, with room."""
WHOLE_AFTER_MS = 4_000
"""A face is followed for so long; then one picture is searched as a whole (not in tiles) all the same, for
somebody near who hides behind the candidate's own outline."""
KNOWN_FOR_MS = 20_000
"""A room that was searched longer ago is not known: a search was due after 16 s and did not succeed, or was
given up under load."""
CLEAN_SEARCHES = 2
"""So many searches in a row without anybody else end a crowd: one may miss who blinks or turns."""
RESTLESS_AFTER = 3
"""Changes that were searched in a row without finding anybody: a curtain, a screen, a moving camera. From
then on the clock says when to search, as where nothing is known."""
SAME_SEAT_OVERLAP = 0.6


class Following:
    """One connection's candidate, and the room around them."""

    def __init__(self) -> None:
        self._room = Surroundings()
        self._region: FaceRegion | None = None
        self._eyes: KnownEyes | None = None
        self._box: Box | None = None
        self._seen_ms = 0
        self._detected_ms = 0
        self._searched_ms = 0
        self._crowd = 0
        self._changes = 0
        self._seat: Box | None = None

    def around(self, luma: Luma | None, at_ms: int) -> Around:
        """What is known of the room in a picture that was captured at `at_ms`."""
        if self._crowd:
            return Around.CROWDED
        if luma is None or self._box is None or not self._is_fresh(at_ms):
            return Around.UNKNOWN
        if at_ms - self._searched_ms > KNOWN_FOR_MS:
            return Around.UNKNOWN
        still = self._room.stand_still(luma, self._box)
        if still is None:
            return Around.UNKNOWN
        if still:
            self._changes = 0
            return Around.STILL
        return Around.CHANGED if self._changes < RESTLESS_AFTER else Around.UNKNOWN

    def track(self, around: Around, at_ms: int) -> FaceRegion | None:
        """Where to read the face; None when the picture has to be searched."""
        is_due = at_ms - self._detected_ms >= WHOLE_AFTER_MS
        if around is not Around.STILL or is_due or not self._is_fresh(at_ms):
            return None
        return self._region

    def eyes(self) -> KnownEyes | None:
        """How the eyes of the followed face looked, to go with its track."""
        return self._eyes

    def answered(self, ask: FaceAsk, answer: FaceAnswer, luma: Luma | None, at_ms: int) -> None:
        """Take what was found in a picture, with its small luma picture."""
        main = main_face(answer)
        self._region = main.region if main else None
        self._eyes = main.eyes if main else None
        self._box = main.box if main else None
        self._seen_ms = at_ms
        if not answer.detected:
            return
        self._detected_ms = at_ms
        others = len(answer.faces) - (main is not None)
        if others:
            self._crowd = CLEAN_SEARCHES
        if not ask.search_small:
            return
        if not others:
            self._crowd = max(0, self._crowd - 1)
        self._searched_ms = at_ms
        if main is None or others or luma is None:
            self._room.forget()
        else:
            if self._room.stand_still(luma, main.box) is False:
                self._changes += 1
            self._room.searched(luma, main.box)

    def seat(self) -> Box | None:
        """Where the face is, to remember with a look at the body."""
        return self._box

    def body_answered(self, seat: Box | None) -> None:
        """The body was looked at while the face was there; None: look again soon."""
        self._seat = seat

    def body_is_still(self, at_ms: int) -> bool:
        """Whether the candidate sits where they sat when the body was last looked at."""
        if self._seat is None or self._box is None or not self._is_fresh(at_ms):
            return False
        return self._seat.overlap(self._box) >= SAME_SEAT_OVERLAP

    def forget(self) -> None:
        """The stream had a gap: whoever is there now is searched for."""
        self._room.forget()
        self._region = self._eyes = self._box = self._seat = None
        self._crowd, self._changes = 0, 0

    def _is_fresh(self, at_ms: int) -> bool:
        return at_ms - self._seen_ms <= FRESH_MS
