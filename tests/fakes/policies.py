"""`PolicyStore` in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import TenantId
from proctor.domain.policies import StoredPolicy
from tests.fakes.database import FakeRelational, page


class FakePolicyStore(FakeRelational):
    """Versions of policies, by tenant and id."""

    async def add_policy(self, policy: StoredPolicy) -> None:
        self._reach()
        if policy.tenant_id not in self.database.tenants:
            raise NotFound(f"no tenant {policy.tenant_id}")
        versions = self.database.policies.get((policy.tenant_id, policy.policy_id), [])
        if policy.version != len(versions) + 1 or any(each.retired_at for each in versions):
            raise Conflict(f"policy {policy.policy_id} has version {len(versions)}")
        self.database.policies[policy.tenant_id, policy.policy_id] = [*versions, policy]

    async def get_policy(
        self, tenant_id: TenantId, policy_id: str, version: int | None = None
    ) -> StoredPolicy:
        self._reach()
        versions = self.database.policies.get((tenant_id, policy_id), [])
        for policy in reversed(versions):
            if version in (None, policy.version):
                return policy
        raise NotFound(f"no policy {policy_id}")

    async def list_policies(
        self, tenant_id: TenantId, after: str | None, limit: int
    ) -> Sequence[StoredPolicy]:
        self._reach()
        own = self.database.policies.items()
        newest = ((key[1], versions[-1]) for key, versions in own if key[0] == tenant_id)
        return page(newest, after, limit)

    async def retire_policy(self, tenant_id: TenantId, policy_id: str, at: datetime) -> None:
        self._reach()
        versions = self.database.policies.get((tenant_id, policy_id))
        if versions is None:
            raise NotFound(f"no policy {policy_id}")
        versions[:] = [replace(each, retired_at=each.retired_at or at) for each in versions]
