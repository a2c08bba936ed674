"""Chains of sessions, checkpoints kept elsewhere, and erasures. Stores raise `StateStoreUnavailable`."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from proctor.domain.erasure import Erasure
from proctor.domain.evidence import EvidenceRef
from proctor.domain.ids import CandidateId, SessionId, TenantId
from proctor.domain.notes import VerdictGiven
from proctor.domain.proof import ChainHead, Entry
from proctor.domain.sessions import Session


class ChainStore(Protocol):
    """The append-only log of every session."""

    async def head(self, tenant_id: TenantId, session_id: SessionId) -> ChainHead:
        """Where it ends; an empty, open chain when nothing was chained yet."""
        ...

    async def append(self, before: ChainHead, entries: Sequence[Entry], after: ChainHead) -> None:
        """Add entries behind `before`, all or none.

        Raises `Conflict` when the chain no longer ends there: read on and begin again.
        """
        ...

    async def entries(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Entry]:
        """All of them in order, each with what opens it, as far as that is not erased."""
        ...

    async def chained(self, tenant_id: TenantId, session_id: SessionId) -> set[tuple[str, str]]:
        """Kind and source of everything that is in the chain."""
        ...

    async def signed(self, tenant_id: TenantId, session_id: SessionId, size: int) -> None:
        """A checkpoint of the first `size` entries is safe."""
        ...

    async def due(self, limit: int) -> Sequence[Session]:
        """Sessions without coverage that began and whose chain lacks something, of every tenant."""
        ...

    async def late(self, limit: int) -> Sequence[Session]:
        """Sessions whose chain was closed and lacks something that came later, of every tenant."""
        ...

    async def note_export(
        self, tenant_id: TenantId, session_id: SessionId, actor: str, what: str, at: datetime
    ) -> None:
        """An audit row that the session was exported; without it nothing is opened."""
        ...

    async def verdicts(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[VerdictGiven]:
        """What reviewers said of the session's incidents, oldest first."""
        ...


class Elsewhere(Protocol):
    """A place that a thief of the database does not reach: signed checkpoints and tombstones."""

    async def put_checkpoint(
        self, tenant_id: TenantId, session_id: SessionId, size: int, signed: str
    ) -> None:
        """Keep a signed checkpoint; one that is there already stays as it is."""
        ...

    async def checkpoints(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[str]:
        """The session's signed checkpoints, the smallest first."""
        ...

    async def put_tombstone(
        self, tenant_id: TenantId, candidate_id: CandidateId, signed: str
    ) -> None:
        """Keep a signed tombstone; a second one changes nothing."""
        ...

    def tombstones(self) -> AsyncIterator[str]:
        """Every signed tombstone, of every tenant."""
        ...


class Seal(Protocol):
    """Signs what is kept elsewhere, and believes or refuses what is read back."""

    def sign(self, kind: str, payload: bytes) -> str:
        """Payload and signature in one line of text; `kind` says what it is and is signed, too."""
        ...

    def read(self, kind: str, signed: str) -> bytes:
        """The payload. Raises `InvalidInput` (proof/signature) when it was not signed as this."""
        ...


class ErasureStore(Protocol):
    """Who is erased. What it closes no other store opens again."""

    async def find(self, tenant_id: TenantId, candidate_id: CandidateId) -> Erasure | None:
        """The receipt, done or owed; None when nobody asked."""
        ...

    async def begin(self, erasure: Erasure) -> Erasure:
        """Close the candidate; from now on there is no such candidate, consent, enrolment or session.

        Twice is once: the first receipt stays, and is returned. The candidate need not be known.
        """
        ...

    async def scrub(self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime) -> None:
        """What names them, opens a commitment or was said of them goes; consents are withdrawn."""
        ...

    async def done(self, erasure: Erasure) -> None:
        """Write down that nothing of it is owed any more."""
        ...

    async def since(self, asked_after: datetime) -> Sequence[Erasure]:
        """Those that are owed, and those that were asked for since then, of every tenant."""
        ...


class StoredEvidence(Protocol):
    """Evidence as proof, export and erasure see it."""

    async def of_session(self, session: Session) -> Sequence[EvidenceRef]:
        """The rows of a session's evidence that lies in the store."""
        ...

    async def sealed(self, ref: EvidenceRef) -> bytes:
        """The bytes as they lie in the store. Raises `NotFound` when they are gone."""
        ...

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        """Delete objects and rows; how many. Twice is once."""
        ...
