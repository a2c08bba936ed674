"""Parts of a body (RFC 9110, 14): one range of bytes, as players of video ask for."""

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class Unsatisfiable(ValueError):
    """The range begins behind the end."""


@dataclass(frozen=True, slots=True)
class Part:
    """`first` to `last`, both included, of `size` bytes."""

    first: int
    last: int
    size: int

    @property
    def header(self) -> str:
        """Content-Range."""
        return f"bytes {self.first}-{self.last}/{self.size}"


def part_of(header: str | None, size: int) -> Part | None:
    """What a Range header asks for of so many bytes; None for all of it.

    More than one range, another unit and what cannot be read are ignored, as the RFC allows.

    Raises:
        Unsatisfiable: Nothing of it exists.
    """
    asked = None if header is None else _ONE.fullmatch(header.strip())
    if asked is None or not (asked[1] or asked[2]):
        return None
    if not asked[1]:
        first, last = max(0, size - int(asked[2])), size - 1
    else:
        first = int(asked[1])
        last = min(int(asked[2]), size - 1) if asked[2] else size - 1
        if asked[2] and int(asked[2]) < first:
            return None
    if first >= size or last < first:
        raise Unsatisfiable
    return Part(first, last, size)
