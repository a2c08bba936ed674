"""The newest judged pictures, byte for byte as the models got them, never more than so many bytes.

They are encoded anyway: keeping them costs memory and nothing else. Pictures before and after an incident
are taken from them, too.
"""

from collections.abc import Collection, Iterable, Iterator

from proctor.services.host.picture import JudgedPicture

APART_MS = 2_000
MOST_AROUND = 4
PICTURE_BYTES = 300
"""What keeping a picture costs besides its bytes."""


class Album:
    """Judged pictures of one connection, oldest first. Times are session time.

    Args:
        limit_bytes: The most that is kept.
        span_ms: How far back it reaches.
    """

    def __init__(self, limit_bytes: int, span_ms: int) -> None:
        self._limit_bytes = limit_bytes
        self._span_ms = span_ms
        self._pictures: dict[str, JudgedPicture] = {}
        self.size = 0

    def add(self, picture: JudgedPicture) -> None:
        """Keep a picture that is about to be judged; an older one of the same bytes gives way."""
        known = self._pictures.pop(picture.digest, None)
        if known is not None:
            self.size -= _cost(known)
        self._pictures[picture.digest] = picture
        self.size += _cost(picture)
        oldest_ms = picture.captured_ms - self._span_ms
        while self._pictures:
            oldest = next(iter(self._pictures.values()))
            if oldest.captured_ms >= oldest_ms and self.size <= self._limit_bytes:
                break
            del self._pictures[oldest.digest]
            self.size -= _cost(oldest)

    def find(self, digests: Iterable[str]) -> list[JudgedPicture]:
        """Those of these digests that are still kept."""
        return [self._pictures[each] for each in digests if each in self._pictures]

    def spread(self, from_ms: int, until_ms: int, but: Collection[str]) -> list[JudgedPicture]:
        """A few pictures of a stretch, at least two seconds apart, the newest of them among them.

        Args:
            from_ms: First moment.
            until_ms: Last moment.
            but: Digests to leave out.
        """
        shown = [
            each
            for each in reversed(self._pictures.values())
            if from_ms <= each.captured_ms <= until_ms and each.digest not in but
        ]
        return list(_thinned(shown))[MOST_AROUND - 1 :: -1]

    def clear(self) -> None:
        """Let go of everything."""
        self._pictures.clear()
        self.size = 0


def _thinned(newest_first: Iterable[JudgedPicture]) -> Iterator[JudgedPicture]:
    last_ms: int | None = None
    for picture in newest_first:
        if last_ms is None or last_ms - picture.captured_ms >= APART_MS:
            last_ms = picture.captured_ms
            yield picture


def _cost(picture: JudgedPicture) -> int:
    return len(picture.jpeg) + PICTURE_BYTES
