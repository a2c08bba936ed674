"""`KeyRing` for small secrets over one that is a network away: quick, and it outlives an outage.

Each process makes a data key, has the other ring wrap it once, and seals with it here; the wrapped key
travels in front of everything that it sealed: format, length (2 bytes), wrapped key, nonce, ciphertext
and tag. Nothing needs to be shared, and a process asks the network once per data key that it meets.
"""

import secrets
from collections import OrderedDict
from threading import Lock

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proctor.adapters.associated import associated_data
from proctor.domain.errors import InvalidInput, KeysUnavailable
from proctor.ports import Clock, KeyRing

FORMAT = b"\x04"
RENEW_MS = 6 * 3_600_000
"""How long a process seals with one data key."""

KEPT_MS = 12 * 3_600_000
"""And how long while no other can be had; then it refuses."""

MOST_SEALED = 1 << 22
_MOST_KNOWN = 1_000
_LENGTH_BYTES, _NONCE_BYTES = 2, 12
_BOUND = associated_data("data-key")


class EnvelopeKeyRing:
    """Seals under data keys that another ring wraps. May be called on any thread."""

    def __init__(self, outer: KeyRing, clock: Clock) -> None:
        self._outer = outer
        self._clock = clock
        self._known: OrderedDict[bytes, AESGCM] = OrderedDict()
        self._own = b""
        self._made_ms = 0
        self._sealed = 0
        self._lock = Lock()

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Encrypt. Raises `KeysUnavailable` when no data key can be had."""
        with self._lock:
            wrapped = self._current()
            cipher = self._cipher(wrapped)
            self._sealed += 1
        nonce = secrets.token_bytes(_NONCE_BYTES)
        head = FORMAT + len(wrapped).to_bytes(_LENGTH_BYTES, "big") + wrapped
        return head + nonce + cipher.encrypt(nonce, plain, head + associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt. Raises `InvalidInput` when altered or moved, `KeysUnavailable`."""
        at = len(FORMAT) + _LENGTH_BYTES
        length = int.from_bytes(sealed[len(FORMAT) : at], "big")
        head, rest = sealed[: at + length], sealed[at + length :]
        if not sealed.startswith(FORMAT) or not length or len(rest) < _NONCE_BYTES:
            raise InvalidInput("this was not sealed by this product", "keys/unreadable")
        with self._lock:
            cipher = self._cipher(head[at:])
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head + associated)
        except InvalidTag:
            raise InvalidInput("sealed data were altered or moved", "keys/unreadable") from None

    def _current(self) -> bytes:
        """This process's data key, wrapped; made anew when its time is over."""
        age_ms = self._clock.monotonic_ms() - self._made_ms
        if self._own and age_ms < RENEW_MS and self._sealed < MOST_SEALED:
            return self._own
        fresh = AESGCM.generate_key(256)
        try:
            wrapped = self._outer.seal(fresh, _BOUND)
        except KeysUnavailable:
            if self._own and age_ms < KEPT_MS and self._sealed < MOST_SEALED:
                return self._own
            raise
        self._remember(wrapped, AESGCM(fresh))
        self._own, self._made_ms, self._sealed = wrapped, self._clock.monotonic_ms(), 0
        return wrapped

    def _cipher(self, wrapped: bytes) -> AESGCM:
        known = self._known.get(wrapped)
        if known is not None:
            self._known.move_to_end(wrapped)
            return known
        return self._remember(wrapped, AESGCM(self._outer.open(wrapped, _BOUND)))

    def _remember(self, wrapped: bytes, cipher: AESGCM) -> AESGCM:
        self._known[wrapped] = cipher
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return cipher
