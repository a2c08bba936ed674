"""Verification: is this the enrolled person? Match, no match or cannot tell, and never a score.

Answers can be used to climb towards somebody's face, so tries are counted before they are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from proctor.domain.candidates import Decision, ModelRef, QualityReason
from proctor.domain.errors import BiometricLocked, Conflict
from proctor.domain.ids import CandidateId, TenantId
from proctor.identity.matching import MatchCalibration, decide, match_probability, pair_distance
from proctor.ports import CandidateStore, FaceIndex, LiveState
from proctor.services.consents import require_consent
from proctor.services.looking import PICTURES_NEEDED, FaceLook

TRIES = 5
LOCKED_S = 30  # NIST SP 800-63B-4: five failures, then a delay of 30 s
TRIES_FORGOTTEN_S = 600
ENROL_AGAIN = "enrol_again"


class NotEnrolled(Conflict):
    """There is no face to compare with."""

    code = "face/not-enrolled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The answer to a verification.

    Attributes:
        decision: Match, no match or cannot tell.
        fmr: Share of wrong persons that are called a match at this threshold, as measured.
        reasons: Why it cannot be told: quality reasons, or `enrol_again`.
    """

    decision: Decision
    fmr: float
    reasons: tuple[str, ...] = ()


class Verify:
    """Verifies candidates against their templates."""

    def __init__(
        self,
        store: CandidateStore,
        faces: FaceIndex,
        look: FaceLook,
        model: ModelRef,
        calibration: MatchCalibration,
        live: LiveState,
    ) -> None:
        self._store = store
        self._faces = faces
        self._look = look
        self._model = model
        self._calibration = calibration
        self._live = live

    async def __call__(
        self, tenant_id: TenantId, candidate_id: CandidateId, raws: Sequence[bytes]
    ) -> Verification:
        """Compare uploaded pictures with the template made by the very same model version.

        Raises:
            NotFound: No such candidate.
            ConsentRequired: No live consent, and nothing was decoded or computed; or it was withdrawn
                meanwhile, and nothing was compared.
            NotEnrolled: No face is enrolled.
            BiometricLocked: Five tries in a row failed.
            InvalidInput, PerceptionUnavailable: As `FaceLook.look`.
        """
        await require_consent(self._store, tenant_id, candidate_id)
        template = await self._faces.find(tenant_id, candidate_id, self._model)
        if template is None:
            if await self._faces.newest_version(tenant_id, candidate_id) == 0:
                raise NotEnrolled("No face is enrolled for this candidate; enrol one first.")
            return self._cannot_tell((ENROL_AGAIN,))
        await self._raise_if_locked(tenant_id, candidate_id)
        looked = await self._look.look(raws)
        if looked.good < PICTURES_NEEDED:
            return self._cannot_tell(looked.told(QualityReason.TOO_FEW))
        await self._count_try(tenant_id, candidate_id)
        await require_consent(self._store, tenant_id, candidate_id)
        distances = [
            pair_distance(probe, template.embeddings, self._calibration.metric)
            for probe in looked.embeddings
        ]
        decision = decide(
            [match_probability(distance, self._calibration) for distance in distances],
            self._calibration,
        )
        if decision is Decision.MATCH:
            await self._live.delete(_tries(tenant_id, candidate_id))
        return Verification(decision=decision, fmr=self._calibration.fmr)

    def _cannot_tell(self, reasons: tuple[str, ...]) -> Verification:
        return Verification(
            decision=Decision.CANNOT_TELL, fmr=self._calibration.fmr, reasons=reasons
        )

    async def _raise_if_locked(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        if await self._live.get(_lock(tenant_id, candidate_id)) is not None:
            raise BiometricLocked("Too many tries failed in a row; wait and come back.", LOCKED_S)

    async def _count_try(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Count before comparing, so that tries made at once cannot outrun the limit."""
        tries = await self._live.count(_tries(tenant_id, candidate_id), TRIES_FORGOTTEN_S)
        if tries > TRIES:
            await self._live.put(_lock(tenant_id, candidate_id), "1", LOCKED_S)
            await self._live.delete(_tries(tenant_id, candidate_id))
        await self._raise_if_locked(tenant_id, candidate_id)


def live_keys(tenant_id: TenantId, candidate_id: CandidateId) -> tuple[str, ...]:
    """What is remembered of a candidate for a while: failed tries and a lock."""
    return _tries(tenant_id, candidate_id), _lock(tenant_id, candidate_id)


def _tries(tenant_id: TenantId, candidate_id: CandidateId) -> str:
    return f"verify-tries:{tenant_id}:{candidate_id}"


def _lock(tenant_id: TenantId, candidate_id: CandidateId) -> str:
    return f"verify-lock:{tenant_id}:{candidate_id}"
