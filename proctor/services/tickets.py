"""One-time tickets: what stands in a link or a first message instead of a token.

A ticket is 160 random bits, good once and for a short time. Only its sha256 is kept.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from enum import StrEnum

from proctor.domain.errors import Unauthorized
from proctor.ports import LiveState


class TicketKind(StrEnum):
    """What a ticket opens; the value begins the ticket, so that one kind is never tried as another."""

    JOIN = "jt"
    SIGN_IN = "st"
    LIVE = "lt"


LIFE_S: Mapping[TicketKind, int] = {
    TicketKind.JOIN: 900,
    TicketKind.SIGN_IN: 900,
    TicketKind.LIVE: 30,
}
_FORM = re.compile(r"[a-z]{2}_[A-Za-z0-9_-]{27}")


class Tickets:
    """Issues and redeems tickets."""

    def __init__(self, live: LiveState) -> None:
        self._live = live

    async def issue(self, kind: TicketKind, facts: Mapping[str, str]) -> str:
        """A fresh ticket that stands for `facts` for `LIFE_S[kind]` seconds."""
        ticket = f"{kind}_{secrets.token_urlsafe(20)}"
        await self._live.put(_key(ticket), json.dumps(dict(facts)), LIFE_S[kind])
        return ticket

    async def redeem(self, kind: TicketKind, ticket: str) -> Mapping[str, str]:
        """What the ticket stands for; it is void afterwards.

        Raises:
            Unauthorized: `auth/ticket`: unknown, used, run out, or of another kind; `auth/revoked`:
                the token that it was bought with was revoked since.
        """
        kept = None
        if _FORM.fullmatch(ticket) and ticket.startswith(f"{kind}_"):
            kept = await self._live.take(_key(ticket))
        if kept is None:
            raise Unauthorized(
                "The ticket is used up or has run out; get a new one.", "auth/ticket"
            )
        facts: dict[str, str] = json.loads(kept)
        if "token" in facts and await self._live.get(revoked_key(facts["token"])) is not None:
            raise Unauthorized("The token that made this ticket was revoked.", "auth/revoked")
        return facts


def revoked_key(token_id: str) -> str:
    """Where live state notes that a token is no longer accepted."""
    return f"revoked:{token_id}"


def _key(ticket: str) -> str:
    return f"ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"
