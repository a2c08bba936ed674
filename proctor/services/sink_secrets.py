"""A webhook's secrets: made, rotated, sealed under the key ring, shown once."""

import base64
import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from proctor.domain.errors import Conflict
from proctor.domain.ids import SinkId, TenantId
from proctor.domain.sinks import SinkSecret
from proctor.ports import KeyRing

PREFIX = "whsec_"
KEY_BYTES = 32
"""Standard Webhooks 1.0 asks for 24 to 64."""

OVERLAP = timedelta(hours=24)
"""How long an old secret signs next to the new one."""

MOST_LIVE = 3


def new_secret() -> SinkSecret:
    """A fresh one, from the system's random numbers."""
    return SinkSecret(key=secrets.token_bytes(KEY_BYTES))


def shown(secret: SinkSecret) -> str:
    """As Standard Webhooks writes it; given out once, when it is made."""
    return PREFIX + base64.b64encode(secret.key).decode()


def rotated(known: Sequence[SinkSecret], now: datetime) -> tuple[SinkSecret, ...]:
    """The newest first; those before it sign for a day more, as long as none of them ends sooner.

    Raises `Conflict` (webhook/too-many-secrets) when `MOST_LIVE` still sign.
    """
    live = [one for one in known if one.is_live(now)]
    if len(live) >= MOST_LIVE:
        raise Conflict(
            f"{MOST_LIVE} secrets still sign; wait until the oldest has ended.",
            "webhook/too-many-secrets",
        )
    ending = tuple(SinkSecret(key=one.key, ends_at=one.ends_at or now + OVERLAP) for one in live)
    return (new_secret(), *ending)


def seal(keys: KeyRing, tenant_id: TenantId, sink_id: SinkId, known: Sequence[SinkSecret]) -> bytes:
    """For the store; opens only for the same sink of the same tenant."""
    plain = [
        [base64.b64encode(one.key).decode(), one.ends_at.isoformat() if one.ends_at else None]
        for one in known
    ]
    return keys.seal(json.dumps(plain).encode(), _bound_to(tenant_id, sink_id))


def unseal(
    keys: KeyRing, tenant_id: TenantId, sink_id: SinkId, sealed: bytes
) -> tuple[SinkSecret, ...]:
    """From the store. Raises `InvalidInput` when it was altered or is another sink's."""
    plain = json.loads(keys.open(sealed, _bound_to(tenant_id, sink_id)))
    return tuple(
        SinkSecret(
            key=base64.b64decode(key),
            ends_at=datetime.fromisoformat(ends_at) if ends_at else None,
        )
        for key, ends_at in plain
    )


def _bound_to(tenant_id: TenantId, sink_id: SinkId) -> bytes:
    return f"sink-secrets\x1f{tenant_id}\x1f{sink_id}".encode()
