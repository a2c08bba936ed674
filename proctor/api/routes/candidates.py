"""/v1/candidates, their consent, enrolment and verification."""

from copy import deepcopy
from typing import Any

from fastapi import APIRouter, Response

from proctor.api.guard import Caller, GuardedRoute, Sent
from proctor.api.paging import Cursor, Limit, checked, cut
from proctor.api.schemas import NewCandidate, NewConsent
from proctor.api.services import Services
from proctor.api.views import (
    CandidateView,
    ChallengeView,
    ConsentView,
    EnrolmentView,
    Page,
    VerificationView,
)
from proctor.domain.candidates import ConsentScope
from proctor.domain.ids import CandidateId
from proctor.domain.roles import Role
from proctor.identity.challenge import MOST_PICTURES_PER_STEP
from proctor.services.consents import Agreement
from proctor.services.enroll import ChallengeAnswer

_PICTURES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {
                        "images": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 8,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            }
        },
    }
}


_STEP_FILES: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_PICTURES_PER_STEP,
    "items": {"type": "string", "format": "binary"},
}
_CHALLENGED: dict[str, Any] = deepcopy(_PICTURES)
_CHALLENGED["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"] |= {
    "challenge": {"type": "string", "description": "As asked for; needed with steps."},
    "step_1": _STEP_FILES,
    "step_2": _STEP_FILES,
    "step_3": _STEP_FILES,
}


def candidates_router(services: Services) -> APIRouter:
    """Routes of candidates."""
    router = APIRouter(prefix="/v1/candidates", tags=["candidates"], route_class=GuardedRoute)
    candidates, consents = services.candidates, services.consents

    @router.post("", status_code=201)
    async def create_candidate(new: NewCandidate, caller: Caller) -> CandidateView:
        """Make a candidate."""
        candidate = await candidates.create(caller.tenant_id, new.external_ref)
        return CandidateView.model_validate(candidate)

    @router.get("")
    async def list_candidates(
        caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[CandidateView]:
        """The tenant's candidates, by id."""
        after = checked(cursor)
        start = CandidateId(after) if after else None
        found = await candidates.list(caller.tenant_id, start, limit + 1)
        items, following = cut(found, limit, "candidate_id")
        return Page(items=[CandidateView.model_validate(item) for item in items], next=following)

    @router.get("/{candidate_id}")
    async def get_candidate(candidate_id: str, caller: Caller) -> CandidateView:
        """One candidate."""
        found = await candidates.get(caller.tenant_id, CandidateId(candidate_id))
        return CandidateView.model_validate(found)

    @router.post("/{candidate_id}/consents", status_code=201)
    async def give_consent(candidate_id: str, new: NewConsent, caller: Caller) -> ConsentView:
        """Record what the candidate agreed to; without it nothing biometric is computed."""
        agreement = Agreement(
            text_version=new.text_version,
            text_sha256=new.text_sha256,
            locale=new.locale,
            method=new.method,
            scopes=tuple(ConsentScope(scope) for scope in new.scopes),
        )
        given = await consents.give(caller.tenant_id, CandidateId(candidate_id), agreement)
        return ConsentView.model_validate(given)

    @router.delete("/{candidate_id}/consents", status_code=204)
    async def withdraw_consent(candidate_id: str, caller: Caller) -> Response:
        """Withdraw every consent; the template is erased, in running sessions too."""
        await consents.withdraw(caller.tenant_id, CandidateId(candidate_id))
        return Response(status_code=204)

    @router.post("/{candidate_id}/challenges", status_code=201)
    async def challenge(candidate_id: str, caller: Caller) -> ChallengeView:
        """Ask for a challenge: movements in a random order, good for one enrolment within minutes."""
        made = await services.challenges.issue(
            caller.tenant_id,
            CandidateId(candidate_id),
            by_staff=caller.role is not Role.CANDIDATE,
        )
        return ChallengeView(
            challenge=made.nonce,
            steps=list(made.steps),
            expires_at=made.expires_at,
            most_pictures_per_step=MOST_PICTURES_PER_STEP,
        )

    @router.post("/{candidate_id}/enrolments", status_code=201, openapi_extra=_CHALLENGED)
    async def enroll(candidate_id: str, sent: Sent, caller: Caller) -> EnrolmentView:
        """Enrol the face on 3 to 8 pictures. A candidate may do so once, staff may replace it.

        Where the exam's policy asks candidates for a challenge, the form holds its name and pictures of
        each of its steps, too: `images` straight ahead, `step_1` to `step_3` in the order asked.
        """
        enrolment = await services.enroll(
            caller.tenant_id,
            CandidateId(candidate_id),
            sent.pictures,
            may_replace=caller.role is not Role.CANDIDATE,
            session_id=caller.session_id,
            answer=(
                ChallengeAnswer(nonce=sent.challenge, pictures=sent.steps)
                if sent.challenge is not None
                else None
            ),
        )
        return EnrolmentView.model_validate(enrolment)

    @router.delete("/{candidate_id}/enrolments", status_code=204)
    async def erase_enrolment(candidate_id: str, caller: Caller) -> Response:
        """Erase the template, in running sessions too; the consent stays."""
        await consents.erase(caller.tenant_id, CandidateId(candidate_id))
        return Response(status_code=204)

    @router.post("/{candidate_id}/verifications", openapi_extra=_PICTURES)
    async def verify(candidate_id: str, sent: Sent, caller: Caller) -> VerificationView:
        """Compare 3 to 8 pictures with the enrolled face: match, no match or cannot tell."""
        found = await services.verify(caller.tenant_id, CandidateId(candidate_id), sent.pictures)
        return VerificationView.model_validate(found)

    return router
