"""Sealing secrets, making and believing tokens."""

from datetime import timedelta
from typing import Protocol

from proctor.domain.ids import CandidateId, SessionId, TenantId
from proctor.domain.roles import Principal, Role


class KeyRing(Protocol):
    """Seals small secrets. AES-256-GCM with associated data; keys can be rotated."""

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Encrypt; the answer names the key version."""
        ...

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt; raises `InvalidInput` when altered or bound to other associated data."""
        ...


class SubjectKeys(Protocol):
    """A data key for every candidate, wrapped by the key ring; once destroyed, nothing of theirs opens.

    Tenant, candidate and `name` are bound into what is sealed (AES-256-GCM associated data): bytes that
    were moved to another candidate or object do not open. Raises `StateStoreUnavailable` when away.
    """

    async def seal(
        self, tenant_id: TenantId, candidate_id: CandidateId, name: str, plain: bytes
    ) -> bytes:
        """Encrypt the object `name`. Raises `NotFound` when the candidate's key was destroyed."""
        ...

    async def open(
        self, tenant_id: TenantId, candidate_id: CandidateId, name: str, sealed: bytes
    ) -> bytes:
        """Decrypt; raises `InvalidInput` when altered or moved, `NotFound` after `destroy`."""
        ...

    async def destroy(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Make everything that was sealed for the candidate unreadable, for ever; twice is once."""
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
