"""`PolicyStore` in SQL: a row per version, written once; only the mark of retirement is set later."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import func, insert, select, update

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.tables import policies
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import TenantId
from proctor.domain.policies import StoredPolicy


class SqlPolicyStore:
    """Versions of policies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_policy(self, policy: StoredPolicy) -> None:
        """Store the next version. Raises `Conflict`, `NotFound` for an unknown tenant.

        Two that store the same version at once both see the one before; the primary key lets one in.
        """
        newest = select(func.max(policies.c.version), func.max(policies.c.retired_at)).where(
            policies.c.tenant_id == policy.tenant_id, policies.c.policy_id == policy.policy_id
        )
        async with self._database.writing() as connection:
            version, retired_at = (await connection.execute(newest)).one()
            if retired_at is not None:
                raise Conflict(f"policy {policy.policy_id} is retired")
            if policy.version != (version or 0) + 1:
                raise Conflict(f"policy {policy.policy_id} has version {version or 0}")
            await connection.execute(insert(policies).values(asdict(policy)))

    async def get_policy(
        self, tenant_id: TenantId, policy_id: str, version: int | None = None
    ) -> StoredPolicy:
        """That version, or the newest. Raises `NotFound`."""
        wanted = select(policies).where(
            policies.c.tenant_id == tenant_id, policies.c.policy_id == policy_id
        )
        if version is not None:
            wanted = wanted.where(policies.c.version == version)
        async with self._database.reading() as connection:
            newest = wanted.order_by(policies.c.version.desc()).limit(1)
            row = (await connection.execute(newest)).one_or_none()
        if row is None:
            raise NotFound(f"no policy {policy_id}")
        return StoredPolicy(**row._mapping)

    async def list_policies(
        self, tenant_id: TenantId, after: str | None, limit: int
    ) -> Sequence[StoredPolicy]:
        """The newest version of each, by id, after a cursor."""
        newest = (
            select(policies.c.policy_id, func.max(policies.c.version).label("version"))
            .where(policies.c.tenant_id == tenant_id)
            .group_by(policies.c.policy_id)
            .subquery()
        )
        page = (
            select(policies)
            .join(
                newest,
                (policies.c.policy_id == newest.c.policy_id)
                & (policies.c.version == newest.c.version),
            )
            .where(policies.c.tenant_id == tenant_id)
        )
        if after is not None:
            page = page.where(policies.c.policy_id > after)
        async with self._database.reading() as connection:
            rows = await connection.execute(page.order_by(policies.c.policy_id).limit(limit))
            return [StoredPolicy(**row._mapping) for row in rows]

    async def retire_policy(self, tenant_id: TenantId, policy_id: str, at: datetime) -> None:
        """Mark every version. Raises `NotFound`."""
        whose = (policies.c.tenant_id == tenant_id) & (policies.c.policy_id == policy_id)
        mark = update(policies).where(whose, policies.c.retired_at.is_(None))
        async with self._database.writing() as connection:
            if await connection.scalar(select(func.count()).where(whose)) == 0:
                raise NotFound(f"no policy {policy_id}")
            await connection.execute(mark.values(retired_at=at))
