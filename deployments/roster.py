"""Who lives, for commands that look from outside: the reconciler's roster in the live state."""

import asyncio

from actors.directory import ROSTER_KEY, Member, roster_from_json
from proctor.adapters.redis_state import RedisLiveState
from proctor.domain.errors import StateStoreUnavailable


async def read_roster(redis_url: str) -> list[Member]:
    """The members as the reconciler last saw them. Raises `StateStoreUnavailable`."""
    live = RedisLiveState(redis_url)
    try:
        return roster_from_json(await live.get(ROSTER_KEY))
    finally:
        await live.close()


async def forget_roster(redis_url: str) -> None:
    """Nobody lives yet: what an earlier run wrote says nothing of this one."""
    live = RedisLiveState(redis_url)
    try:
        await live.delete(ROSTER_KEY)
    finally:
        await live.close()


def names_by_pid(redis_url: str) -> dict[int, str]:
    """Process id -> actor's name; empty while the live state is away."""
    try:
        return {member.pid: member.name for member in asyncio.run(read_roster(redis_url))}
    except StateStoreUnavailable:
        return {}
