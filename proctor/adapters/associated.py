"""Associated data: what sealed bytes are bound to, written so that no two lists of names look alike."""

_LENGTH_BYTES = 4


def associated_data(purpose: str, *names: str) -> bytes:
    """Each part as UTF-8 after its length (4 bytes, big endian): `("ab", "c")` is not `("a", "bc")`."""
    parts = [part.encode() for part in (purpose, *names)]
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts)
