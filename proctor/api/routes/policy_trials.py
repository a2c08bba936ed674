"""/v1/policies/check and what-if: a policy looked at, and tried on recorded sessions. Nothing is stored."""

import asyncio

from fastapi import APIRouter, Response

from proctor.api.admin_views import (
    FaultView,
    PolicyCheckView,
    RerankedView,
    SkippedView,
    WhatIfView,
)
from proctor.api.case_schemas import NewWhatIf, PolicyToCheck
from proctor.api.guard import Caller, GuardedRoute
from proctor.api.schemas import OwnPolicy
from proctor.domain.ids import ExamId, SessionId
from proctor.fusion.faults import faults_of
from proctor.services.policies import PolicyChoice
from proctor.services.policy_reader import NOT_READABLE, PolicyReader
from proctor.services.replays import rank
from proctor.services.what_if import Try, WhatIfs, changes


def policy_trials_router(what_ifs: WhatIfs, reader: PolicyReader) -> APIRouter:
    """Routes of policies that are looked at and tried."""
    router = APIRouter(prefix="/v1/policies", tags=["policies"], route_class=GuardedRoute)

    @router.post("/check")
    async def check_policy(sent: PolicyToCheck, caller: Caller) -> PolicyCheckView:
        """Everything that is wrong with a policy's text, with its lines."""
        faults = await asyncio.to_thread(faults_of, sent.text)
        read = NOT_READABLE if faults else await reader.read(sent.text)
        return PolicyCheckView(
            is_valid=not faults,
            faults=[
                FaultView(line=each.line, where=each.where, what=each.what, code=each.code)
                for each in faults
            ],
            policy_id=None if read.policy is None else read.policy.id,
            version=None if read.policy is None else read.policy.version,
            name=None if read.policy is None else read.policy.name,
            rules=list(read.titles),
        )

    @router.post("/what-if", status_code=202)
    async def begin_what_if(new: NewWhatIf, caller: Caller, response: Response) -> WhatIfView:
        """Try a policy on recorded sessions; ask for what comes of it at the Location."""
        own = new.policy
        choice = PolicyChoice(own.id, own.version) if isinstance(own, OwnPolicy) else own
        begun = await what_ifs.begin(
            caller.tenant_id,
            new.text or "" if choice is None else choice,
            is_text=choice is None,
            exam_id=ExamId(new.exam_id) if new.exam_id else None,
            session_ids=[SessionId(each) for each in new.session_ids or ()],
        )
        response.headers["Location"] = f"/v1/policies/what-if/{begun.try_id}"
        return _tried(begun)

    @router.get("/what-if/{what_if_id}")
    async def get_what_if(what_if_id: str, caller: Caller) -> WhatIfView:
        """A try as it stands; it is kept for an hour."""
        return _tried(await what_ifs.find(caller.tenant_id, what_if_id))

    return router


def _place(rank: int) -> float | None:
    """A review priority; None when it is withheld."""
    return None if rank < 0 else rank / 1_000_000


def _tried(found: Try) -> WhatIfView:
    by_id = {each.session_id: each for each in found.sessions}
    return WhatIfView(
        what_if_id=found.try_id,
        state=found.state.value,
        done=len(found.sessions) + len(found.skipped),
        total=found.total,
        left_out=found.left_out,
        detail=found.detail,
        sessions=[
            RerankedView(
                session_id=each.session_id,
                place_before=each.before,
                place_after=each.after,
                priority_before=_place(each.rank_before),
                priority_after=_place(each.rank_after),
                rules=changes(one.before, one.after),
                incidents_before=sum(one.before.values()),
                incidents_after=sum(one.after.values()),
                is_whole=one.is_whole,
            )
            for each in rank(found.sessions)
            for one in (by_id[each.session_id],)
        ],
        skipped=[
            SkippedView(session_id=each.session_id, reason=each.reason) for each in found.skipped
        ],
    )
