"""Evidence: listed, linked to, shown; and the retention schedule."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from proctor.api.evidence_views import (
    EvidenceLinkView,
    EvidenceListView,
    RetentionView,
    evidence_view,
    retention_view,
)
from proctor.api.guard import Caller, GuardedRoute, caller_if_shown
from proctor.api.links import base_url
from proctor.api.ranges import Unsatisfiable, part_of
from proctor.api.schemas import NewEvidenceLink
from proctor.api.services import Services
from proctor.domain.ids import IncidentId
from proctor.services.evidence.schedule import RetentionSchedule
from proctor.services.evidence.showing import EvidenceDesk, OpenedEvidence

SHOWN_AS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "video/webm": "webm",
    "video/mp4": "mp4",
    "audio/webm": "weba",
    "audio/ogg": "ogg",
}
"""What a browser may show; anything else is a file to be saved."""
HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
Signature = Annotated[str, Query(max_length=8192, description="As the link says.")]


def evidence_router(services: Services) -> APIRouter:
    """Routes of evidence."""
    router = retention_router(services.retention)
    return (
        router
        if services.evidence is None
        else _with_evidence(router, services.evidence, services.public_url)
    )


def retention_router(retention: RetentionSchedule) -> APIRouter:
    """The schedule alone."""
    router = APIRouter(prefix="/v1", tags=["evidence"], route_class=GuardedRoute)

    @router.get("/retention")
    async def show_retention(caller: Caller) -> RetentionView:
        """What is kept, where, for how long and why: made from the running configuration and your exams."""
        return retention_view(await retention.of(caller.tenant_id))

    return router


def _with_evidence(router: APIRouter, desk: EvidenceDesk, public_url: str | None) -> APIRouter:

    @router.get("/incidents/{incident_id}/evidence")
    async def list_evidence(incident_id: str, caller: Caller) -> EvidenceListView:
        """What is kept to prove an incident, and where it stands; no bytes."""
        return evidence_view(await desk.of_incident(caller.tenant_id, IncidentId(incident_id)))

    @router.post("/evidence/{evidence_id}/links", status_code=201)
    async def link_evidence(
        evidence_id: str, new: NewEvidenceLink, caller: Caller, request: Request
    ) -> EvidenceLinkView:
        """An address that shows this piece to you for five minutes; each use is noted with your reason."""
        link = await desk.link(caller, evidence_id, new.reason)
        base = base_url(request, public_url)
        url = f"{base}/v1/evidence/{evidence_id}?signature={link.signature}"
        return EvidenceLinkView(url=url, expires_at=link.expires_at)

    @router.get("/evidence/{evidence_id}", response_class=Response)
    async def show_evidence(
        evidence_id: str, request: Request, signature: Signature = ""
    ) -> Response:
        """The piece itself, whole or a range of its bytes. The link says who looks, and why."""
        caller = await caller_if_shown(request)
        return _answer(request, await desk.open(evidence_id, signature, caller))

    return router


def _answer(request: Request, opened: OpenedEvidence) -> Response:
    ref, content = opened.ref, opened.content
    ending = SHOWN_AS.get(ref.media_type)
    how = "inline" if ending else "attachment"
    headers = {
        **HEADERS,
        "Content-Disposition": f'{how}; filename="{ref.evidence_id}.{ending or "bin"}"',
    }
    kind = ref.media_type if ending else "application/octet-stream"
    asked = None if "if-range" in request.headers else request.headers.get("range")
    try:
        part = part_of(asked, len(content))
    except Unsatisfiable:
        return Response(
            status_code=416, headers={**headers, "Content-Range": f"bytes */{len(content)}"}
        )
    if part is None:
        return Response(content, 200, headers, kind)
    headers["Content-Range"] = part.header
    return Response(content[part.first : part.last + 1], 206, headers, kind)
