"""Policies that tenants bring."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from proctor.domain.ids import TenantId
from proctor.domain.policies import StoredPolicy


class PolicyStore(Protocol):
    """Versions of policies, none of which ever changes."""

    async def add_policy(self, policy: StoredPolicy) -> None:
        """Store a version.

        Raises `Conflict` unless it is the one after the newest of its id (1 for a new id), also when
        another call was faster, and for an id that is retired. Raises `NotFound` for an unknown tenant.
        """
        ...

    async def get_policy(
        self, tenant_id: TenantId, policy_id: str, version: int | None = None
    ) -> StoredPolicy:
        """That version, or the newest. Raises `NotFound`, for another tenant's policy too."""
        ...

    async def list_policies(
        self, tenant_id: TenantId, after: str | None, limit: int
    ) -> Sequence[StoredPolicy]:
        """The newest version of each, by id, after a cursor; retired ones too."""
        ...

    async def retire_policy(self, tenant_id: TenantId, policy_id: str, at: datetime) -> None:
        """No new exam takes it from now on; a second time changes nothing. Raises `NotFound`."""
        ...
