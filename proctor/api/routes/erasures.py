"""/v1/candidates/{id}: erased for good; and the public key that proof is checked with."""

from fastapi import APIRouter

from proctor.api.erasure_views import ErasureView, KeySetView
from proctor.api.guard import Caller, GuardedRoute
from proctor.api.services import Services
from proctor.domain.ids import CandidateId


def erasures_router(services: Services) -> APIRouter:
    """Routes of erasure and of the key of proof."""
    router = APIRouter(prefix="/v1", tags=["erasure"], route_class=GuardedRoute)
    erase = services.erase

    @router.delete("/candidates/{candidate_id}")
    async def erase_candidate(candidate_id: str, caller: Caller, stop: bool = False) -> ErasureView:
        """Erase everything of a candidate; `stop` ends sessions that go on. The answer is a receipt."""
        done = await erase(
            caller.tenant_id, CandidateId(candidate_id), caller.subject, stop_live=stop
        )
        return ErasureView.model_validate(done)

    @router.get("/candidates/{candidate_id}/erasure")
    async def get_erasure(candidate_id: str, caller: Caller) -> ErasureView:
        """The receipt of an erasure, done or owed."""
        found = await erase.receipt(caller.tenant_id, CandidateId(candidate_id))
        return ErasureView.model_validate(found)

    @router.get("/keys/checkpoints")
    async def proof_keys() -> KeySetView:
        """The public key that checkpoints and exports are signed with (JWK set)."""
        return KeySetView(keys=[dict(services.proof_key)])

    return router
