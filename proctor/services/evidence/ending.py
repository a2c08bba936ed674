"""The end of evidence: its exam's retention is over, or its candidate's data are erased."""

import structlog

from proctor.domain.errors import NotAllErased, StateStoreUnavailable
from proctor.domain.ids import CandidateId, TenantId
from proctor.ports import Clock, EvidenceEnds, EvidenceObjects

ERASE_AT_ONCE = 500
_log = structlog.get_logger(__name__)


class EndEvidence:
    """Deletes objects first, rows after: what breaks off is found again by its rows."""

    def __init__(self, ends: EvidenceEnds, objects: EvidenceObjects, clock: Clock) -> None:
        self._ends = ends
        self._objects = objects
        self._clock = clock

    async def erase_due(self) -> int:
        """Delete the evidence of every session that is due; of how many.

        Raises:
            NotAllErased: One or more could not be deleted; the others were.
            StateStoreUnavailable: It is not known what is due.
        """
        now, erased, left = self._clock.now(), 0, 0
        for session in await self._ends.due(now, ERASE_AT_ONCE):
            try:
                await self._objects.erase_session(session)
                await self._ends.erase_session(session, now)
            except StateStoreUnavailable:  # one that is held must not keep the others
                left += 1
                _log.warning("evidence not erased", session_id=session.session_id)
            else:
                erased += 1
                _log.info("evidence erased", session_id=session.session_id)
        if left:
            raise NotAllErased("evidence could not be deleted", erased, left)
        return erased

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        """Delete all evidence of a candidate; how many pieces. Twice is once.

        What still waits in a host's spool ends there: it has no row, so it is dropped when its turn comes.

        Raises:
            StateStoreUnavailable: Not everything is gone; call again.
        """
        refs = await self._ends.of_candidate(tenant_id, candidate_id)
        keys = [ref.object_key for ref in refs]
        await self._objects.erase(keys)
        await self._ends.erase_candidate(tenant_id, candidate_id)
        await self._objects.erase(
            keys
        )  # an upload may have been between the first time and its row
        return len(refs)
