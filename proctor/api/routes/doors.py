"""Ways in and out: join, sign in, tickets, sign out, revocation."""

from fastapi import APIRouter, Request, Response

from proctor.api.guard import Caller, GuardedRoute
from proctor.api.links import base_url, whip_path
from proctor.api.schemas import Revocation, TicketSent
from proctor.api.services import Services
from proctor.api.views import (
    ExamNotice,
    IceServerView,
    JoinView,
    MediaView,
    TicketView,
    TokenView,
)
from proctor.services.tickets import LIFE_S, TicketKind, revoked_key


def doors_router(services: Services) -> APIRouter:
    """Routes by which people come and go."""
    router = APIRouter(prefix="/v1", tags=["doors"], route_class=GuardedRoute)
    cap_s = int(services.token_cap.total_seconds())

    @router.post("/join", response_model_exclude_none=True)
    async def join(sent: TicketSent, request: Request) -> JoinView:
        """Exchange a join ticket for a token that is bound to its session."""
        joined = await services.join.redeem(sent.ticket)
        session = joined.session
        servers = services.ice.of(session.session_id)
        return JoinView(
            token=joined.token,
            session_id=session.session_id,
            candidate_id=session.candidate_id,
            whip_url=base_url(request, services.public_url) + whip_path(session.session_id),
            ice_servers=[IceServerView.model_validate(server) for server in servers],
            media=MediaView.model_validate(services.media),
            exam=ExamNotice.model_validate(joined.exam),
        )

    @router.post("/sign-in")
    async def sign_in(sent: TicketSent) -> TokenView:
        """Exchange a sign-in ticket for a staff member's token."""
        token, role = await services.sign_in.redeem(sent.ticket)
        return TokenView(token=token, role=role)

    @router.post("/tickets", status_code=201)
    async def new_sign_in_ticket(caller: Caller) -> TicketView:
        """A one-time ticket to sign in as oneself, for a link to a page."""
        ticket = await services.sign_in.ticket(caller)
        return TicketView(ticket=ticket, expires_in_s=LIFE_S[TicketKind.SIGN_IN])

    @router.post("/sign-out", status_code=204)
    async def sign_out(caller: Caller) -> Response:
        """Revoke the token that this call was made with."""
        await services.live.put(revoked_key(caller.token_id), "1", cap_s)
        return Response(status_code=204)

    @router.post("/revocations", status_code=204)
    async def revoke(sent: Revocation, caller: Caller) -> Response:
        """Revoke a token by its `jti`, from the next call on."""
        del caller  # the guard has seen that it is an administrator
        await services.live.put(revoked_key(sent.token_id), "1", cap_s)
        return Response(status_code=204)

    return router
