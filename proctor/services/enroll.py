"""Enrolment: several good pictures of one person become a sealed template."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from proctor.domain.candidates import (
    ConsentScope,
    Enrolment,
    FaceTemplate,
    ModelRef,
    QualityReason,
)
from proctor.domain.challenges import ChallengeReason, Step
from proctor.domain.errors import ChallengeRefused, Conflict, ConsentRequired, QualityRefused
from proctor.domain.ids import CandidateId, SessionId, TenantId
from proctor.identity.challenge import Posed, check, neutral_of
from proctor.identity.matching import MatchCalibration, match_probability, pair_distance
from proctor.identity.quality import set_is_consistent
from proctor.ports import CandidateStore, Clock, FaceIndex
from proctor.services.challenges import Challenges
from proctor.services.consents import require_consent, scopes_of
from proctor.services.looking import PICTURES_NEEDED, FaceLook, Looked, LookedStep


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeAnswer:
    """A challenge that was followed.

    Attributes:
        nonce: Which.
        pictures: The files of each step, in order.
    """

    nonce: str
    pictures: tuple[tuple[bytes, ...], ...]


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
        challenges: Challenges,
    ) -> None:
        self._store = store
        self._faces = faces
        self._look = look
        self._model = model
        self._calibration = calibration
        self._clock = clock
        self._challenges = challenges

    async def __call__(
        self,
        tenant_id: TenantId,
        candidate_id: CandidateId,
        raws: Sequence[bytes],
        *,
        may_replace: bool = True,
        session_id: SessionId | None = None,
        answer: ChallengeAnswer | None = None,
    ) -> Enrolment:
        """Enrol from uploaded pictures; a newer template replaces the older.

        Args:
            tenant_id: Whose data.
            candidate_id: Whose face.
            raws: The files as they came.
            may_replace: Whether an enrolled face may be exchanged. Not by candidates themselves, nor
                by erasing it first: who holds a stolen ticket must not be able to become the
                enrolled person.
            session_id: The session of a candidate who enrols alone: it must not have ended, and any exam
                of the candidate's open sessions may ask for a challenge.
            answer: The challenge that was followed, checked wherever it is given.

        Raises:
            NotFound: No such candidate.
            ConsentRequired: No live consent; nothing was decoded or computed.
            Conflict: A face was enrolled before and may not be replaced, or another came in between, or
                the candidate's session has ended (`SessionEnded`).
            QualityRefused: Fewer than three good pictures, or not all of one person.
            ChallengeRefused: The challenge is missing or was not passed.
            InvalidInput, PerceptionUnavailable: As `FaceLook.look`.
        """
        await require_consent(self._store, tenant_id, candidate_id)
        if not may_replace and await self._next_version(tenant_id, candidate_id) > 1:
            raise Conflict("A face was enrolled already; the exam office can replace it.")
        steps = await self._redeem(tenant_id, candidate_id, session_id, answer)
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
        if answer is not None:
            await self._require_followed(steps, answer, looked)
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

    async def _redeem(
        self,
        tenant_id: TenantId,
        candidate_id: CandidateId,
        session_id: SessionId | None,
        answer: ChallengeAnswer | None,
    ) -> tuple[Step, ...]:
        """Take the challenge before anything is decoded; () when there is none and need be none."""
        is_required = await self._challenges.is_required(tenant_id, candidate_id, session_id)
        if answer is not None:
            return await self._challenges.redeem(tenant_id, candidate_id, answer.nonce)
        if is_required:
            raise ChallengeRefused(
                "This exam asks for a challenge: ask for one and send its pictures, too.",
                (ChallengeReason.MISSING,),
            )
        return ()

    async def _require_followed(
        self, steps: Sequence[Step], answer: ChallengeAnswer, looked: Looked
    ) -> None:
        taken = await self._look.look_at_steps([raw for each in answer.pictures for raw in each])
        sent, posed = set(looked.pixels), []
        for each in taken:
            posed.append(self._posed(each, looked, is_known=each.pixels_sha256 in sent))
            sent.add(each.pixels_sha256)
        rows = iter(posed)
        pictures = [list(islice(rows, len(each))) for each in answer.pictures]
        neutral = neutral_of([Posed(head=face.head, width=face.box.width) for face in looked.faces])
        against = check(steps, pictures, neutral)
        if any(against):
            raise ChallengeRefused(
                "The movements were not followed as asked; ask for a new challenge.",
                tuple(dict.fromkeys(reason for reasons in against for reason in reasons)),
                against,
            )

    def _posed(self, step: LookedStep, looked: Looked, *, is_known: bool) -> Posed:
        face = step.face
        if face is None or face.embedding is None:
            return Posed(head=None, against=step.against)
        distance = pair_distance(face.embedding, looked.embeddings, self._calibration.metric)
        return Posed(
            head=face.head,
            width=face.box.width,
            same_person=match_probability(distance, self._calibration),
            against=ChallengeReason.DUPLICATE if is_known else None,
        )

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
