"""Chains, erasures and what is kept elsewhere, in memory."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

from proctor.domain.erasure import Erasure
from proctor.domain.errors import Conflict
from proctor.domain.ids import CandidateId, SessionId, TenantId
from proctor.domain.notes import VerdictGiven
from proctor.domain.proof import ChainHead, Entry
from proctor.domain.sessions import Session, SessionState
from proctor.services.proof.entries import empty_head
from tests.fakes.database import FakeRelational
from tests.fakes.outage import Outage


class FakeChainStore(FakeRelational):
    """`ChainStore` in memory."""

    async def head(self, tenant_id: TenantId, session_id: SessionId) -> ChainHead:
        self._reach()
        found = self.database.chains.get(session_id)
        is_theirs = found is not None and found.tenant_id == tenant_id
        return found if found and is_theirs else empty_head(tenant_id, session_id)

    async def append(self, before: ChainHead, entries: Sequence[Entry], after: ChainHead) -> None:
        now = await self.head(before.tenant_id, before.session_id)
        if (now.size, now.head) != (before.size, before.head):
            raise Conflict("the chain has grown meanwhile", "proof/busy")
        kept = self.database.chain_entries.setdefault(before.session_id, [])
        known = {(entry.kind, entry.source_id) for entry in kept}
        if any((entry.kind, entry.source_id) in known for entry in entries):
            raise Conflict("this exists already")
        kept += entries
        self.database.chains[before.session_id] = replace(after, signed_size=now.signed_size)

    async def entries(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Entry]:
        self._reach()
        found = self.database.chain_entries.get(session_id, [])
        return [entry for entry in found if entry.tenant_id == tenant_id]

    async def chained(self, tenant_id: TenantId, session_id: SessionId) -> set[tuple[str, str]]:
        found = await self.entries(tenant_id, session_id)
        return {(entry.kind.value, entry.source_id) for entry in found}

    async def signed(self, tenant_id: TenantId, session_id: SessionId, size: int) -> None:
        now = await self.head(tenant_id, session_id)
        if now.signed_size < size <= now.size:
            self.database.chains[session_id] = replace(now, signed_size=size)

    async def due(self, limit: int) -> Sequence[Session]:
        self._reach()
        found: list[Session] = []
        for session in self._begun():
            chain = self.database.chains.get(session.session_id)
            if session.state is SessionState.LIVE:
                is_due = chain is None or self._has_news(chain)
            else:
                is_open = chain is not None and chain.is_open
                is_due = is_open and (session.settled_at is not None or self._has_news(chain))
            if is_due:
                found.append(session)
        return found[: 2 * limit]

    async def late(self, limit: int) -> Sequence[Session]:
        self._reach()
        found: list[Session] = []
        for session in self._begun():
            chain = self.database.chains.get(session.session_id)
            is_behind = chain is not None and not chain.is_open
            if chain is None or (
                is_behind and (chain.signed_size < chain.size or self._has_news(chain))
            ):
                found.append(session)
        return found[:limit]

    async def note_export(
        self, tenant_id: TenantId, session_id: SessionId, actor: str, what: str, at: datetime
    ) -> None:
        self._reach()
        self.database.audit.append((tenant_id, actor, "session.exported", session_id, what))

    async def verdicts(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[VerdictGiven]:
        self._reach()
        found = [
            given
            for given in self.database.verdicts.values()
            if (given.tenant_id, given.session_id) == (tenant_id, session_id)
        ]
        return sorted(found, key=lambda given: (given.given_at, given.verdict_id))

    def _begun(self) -> list[Session]:
        known = self.database.sessions.values()
        begun = [session for session in known if session.started_at is not None]
        return sorted(begun, key=lambda session: session.session_id)

    def _has_news(self, chain: ChainHead | None) -> bool:
        seqs = [
            news.seq
            for news in self.database.alerts.values()
            if chain is not None and news.session_id == chain.session_id
        ]
        if chain is None:
            return False
        which = chain.session_id
        kept = self.database.chain_entries.get(which, [])
        said = {("decision", str(one.version)) for one in self.database.decisions.get(which, [])}
        for one in self.database.additions.values():
            if one.session_id == which:
                said.add(("added", one.incident_id))
        is_said = said - {(entry.kind.value, entry.source_id) for entry in kept}
        return bool(is_said) or max(seqs, default=0) > chain.alert_seq


class FakeErasureStore(FakeRelational):
    """`ErasureStore` in memory."""

    async def find(self, tenant_id: TenantId, candidate_id: CandidateId) -> Erasure | None:
        self._reach()
        return self.database.erasures.get((tenant_id, candidate_id))

    async def begin(self, erasure: Erasure) -> Erasure:
        self._reach()
        whose = (erasure.tenant_id, erasure.candidate_id)
        if whose not in self.database.erasures and erasure.tenant_id in self.database.tenants:
            row = (erasure.asked_by, "candidate.erasure", erasure.candidate_id)
            self.database.audit.append((erasure.tenant_id, *row, erasure.receipt_id))
        return self.database.erasures.setdefault(whose, erasure)

    async def scrub(self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime) -> None:
        self._reach()
        whose = (tenant_id, candidate_id)
        known = self.database.candidates.get(candidate_id)
        if known is not None and known.tenant_id == tenant_id:
            self.database.candidates[candidate_id] = replace(
                known, external_ref=f"erased {candidate_id}"
            )
        self.database.consents = [
            replace(one, withdrawn_at=at)
            if (one.tenant_id, one.candidate_id) == whose and one.withdrawn_at is None
            else one
            for one in self.database.consents
        ]
        self.database.enrolments = [
            replace(one, erased_at=at)
            if (one.tenant_id, one.candidate_id) == whose and one.erased_at is None
            else one
            for one in self.database.enrolments
        ]
        for place, said in list(self.database.accommodations.items()):
            if (said.tenant_id, said.candidate_id) == whose:
                del self.database.accommodations[place]
        theirs = [
            session
            for session in self.database.sessions.values()
            if (session.tenant_id, session.candidate_id) == whose
        ]
        self._erase_words({session.session_id for session in theirs})
        for session in theirs:
            kept = self.database.chain_entries.get(session.session_id, [])
            self.database.chain_entries[session.session_id] = [
                replace(entry, salt=None) for entry in kept
            ]

    def _erase_words(self, sessions: set[SessionId]) -> None:
        kept = self.database
        kept.statements = [one for one in kept.statements if one.session_id not in sessions]
        kept.preflights = [one for one in kept.preflights if one.session_id not in sessions]
        for name in sessions & kept.decisions.keys():
            kept.decisions[name] = [replace(one, notes="") for one in kept.decisions[name]]
        for incident, added in kept.additions.items():
            if added.session_id in sessions:
                kept.additions[incident] = replace(added, words="")
        gone = [one for one in kept.verdicts.values() if one.session_id in sessions]
        for given in gone:
            kept.verdicts[given.verdict_id] = replace(given, reason="")

    async def done(self, erasure: Erasure) -> None:
        self._reach()
        self.database.erasures[(erasure.tenant_id, erasure.candidate_id)] = erasure

    async def since(self, asked_after: datetime) -> Sequence[Erasure]:
        self._reach()
        found = self.database.erasures.values()
        wanted = [one for one in found if one.done_at is None or one.asked_at >= asked_after]
        return sorted(wanted, key=lambda one: one.asked_at)


class FakeElsewhere(Outage):
    """`Elsewhere` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.signed: dict[tuple[TenantId, SessionId, int], str] = {}
        self.stones: dict[tuple[TenantId, CandidateId], str] = {}

    async def put_checkpoint(
        self, tenant_id: TenantId, session_id: SessionId, size: int, signed: str
    ) -> None:
        self._reach()
        self.signed.setdefault((tenant_id, session_id, size), signed)

    async def checkpoints(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[str]:
        self._reach()
        found = sorted(self.signed.items())
        return [signed for key, signed in found if key[:2] == (tenant_id, session_id)]

    async def put_tombstone(
        self, tenant_id: TenantId, candidate_id: CandidateId, signed: str
    ) -> None:
        self._reach()
        self.stones.setdefault((tenant_id, candidate_id), signed)

    async def tombstones(self) -> AsyncIterator[str]:
        self._reach()
        for _, signed in sorted(self.stones.items()):
            yield signed
