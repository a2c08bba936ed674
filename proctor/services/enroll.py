"""Enrolment: several good pictures of one person become a sealed template."""

from collections.abc import Sequence

from proctor.domain.candidates import (
    ConsentScope,
    Enrolment,
    FaceTemplate,
    ModelRef,
    QualityReason,
)
from proctor.domain.errors import Conflict, ConsentRequired, QualityRefused
from proctor.domain.ids import CandidateId, TenantId
from proctor.identity.matching import MatchCalibration
from proctor.identity.quality import set_is_consistent
from proctor.ports import CandidateStore, Clock, FaceIndex
from proctor.services.consents import require_consent, scopes_of
from proctor.services.looking import PICTURES_NEEDED, FaceLook


class Enroll:
    """Enrols candidates."""

    def __init__(
        self,
        store: CandidateStore,
        faces: FaceIndex,
        look: FaceLook,
        model: ModelRef,
        calibration: MatchCalibration,
        clock: Clock,
    ) -> None:
        self._store = store
        self._faces = faces
        self._look = look
        self._model = model
        self._calibration = calibration
        self._clock = clock

    async def __call__(
        self,
        tenant_id: TenantId,
        candidate_id: CandidateId,
        raws: Sequence[bytes],
        *,
        may_replace: bool = True,
    ) -> Enrolment:
        """Enrol from uploaded pictures; a newer template replaces the older.

        Args:
            tenant_id: Whose data.
            candidate_id: Whose face.
            raws: The files as they came.
            may_replace: Whether an enrolled face may be exchanged. Not by candidates themselves, nor
                by erasing it first: who holds a stolen ticket must not be able to become the
                enrolled person.

        Raises:
            NotFound: No such candidate.
            ConsentRequired: No live consent; nothing was decoded or computed.
            Conflict: A face was enrolled before and may not be replaced, or another came in between.
            QualityRefused: Fewer than three good pictures, or not all of one person.
            InvalidInput, PerceptionUnavailable: As `FaceLook.look`.
        """
        await require_consent(self._store, tenant_id, candidate_id)
        if not may_replace and await self._next_version(tenant_id, candidate_id) > 1:
            raise Conflict("A face was enrolled already; the exam office can replace it.")
        looked = await self._look.look(raws)
        if looked.good < PICTURES_NEEDED:
            raise QualityRefused(
                f"{looked.good} of {len(raws)} pictures can serve; at least {PICTURES_NEEDED} must.",
                looked.told(QualityReason.TOO_FEW),
                looked.reasons,
            )
        if not set_is_consistent(looked.embeddings, self._calibration):
            raise QualityRefused(
                "The pictures do not all show the same person clearly; send others.",
                looked.told(QualityReason.INCONSISTENT_SET),
                looked.reasons,
            )
        enrolment = Enrolment(
            tenant_id=tenant_id,
            candidate_id=candidate_id,
            version=await self._next_version(tenant_id, candidate_id),
            model=self._model,
            pictures=looked.good,
            created_at=self._clock.now(),
        )
        template = FaceTemplate(
            tenant_id=tenant_id,
            candidate_id=candidate_id,
            version=enrolment.version,
            model=self._model,
            embeddings=looked.embeddings,
            created_at=enrolment.created_at,
        )
        await require_consent(self._store, tenant_id, candidate_id)
        # The record comes first: it is what makes a version be given only once.
        await self._store.add_enrolment(enrolment)
        await self._faces.put(template)
        await self._undo_if_withdrawn(enrolment)
        return enrolment

    async def _next_version(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        recorded = await self._store.newest_enrolment(tenant_id, candidate_id)
        stored = await self._faces.newest_version(tenant_id, candidate_id)
        return max(stored, recorded.version if recorded is not None else 0) + 1

    async def _undo_if_withdrawn(self, enrolment: Enrolment) -> None:
        """Consent may have been withdrawn while the template was written: erased stays erased."""
        tenant_id, candidate_id = enrolment.tenant_id, enrolment.candidate_id
        consent = await self._store.live_consent(tenant_id, candidate_id)
        if ConsentScope.FACE not in scopes_of(consent):
            await self._faces.erase(tenant_id, candidate_id)
            await self._store.erase_enrolments(tenant_id, candidate_id, self._clock.now())
            raise ConsentRequired("The consent was withdrawn meanwhile; nothing was kept.")
