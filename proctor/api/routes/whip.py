"""WHIP (RFC 9725): a candidate's offer in, our answer out, trickled candidates, goodbye."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from proctor.api.access import Takes
from proctor.api.guard import Caller, GuardedRoute, Sent
from proctor.api.links import ice_links, whip_path
from proctor.api.problems import Malformed
from proctor.api.services import Services
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import SessionId

Epoch = Annotated[int, Path(ge=1, le=1 << 31)]
IfMatch = Annotated[str | None, Header()]


def whip_router(services: Services) -> APIRouter:
    """Routes of a session's connections."""
    router = APIRouter(
        prefix="/v1/sessions/{session_id}/whip", tags=["whip"], route_class=GuardedRoute
    )
    connections = services.connections

    @router.post(
        "",
        status_code=201,
        response_class=Response,
        openapi_extra={"requestBody": {"required": True, "content": {Takes.SDP.value: {}}}},
    )
    async def offer(session_id: str, sent: Sent, caller: Caller) -> Response:
        """Offer media. Every offer is a new connection (epoch); a second one resumes the session."""
        session = SessionId(session_id)
        answer = await connections.offer(caller.tenant_id, session, sdp_text(sent.raw))
        response = Response(answer.sdp, 201, media_type=Takes.SDP.value)
        response.headers["Location"] = f"{whip_path(session_id)}/{answer.epoch}"
        response.headers["ETag"] = _etag(answer.epoch)
        response.headers["Accept-Patch"] = Takes.FRAGMENT.value
        for link in ice_links(services.ice.of(session)):
            response.headers.append("Link", link)
        return response

    @router.patch(
        "/{epoch}",
        status_code=204,
        openapi_extra={"requestBody": {"required": True, "content": {Takes.FRAGMENT.value: {}}}},
    )
    async def trickle(
        session_id: str, epoch: Epoch, sent: Sent, caller: Caller, if_match: IfMatch = None
    ) -> Response:
        """Add ICE candidates. There is no ICE restart: a broken connection is offered anew."""
        if if_match not in (None, "*", _etag(epoch)):
            raise InvalidInput("This is another connection's ETag.", "webrtc/etag", 412)
        fragment = sdp_text(sent.raw)
        await connections.trickle(caller.tenant_id, SessionId(session_id), epoch, fragment)
        return Response(status_code=204)

    @router.delete("/{epoch}")
    async def leave(session_id: str, epoch: Epoch, caller: Caller) -> Response:
        """Close the connection; the session goes on and may be resumed."""
        await connections.leave(caller.tenant_id, SessionId(session_id), epoch)
        return Response(status_code=200)

    return router


def _etag(epoch: int) -> str:
    return f'"{epoch}"'


def sdp_text(raw: bytes) -> str:
    """What was sent, as text. Raises `Malformed`."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("The body is no text in UTF-8.") from None
