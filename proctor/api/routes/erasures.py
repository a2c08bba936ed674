"""/v1/candidates/{id}: erased for good; sessions as files, and the key that those are checked with."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from proctor.api.erasure_views import ErasureView, KeySetView
from proctor.api.guard import Caller, GuardedRoute
from proctor.api.services import Services
from proctor.domain.ids import CandidateId, SessionId
from proctor.services.proof.export import EvidenceAs


def erasures_router(services: Services) -> APIRouter:
    """Routes of erasure and of proof."""
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

    @router.post("/sessions/{session_id}/export", response_class=FileResponse)
    async def export_session(
        session_id: str, caller: Caller, evidence: Literal["sealed", "none"] = "sealed"
    ) -> FileResponse:
        """Everything that is kept of a session in one file, for `proctor verify`; it is audited.

        Evidence comes sealed or not at all: in plain it would lie on this machine's disk.
        """
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="proctor-export-"))
        path = folder / "export.zip"
        try:
            await services.export.write(
                caller.tenant_id,
                SessionId(session_id),
                path,
                actor=caller.subject,
                evidence=EvidenceAs(evidence),
            )
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder)
            raise
        return FileResponse(
            path,
            media_type="application/zip",
            filename="export.zip",
            background=BackgroundTask(shutil.rmtree, folder),
        )

    @router.get("/keys/checkpoints")
    async def proof_keys() -> KeySetView:
        """The public key that checkpoints and exports are signed with (JWK set)."""
        return KeySetView(keys=[dict(services.proof_key)])

    return router
