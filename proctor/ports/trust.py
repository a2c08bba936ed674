"""Sealing secrets, making and believing tokens."""

from datetime import timedelta
from typing import Protocol

from proctor.domain.ids import SessionId, TenantId
from proctor.domain.roles import Principal, Role


class KeyRing(Protocol):
    """Seals small secrets. AES-256-GCM with associated data; keys can be rotated."""

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Encrypt; the answer names the key version."""
        ...

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt; raises `InvalidInput` when altered or bound to other associated data."""
        ...


class TokenMint(Protocol):
    """Makes bearer tokens."""

    def mint(
        self,
        subject: str,
        tenant_id: TenantId,
        role: Role,
        lifetime: timedelta,
        session_id: SessionId | None = None,
    ) -> str:
        """A signed access token. Raises `InvalidInput` when the lifetime is over the cap."""
        ...


class TokenCheck(Protocol):
    """Believes or refuses bearer tokens."""

    def check(self, token: str) -> Principal:
        """Who this is. Raises `Unauthorized` with a code that says why not. Asks no one outside."""
        ...
