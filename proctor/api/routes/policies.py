"""/v1/policies: presets for everybody, and a tenant's own in versions that never change."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query

from proctor.api.guard import Caller, GuardedRoute
from proctor.api.paging import Limit, cut
from proctor.api.schemas import NewPolicy
from proctor.api.views import PoliciesView, PolicyLine, PolicyView
from proctor.domain.errors import InvalidInput
from proctor.domain.policies import StoredPolicy
from proctor.services.policies import Policies
from proctor.services.policy_reader import PolicyReader

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
Cursor = Annotated[str | None, Query(description="`next` of the page before.")]
Version = Annotated[int, Path(ge=1, le=1_000_000)]


def policies_router(policies: Policies, reader: PolicyReader) -> APIRouter:
    """Routes of policies."""
    router = APIRouter(prefix="/v1/policies", tags=["policies"], route_class=GuardedRoute)

    async def line(stored: StoredPolicy) -> PolicyLine:
        policy = (await reader.read(stored.text)).policy
        return PolicyLine(
            policy_id=stored.policy_id,
            version=stored.version,
            name=stored.policy_id if policy is None else policy.name,
            use_when=None if policy is None else policy.use_when,
            created_at=stored.created_at,
            retired_at=stored.retired_at,
        )

    async def whole(stored: StoredPolicy) -> PolicyView:
        shown = (await line(stored)).model_dump()
        return PolicyView(**shown, text=stored.text, tests=list(stored.tests))

    @router.post("", status_code=201)
    async def create_policy(new: NewPolicy, caller: Caller) -> PolicyView:
        """Store a policy as version 1, or the next version of one; none ever changes."""
        return await whole(await policies.create(caller.tenant_id, new.text, new.tests))

    @router.get("")
    async def list_policies(
        caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> PoliciesView:
        """The newest version of each of the tenant's policies, by id; and the presets."""
        if cursor is not None and not _NAME.fullmatch(cursor):
            raise InvalidInput(
                "This is no cursor of ours; begin without one.", "request/bad-cursor", 400
            )
        found = await policies.list(caller.tenant_id, cursor, limit + 1)
        items, following = cut(found, limit, "policy_id")
        return PoliciesView(
            items=[await line(each) for each in items],
            next=following,
            presets=[
                PolicyLine(
                    policy_id=each.id,
                    version=each.version,
                    name=each.name,
                    use_when=each.use_when,
                )
                for each in policies.presets
            ],
        )

    @router.get("/{policy_id}")
    async def get_policy(policy_id: str, caller: Caller) -> PolicyView:
        """The newest version of one policy, or a preset, to be copied."""
        preset = policies.preset(policy_id)
        if preset is not None:
            policy, text = preset
            return PolicyView(
                policy_id=policy.id,
                version=policy.version,
                name=policy.name,
                use_when=policy.use_when,
                text=text,
                tests=[],
            )
        return await whole(await policies.get(caller.tenant_id, policy_id))

    @router.get("/{policy_id}/versions/{version}")
    async def get_policy_version(policy_id: str, version: Version, caller: Caller) -> PolicyView:
        """One version, byte for byte as it was sent."""
        return await whole(await policies.get(caller.tenant_id, policy_id, version))

    @router.post("/{policy_id}/retire")
    async def retire_policy(policy_id: str, caller: Caller) -> PolicyView:
        """No new exam takes the policy from now on. Exams that have it keep it."""
        return await whole(await policies.retire(caller.tenant_id, policy_id))

    return router
