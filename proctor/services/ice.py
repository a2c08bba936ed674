"""The STUN and TURN servers that a candidate's page is told of, with credentials that soon run out."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from proctor.domain.ids import SessionId
from proctor.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """One entry of RTCConfiguration.iceServers."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


class IceServers:
    """Makes the list for one session at a time."""

    def __init__(
        self,
        stun_urls: Sequence[str],
        turn_urls: Sequence[str],
        turn_secret: str | None,
        turn_ttl_s: int,
        clock: Clock,
    ) -> None:
        self._stun_urls = tuple(stun_urls)
        self._turn_urls = tuple(turn_urls)
        self._turn_secret = turn_secret
        self._turn_ttl_s = turn_ttl_s
        self._clock = clock

    def of(self, session_id: SessionId) -> tuple[IceServer, ...]:
        """STUN as it is; TURN with a user name that names its end (TURN REST API, as coturn reads it).

        The password is base64(HMAC-SHA1(secret, user name)), which coturn computes the same way.
        """
        servers = []
        if self._stun_urls:
            servers.append(IceServer(urls=self._stun_urls))
        if self._turn_urls and self._turn_secret:
            ends = int(self._clock.now().timestamp()) + self._turn_ttl_s
            username = f"{ends}:{session_id}"
            mac = hmac.new(self._turn_secret.encode(), username.encode(), hashlib.sha1).digest()
            credential = base64.b64encode(mac).decode()
            servers.append(
                IceServer(urls=self._turn_urls, username=username, credential=credential)
            )
        return tuple(servers)
