"""Short-lived TURN credentials and the list of ICE servers that a candidate's page is told."""

import base64
import hashlib
import hmac
from datetime import datetime

from proctor.adapters.webrtc.options import IceServerOptions


def turn_credentials(secret: str, user: str, ttl_s: int, now: datetime) -> tuple[str, str]:
    """Username and password that a TURN server with the same secret accepts until they expire.

    The scheme is coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00): the username is
    `expiry:user`, the password base64(HMAC-SHA1(secret, username)). SHA-1 is what the scheme
    fixes; as a MAC it holds.
    """
    username = f"{int(now.timestamp()) + ttl_s}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def ice_servers(
    options: IceServerOptions, now: datetime, user: str = "candidate"
) -> list[dict[str, str | list[str]]]:
    """The `iceServers` of an RTCConfiguration, with credentials that live `turn_ttl_s`.

    TURN servers are left out while there is no secret: a browser refuses them without credentials.
    """
    servers: list[dict[str, str | list[str]]] = []
    if options.stun_urls:
        servers.append({"urls": list(options.stun_urls)})
    if options.turn_urls and options.turn_secret is not None:
        secret = options.turn_secret.get_secret_value()
        username, credential = turn_credentials(secret, user, options.turn_ttl_s, now)
        servers.append(
            {"urls": list(options.turn_urls), "username": username, "credential": credential}
        )
    return servers
