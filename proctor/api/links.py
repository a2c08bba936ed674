"""Addresses that are handed out."""

from collections.abc import Iterable, Iterator

from fastapi import Request

from proctor.services.ice import IceServer


def base_url(request: Request, public_url: str | None) -> str:
    """Where people reach us, without a slash at the end."""
    return public_url or str(request.base_url).rstrip("/")


def join_url(request: Request, public_url: str | None, ticket: str) -> str:
    """The candidate's link. The ticket is in the fragment, which no server and no log ever sees."""
    return f"{base_url(request, public_url)}/candidate#ticket={ticket}"


def whip_path(session_id: str) -> str:
    """Where offers of a session go."""
    return f"/v1/sessions/{session_id}/whip"


def ice_links(servers: Iterable[IceServer]) -> Iterator[str]:
    """`Link` header values of ICE servers (RFC 9725, 4.6)."""
    for server in servers:
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if server.username is not None and server.credential is not None:
                link += (
                    f'; username="{server.username}"; credential="{server.credential}"'
                    '; credential-type="password"'
                )
            yield link
