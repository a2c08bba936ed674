"""A creating call that is repeated under its Idempotency-Key answers as before and makes nothing new.

The first answer is kept for a day, sealed, since it may hold a join ticket. Only success is kept:
a refused or failed call may be tried again under the same key.
"""

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable

from fastapi import Response

from proctor.domain.errors import Conflict, InvalidInput
from proctor.domain.roles import Principal
from proctor.ports import KeyRing, LiveState

KEPT_S = 24 * 3600
RUNNING_S = 60
KEPT_HEADERS = ("content-type", "location", "etag")
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_RUNNING = "running:"


class KeyMismatch(Conflict):
    """The key was used with something else."""

    code = "idempotency/mismatch"


class StillRunning(Conflict):
    """The first call of this key has not answered yet."""

    code = "idempotency/running"


class Repeats:
    """Remembers answers by caller, route and key."""

    def __init__(self, live: LiveState, keys: KeyRing) -> None:
        self._live = live
        self._keys = keys

    async def answer(
        self,
        caller: Principal,
        route: str,
        key: str,
        digest: str,
        call: Callable[[], Awaitable[Response]],
    ) -> Response:
        """The kept answer of this key, else the answer of `call`, which is then kept.

        Args:
            caller: Whose key it is; another caller's is another key.
            route: Method and path that were called.
            key: The Idempotency-Key.
            digest: Digest of the body; the same key with another body is refused.
            call: Does the work.

        Raises:
            InvalidInput: The key is not 1 to 128 visible ASCII characters.
            KeyMismatch: The key came with another body before.
            StillRunning: The first call is still at work.
        """
        if not _KEY.fullmatch(key):
            raise InvalidInput(
                "An Idempotency-Key has 1 to 128 visible ASCII characters.", "idempotency/bad-key"
            )
        whose = "\x1f".join((caller.tenant_id, caller.role, caller.subject, route, key))
        name = f"repeat:{hashlib.sha256(whose.encode()).hexdigest()}"
        while not await self._live.put_once(name, _RUNNING + digest, RUNNING_S):
            known = await self._live.get(name)
            if known is not None:  # else it ran out this moment
                return self._kept(known, name, digest)
        try:
            response = await call()
        except BaseException:
            await self._live.delete(name)
            raise
        if 200 <= response.status_code < 300:
            await self._live.put(name, self._sealed(response, name, digest), KEPT_S)
        else:
            await self._live.delete(name)
        return response

    def _sealed(self, response: Response, name: str, digest: str) -> str:
        kept = {
            "digest": digest,
            "status": response.status_code,
            "headers": {h: response.headers[h] for h in KEPT_HEADERS if h in response.headers},
            "body": bytes(response.body).decode(),
        }
        sealed = self._keys.seal(json.dumps(kept).encode(), name.encode())
        return base64.b64encode(sealed).decode()

    def _kept(self, known: str, name: str, digest: str) -> Response:
        if known.startswith(_RUNNING):
            if known != _RUNNING + digest:
                raise KeyMismatch(
                    "This Idempotency-Key was used with another body; take a new one."
                )
            raise StillRunning(
                "The first call with this key is still running; ask again in a second."
            )
        kept = json.loads(self._keys.open(base64.b64decode(known), name.encode()))
        if kept["digest"] != digest:
            raise KeyMismatch("This Idempotency-Key was used with another body; take a new one.")
        headers = {**kept["headers"], "Idempotent-Replayed": "true"}
        return Response(kept["body"], kept["status"], headers)
