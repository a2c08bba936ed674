"""What the candidate's page hears from the shard: how well it is seen, when to connect anew, the end."""

import json

from proctor.domain.coverage import CoverageReason
from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.ids import SessionId
from proctor.fusion.coverage import Cover
from proctor.ports import LiveState

STATUS_KEPT_S = 24 * 3600
ENDED_KEPT_S = 7 * 24 * 3600


def session_channel(session_id: SessionId) -> str:
    """Where messages for the candidate's page are published, by whomever."""
    return f"session:{session_id}"


def status_key(session_id: SessionId) -> str:
    """Where the last status is kept, for a page that comes later."""
    return f"status:{session_id}"


def send_key(session_id: SessionId) -> str:
    """Where the last wish for what the page sends is kept, for a page that comes later."""
    return f"send:{session_id}"


class PageNews:
    """Publishes what the shard has to say to the page of a session."""

    def __init__(self, live: LiveState) -> None:
        self._live = live

    async def status(self, session_id: SessionId, video: Cover, audio: Cover) -> None:
        """How well the candidate is seen and heard. Raises `StateStoreUnavailable`."""
        message = json.dumps({"type": "status", "video": _said(video), "audio": _said(audio)})
        await self._live.put(status_key(session_id), message, STATUS_KEPT_S)
        await self._live.publish(session_channel(session_id), message)

    async def reconnect(self, session_id: SessionId, epoch: int, reason: CoverageReason) -> bool:
        """Ask for a new connection in place of `epoch`; who is not listening is asked again later.

        The message may be long on its way to a page whose line was cut: a newer one is not meant.
        False: Redis is away.
        """
        message = json.dumps({"type": "reconnect", "reason": reason, "epoch": epoch})
        try:
            await self._live.publish(session_channel(session_id), message)
        except StateStoreUnavailable:
            return False
        return True

    async def ended(self, session_id: SessionId) -> None:
        """The session is over; this is remembered for a week.

        Raises:
            StateStoreUnavailable: It could not be remembered.
        """
        await self._live.put(f"ended:{session_id}", "1", ENDED_KEPT_S)
        await self._live.delete(status_key(session_id))
        await self._live.delete(send_key(session_id))
        await self._live.publish(session_channel(session_id), json.dumps({"type": "ended"}))

    async def has_ended(self, session_id: SessionId) -> bool:
        """Whether it was ended, by any shard. Raises `StateStoreUnavailable`."""
        return await self._live.get(f"ended:{session_id}") is not None


def _said(cover: Cover) -> dict[str, str | None]:
    state, reason = cover
    return {"state": state, "reason": reason}
