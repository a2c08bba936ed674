"""Evidence as proof and erasure see it: what lies in the store, and nothing once it is erased."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from proctor.domain.errors import NotFound, StateStoreUnavailable
from proctor.domain.evidence import EvidenceRef, PieceKind
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.services.proof.kept_evidence import KeptEvidence
from tests.contract.samples import ACME, NOON, session

WHO = CandidateId("cnd_1")


class Rows:
    def __init__(self, *refs: EvidenceRef) -> None:
        self.refs = list(refs)

    async def of_candidate(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Sequence[EvidenceRef]:
        whose = (tenant_id, candidate_id)
        return [ref for ref in self.refs if (ref.tenant_id, ref.candidate_id) == whose]

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        gone = await self.of_candidate(tenant_id, candidate_id)
        self.refs = [ref for ref in self.refs if ref not in gone]


class Objects:
    def __init__(self, **held: bytes) -> None:
        self.held, self.is_away = held, False

    async def get(self, object_key: str) -> bytes:
        if object_key not in self.held:
            raise NotFound(f"no object {object_key}")
        return self.held[object_key]

    async def erase(self, object_keys: Sequence[str]) -> None:
        if self.is_away:
            raise StateStoreUnavailable("evidence is away")
        for key in object_keys:
            self.held.pop(key, None)


def ref(name: str, session_id: str = "ses_1", candidate_id: CandidateId = WHO) -> EvidenceRef:
    return EvidenceRef(
        evidence_id=f"evd_{name}",
        tenant_id=ACME,
        exam_id=ExamId("exm_1"),
        session_id=SessionId(session_id),
        candidate_id=candidate_id,
        incident_id=IncidentId("inc_1"),
        kind=PieceKind.JUDGED,
        media_type="image/jpeg",
        start_ms=0,
        end_ms=0,
        sha256="ab" * 32,
        size=3,
        object_key=name,
        stored_at=NOON,
    )


async def test_a_session_shows_what_lies_in_the_store() -> None:
    waiting = replace(ref("waiting"), stored_at=None)  # type: ignore[arg-type]
    rows = Rows(ref("here"), ref("other_session", "ses_2"), waiting)
    kept = KeptEvidence(rows, Objects(here=b"abc"))
    [found] = await kept.of_session(session())
    assert await kept.sealed(found) == b"abc"
    with pytest.raises(NotFound):
        await kept.sealed(ref("gone"))


async def test_erasure_takes_objects_and_rows_of_every_session_and_nobody_elses() -> None:
    other = ref("bobs", candidate_id=CandidateId("cnd_2"))
    rows = Rows(ref("a"), ref("b", "ses_2"), other)
    objects = Objects(a=b"1", b=b"2", bobs=b"3")
    kept = KeptEvidence(rows, objects)
    assert await kept.erase_candidate(ACME, WHO) == 2
    assert await kept.erase_candidate(ACME, WHO) == 0
    assert (rows.refs, objects.held) == ([other], {"bobs": b"3"})


async def test_a_store_that_is_away_keeps_the_rows_so_that_nothing_is_forgotten() -> None:
    rows, objects = Rows(ref("a")), Objects(a=b"1")
    objects.is_away = True
    with pytest.raises(StateStoreUnavailable):
        await KeptEvidence(rows, objects).erase_candidate(ACME, WHO)
    assert rows.refs == [ref("a")]
