"""Extends RTP's 16-bit sequence numbers, which wrap every 65 536 packets."""


class SequenceCounter:
    """Turns wrapping numbers into ones that only grow, tolerating reordering across the wrap."""

    def __init__(self) -> None:
        self._last: int | None = None

    def extend(self, number: int) -> int:
        """The extended number nearest to the one before (RFC 3711 section 3.3.1)."""
        if self._last is None:
            self._last = number + (1 << 16)  # room below for packets that overtook the first
            return self._last
        step = (number - self._last) & 0xFFFF
        if step >= 1 << 15:
            step -= 1 << 16
        extended = self._last + step
        self._last = max(self._last, extended)
        return extended


def ticks_between(earlier: int, later: int) -> int:
    """Signed distance of two wrapping 32-bit RTP timestamps."""
    step = (later - earlier) & 0xFFFFFFFF
    return step - (1 << 32) if step >= 1 << 31 else step
