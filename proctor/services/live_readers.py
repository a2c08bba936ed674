"""Whether somebody reads a tenant's whole feed live, and how far they have it.

A sink that is `fallback_for: live` sends what no live reader has said to have. What counts is the
reader's own word (its cursor, its pongs), noted again and again while it keeps up; one that is stuck or
gone falls silent, and its word runs out. What was given to a connection proves nothing.
"""

from proctor.domain.errors import Unavailable
from proctor.domain.ids import TenantId
from proctor.ports import LiveState

WORD_HOLDS_S = 20
"""Longer than the pause between two looks of a live reader (5 s), with room for a slow one."""


async def note_caught_up(live: LiveState, tenant_id: TenantId, position: int) -> None:
    """A reader of the whole feed said that it has everything up to here. Repeated at every look."""
    await live.put(_key(tenant_id), str(position), WORD_HOLDS_S)


async def caught_up(live: LiveState, tenant_id: TenantId) -> int | None:
    """Up to where some live reader has the feed; None when nobody reads, or nobody can say."""
    try:
        known = await live.get(_key(tenant_id))
    except Unavailable:
        return None
    return int(known) if known is not None and known.isdigit() else None


def _key(tenant_id: TenantId) -> str:
    return f"alerts:caught-up:{tenant_id}"
