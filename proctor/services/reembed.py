"""Faces embedded again for another model, from pictures that an operator supplies.

No picture of an enrolment is kept, and a vector of one model says nothing to another. So pictures must come
from outside, and they count only when the enrolled template itself, made by the present model, says that
they show the enrolled person: nobody becomes somebody else by a file in a folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from proctor.domain.candidates import (
    ConsentScope,
    Decision,
    Enrolment,
    FaceTemplate,
    ModelRef,
    QualityReason,
)
from proctor.domain.errors import ConsentRequired
from proctor.domain.ids import CandidateId, TenantId
from proctor.domain.perception import Embedding
from proctor.identity.matching import MatchCalibration, decide, match_probability, pair_distance
from proctor.identity.quality import set_is_consistent
from proctor.ports import CandidateStore, Clock, FaceIndex
from proctor.services.consents import require_consent, scopes_of
from proctor.services.looking import PICTURES_NEEDED, FaceLook


class Outcome(StrEnum):
    """What became of a candidate's face."""

    SEALED = "sealed"
    ALREADY = "already"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reembedded:
    """The answer for one candidate.

    Attributes:
        outcome: What became of it.
        reasons: Why not, by code.
        version: The template's version; None when none was made or found.
        good: How many pictures can serve.
    """

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    version: int | None = None
    good: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Eye:
    """A way to look at pictures: an embedding model with its reading and its distances."""

    look: FaceLook
    model: ModelRef
    calibration: MatchCalibration


class Reembed:
    """Replaces templates of one model by templates of another."""

    def __init__(
        self, store: CandidateStore, faces: FaceIndex, old: Eye, new: Eye, clock: Clock
    ) -> None:
        self._store = store
        self._faces = faces
        self._old = old
        self._new = new
        self._clock = clock

    async def __call__(
        self, tenant_id: TenantId, candidate_id: CandidateId, raws: Sequence[bytes]
    ) -> Reembedded:
        """Embed a candidate's face for the new model; done again, it changes nothing.

        Raises:
            NotFound: No such candidate.
            ConsentRequired: No live consent; nothing was decoded or computed, or nothing was kept.
            Conflict: Another enrolment came in between.
            InvalidInput, PerceptionUnavailable: As `FaceLook.look`.
        """
        await require_consent(self._store, tenant_id, candidate_id)
        there = await self._faces.find(tenant_id, candidate_id, self._new.model)
        if there is not None:
            return Reembedded(
                outcome=Outcome.ALREADY, version=there.version, good=len(there.embeddings)
            )
        enrolled = await self._faces.find(tenant_id, candidate_id, self._old.model)
        if enrolled is None:
            return _refused("not_enrolled")
        shown = await self._old.look.look(raws)
        if shown.good < PICTURES_NEEDED:
            return _refused(*shown.told(QualityReason.TOO_FEW), good=shown.good)
        if not self._is_enrolled_face(shown.embeddings, enrolled.embeddings):
            return _refused("not_the_enrolled_face", good=shown.good)
        looked = await self._new.look.look(raws)
        if looked.good < PICTURES_NEEDED:
            return _refused(*looked.told(QualityReason.TOO_FEW), good=looked.good)
        if not set_is_consistent(looked.embeddings, self._new.calibration):
            return _refused(QualityReason.INCONSISTENT_SET, good=looked.good)
        return await self._seal(tenant_id, candidate_id, looked.embeddings)

    def _is_enrolled_face(self, shown: Embedding, enrolled: Embedding) -> bool:
        """Whether every picture may be of the enrolled person, and together they are."""
        calibration = self._old.calibration
        told = [
            match_probability(pair_distance(each, enrolled, calibration.metric), calibration)
            for each in shown
        ]
        return min(told) >= 0.5 and decide(told, calibration) is Decision.MATCH

    async def _seal(
        self, tenant_id: TenantId, candidate_id: CandidateId, embeddings: Embedding
    ) -> Reembedded:
        recorded = await self._store.newest_enrolment(tenant_id, candidate_id)
        stored = await self._faces.newest_version(tenant_id, candidate_id)
        version = max(stored, recorded.version if recorded is not None else 0) + 1
        now = self._clock.now()
        await require_consent(self._store, tenant_id, candidate_id)
        # The record comes first: it is what makes a version be given only once.
        await self._store.add_enrolment(
            Enrolment(
                tenant_id=tenant_id,
                candidate_id=candidate_id,
                version=version,
                model=self._new.model,
                pictures=len(embeddings),
                created_at=now,
            )
        )
        await self._faces.put(
            FaceTemplate(
                tenant_id=tenant_id,
                candidate_id=candidate_id,
                version=version,
                model=self._new.model,
                embeddings=embeddings,
                created_at=now,
            )
        )
        await self._undo_if_withdrawn(tenant_id, candidate_id)
        kept = await self._faces.find(tenant_id, candidate_id, self._new.model)
        if kept is None or not np.array_equal(kept.embeddings, embeddings):
            return Reembedded(outcome=Outcome.FAILED, reasons=("not_read_back",), version=version)
        return Reembedded(outcome=Outcome.SEALED, version=version, good=len(embeddings))

    async def _undo_if_withdrawn(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Consent may have been withdrawn while the template was written: erased stays erased."""
        consent = await self._store.live_consent(tenant_id, candidate_id)
        if ConsentScope.FACE not in scopes_of(consent):
            await self._faces.erase(tenant_id, candidate_id)
            await self._store.erase_enrolments(tenant_id, candidate_id, self._clock.now())
            raise ConsentRequired("The consent was withdrawn meanwhile; nothing was kept.")


def _refused(*reasons: str, good: int = 0) -> Reembedded:
    told = tuple(str(reason) for reason in reasons)
    return Reembedded(outcome=Outcome.REFUSED, reasons=told, good=good)
