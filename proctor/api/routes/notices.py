"""/v1/sessions/{id}: what a candidate is told and answers, tries out, and may know of their own."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from proctor.api.access import Takes
from proctor.api.guard import Caller, GuardedRoute, Sent
from proctor.api.links import ice_links
from proctor.api.notice_views import (
    NewNoticeAnswer,
    NewPreflightResult,
    NoticeAnswerView,
    NoticeView,
    OwnSessionView,
    PreflightsView,
    PreflightView,
    TrialView,
    own_view,
)
from proctor.api.routes.whip import sdp_text
from proctor.api.services import Services
from proctor.domain.candidates import ConsentScope
from proctor.domain.ids import SessionId
from proctor.domain.notices import NoticeChoice
from proctor.domain.preflights import PageTold, camera_codes, microphone_codes

LocaleAsked = Annotated[str, Query(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$")]


def notices_router(services: Services) -> APIRouter:
    """Routes of a candidate before and in the exam."""
    router = APIRouter(
        prefix="/v1/sessions/{session_id}", tags=["candidate page"], route_class=GuardedRoute
    )
    notices, preflights = services.notices, services.preflights

    @router.get("/own")
    async def own_session(session_id: str, caller: Caller) -> OwnSessionView:
        """The candidate's own session: where it stands, and what they are allowed."""
        return own_view(await services.own.of(caller.tenant_id, SessionId(session_id)))

    @router.get("/notice")
    async def get_notice(session_id: str, caller: Caller, locale: LocaleAsked = "en") -> NoticeView:
        """What is analysed, by which models, for how long, who sees it, how to contest."""
        found = await notices.of(caller.tenant_id, SessionId(session_id), locale)
        return NoticeView.model_validate(found)

    @router.post("/notice-answers", status_code=201)
    async def answer_notice(
        session_id: str, new: NewNoticeAnswer, caller: Caller
    ) -> NoticeAnswerView:
        """Agree, go without biometrics, or decline. The newest answer holds."""
        given = await notices.answer(
            caller.tenant_id,
            SessionId(session_id),
            NoticeChoice(new.choice),
            {ConsentScope(scope) for scope in new.scopes},
            new.locale,
            new.text_sha256,
        )
        if given.choice is NoticeChoice.DECLINED:
            await preflights.stop(caller.tenant_id, SessionId(session_id))
        return NoticeAnswerView.model_validate(given)

    @router.get("/preflights")
    async def list_preflights(session_id: str, caller: Caller) -> PreflightsView:
        """How the candidate's equipment did before the exam."""
        found = await preflights.of(caller.tenant_id, SessionId(session_id))
        return PreflightsView(items=[PreflightView.model_validate(each) for each in found])

    @router.post(
        "/preflights",
        status_code=201,
        response_class=Response,
        openapi_extra={"requestBody": {"required": True, "content": {Takes.SDP.value: {}}}},
    )
    async def try_out(session_id: str, sent: Sent, caller: Caller) -> Response:
        """Offer media to be tried: decoded and analysed as in the exam, judged by nobody."""
        session = SessionId(session_id)
        trial = await preflights.offer(caller.tenant_id, session, sdp_text(sent.raw))
        response = Response(trial.sdp, 201, media_type=Takes.SDP.value)
        response.headers["Location"] = f"/v1/sessions/{session_id}/preflights/{trial.preflight_id}"
        response.headers["Accept-Patch"] = Takes.FRAGMENT.value
        for link in ice_links(services.ice.of(session)):
            response.headers.append("Link", link)
        return response

    @router.get("/preflights/{preflight_id}")
    async def get_trial(session_id: str, preflight_id: str, caller: Caller) -> TrialView:
        """What the server has received so far."""
        seen = await preflights.seen(caller.tenant_id, SessionId(session_id), preflight_id)
        codes = {"camera": camera_codes(seen), "microphone": microphone_codes(seen)}
        return TrialView.model_validate({**codes, "seen": seen})

    @router.patch(
        "/preflights/{preflight_id}",
        status_code=204,
        openapi_extra={"requestBody": {"required": True, "content": {Takes.FRAGMENT.value: {}}}},
    )
    async def trickle(session_id: str, preflight_id: str, sent: Sent, caller: Caller) -> Response:
        """Add ICE candidates."""
        fragment = sdp_text(sent.raw)
        await preflights.trickle(caller.tenant_id, SessionId(session_id), preflight_id, fragment)
        return Response(status_code=204)

    @router.delete("/preflights/{preflight_id}")
    async def give_up(session_id: str, preflight_id: str, caller: Caller) -> Response:
        """Close it; nothing is kept."""
        await preflights.leave(caller.tenant_id, SessionId(session_id), preflight_id)
        return Response(status_code=200)

    @router.post("/preflights/{preflight_id}/result", status_code=201)
    async def finish(
        session_id: str, preflight_id: str, new: NewPreflightResult, caller: Caller
    ) -> PreflightView:
        """Close it and keep what came of it, for the proctor to see."""
        told = PageTold(loss=new.loss, rtt_ms=new.rtt_ms, browser=new.browser)
        found = await preflights.finish(caller.tenant_id, SessionId(session_id), preflight_id, told)
        return PreflightView.model_validate(found)

    return router
