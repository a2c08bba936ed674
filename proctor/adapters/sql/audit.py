"""The audit log: who did what to whom, each row sealed with the one before it (TRUST S20)."""

import hashlib
import json
from datetime import UTC, datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.tables import audit, tenants
from proctor.domain.ids import TenantId

FIRST = b""


async def write_audit(
    connection: AsyncConnection,
    tenant_id: TenantId,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    reason: str | None = None,
) -> None:
    """Add a row to the tenant's chain, in the transaction of what it is about.

    The tenant's own row is locked meanwhile, so that no two rows follow the same one.
    """
    locked = select(tenants.c.tenant_id).where(tenants.c.tenant_id == tenant_id)
    await connection.execute(locked.with_for_update())
    newest = select(audit.c.sha256).where(audit.c.tenant_id == tenant_id)
    before = await connection.scalar(newest.order_by(audit.c.audit_id.desc()).limit(1))
    seal = sealed(before or FIRST, at, actor, action, subject, reason)
    row = {"tenant_id": tenant_id, "at": at, "actor": actor, "action": action}
    await connection.execute(
        insert(audit).values(**row, subject=subject, reason=reason, sha256=seal)
    )


def sealed(
    before: bytes, at: datetime, actor: str, action: str, subject: str, reason: str | None
) -> bytes:
    """sha256 of the seal before and of the row as canonical JSON."""
    row = [at.astimezone(UTC).isoformat(), actor, action, subject, reason]
    return hashlib.sha256(before + json.dumps(row, ensure_ascii=True).encode()).digest()


class SqlAuditLog:
    """`AuditLog`: rows of what no other store writes down, such as who saw what."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(
        self,
        tenant_id: TenantId,
        *,
        at: datetime,
        actor: str,
        action: str,
        subject: str,
        reason: str | None = None,
    ) -> None:
        """Add a row; when this returns, it is on the disk. Raises `StateStoreUnavailable`."""
        async with self._database.writing() as connection:
            await write_audit(
                connection,
                tenant_id,
                at=at,
                actor=actor,
                action=action,
                subject=subject,
                reason=reason,
            )
