"""Every request passes here before its route sees it: who is it, may they, how often, what did they send.

Nothing of the body is read before the caller is known and allowed.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from proctor.api.access import TABLE, Limit, Rule
from proctor.api.bodies import Body, PreparedRequest, read_body
from proctor.api.repeats import Repeats
from proctor.domain.errors import Forbidden, NotFound, TooManyAttempts, Unauthorized
from proctor.domain.roles import Principal, Role
from proctor.ports import KeyRing, LiveState, TokenCheck
from proctor.services.tickets import revoked_key

WINDOW_S = 60
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_log = structlog.get_logger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Guard:
    """Applies the table of access.py to requests."""

    def __init__(
        self, *, tokens: TokenCheck, live: LiveState, keys: KeyRing, prefix: str = ""
    ) -> None:
        """`prefix` is where the application is mounted: the table holds whole paths."""
        self._tokens = tokens
        self._live = live
        self._repeats = Repeats(live, keys)
        self._prefix = prefix

    async def __call__(self, request: Request, template: str, handle: Handler) -> Response:
        """Answer one request of the route with this path template.

        Raises:
            Unauthorized: No token, or one that is not believed.
            Forbidden: The route is not for this role, or has no row.
            NotFound: An id of no possible form, or one that a candidate's token is not bound to.
            TooManyAttempts: Over the route's limit.
            ProctorError: As reading the body or the route itself raises.
        """
        path = self._prefix + template
        rule = TABLE.get((request.method, path))
        if rule is None:
            raise Forbidden("This address is closed.")
        caller = await self._admit(request, rule, path)
        if rule.limit is not None:
            await self._hold_back(request, rule.limit, caller)
        body = await read_body(request, rule.takes)
        request.state.body = body
        prepared = PreparedRequest(request, body)
        key = request.headers.get("idempotency-key")
        if not rule.creates or key is None or caller is None:
            return await handle(prepared)

        def call() -> Awaitable[Response]:
            return handle(prepared)

        route = f"{request.method} {request.url.path}"
        return await self._repeats.answer(caller, route, key, body.digest, call)

    async def _admit(self, request: Request, rule: Rule, path: str) -> Principal | None:
        for name, value in request.path_params.items():
            if name.endswith("_id") and not _ID.fullmatch(str(value)):
                raise NotFound(name)
        if rule.roles is None:
            return None
        caller = await self.believe(bearer_of(request))
        request.state.caller = caller
        structlog.contextvars.bind_contextvars(tenant_id=caller.tenant_id, role=caller.role.value)
        if caller.role not in rule.roles:
            _log.warning("refused by role", route=path, subject=caller.subject)
            raise Forbidden(f"This is not open to the role {caller.role}.")
        if caller.role is Role.CANDIDATE:
            bound = {"session_id": caller.session_id, "candidate_id": caller.subject}
            for name, value in request.path_params.items():
                if name in bound and value != bound[name]:
                    _log.warning("refused: not the candidate's own", route=path)
                    raise NotFound(name)
        if "session_id" in request.path_params:
            structlog.contextvars.bind_contextvars(session_id=request.path_params["session_id"])
        return caller

    async def believe(self, token: str) -> Principal:
        """Who holds this token. Raises `Unauthorized`, for a revoked token too."""
        caller = self._tokens.check(token)
        if await self._live.get(revoked_key(caller.token_id)) is not None:
            raise Unauthorized("The token was revoked; get a new one.", "auth/revoked")
        return caller

    async def _hold_back(self, request: Request, limit: Limit, caller: Principal | None) -> None:
        if caller is None:
            address = request.client.host if request.client else "unknown"
            await _count(self._live, {f"rate:{limit.name}:address:{address}": limit.per_caller})
        else:
            await hold_back(self._live, limit, caller)


async def hold_back(live: LiveState, limit: Limit, caller: Principal) -> None:
    """Count a call of a known caller. Raises `TooManyAttempts` over the limit."""
    whose = f"rate:{limit.name}:{caller.tenant_id}"
    counts = {
        f"{whose}:{caller.role}:{caller.subject}": limit.per_caller,
        whose: limit.per_tenant,
    }
    await _count(live, counts)


async def _count(live: LiveState, counts: Mapping[str, int]) -> None:
    for name, allowed in counts.items():
        if await live.count(name, WINDOW_S) > allowed:
            raise TooManyAttempts(
                f"More than {allowed} calls in a minute; wait and come back.", WINDOW_S
            )


def bearer_of(connection: HTTPConnection) -> str:
    """The token in the Authorization header. Raises `Unauthorized` (auth/missing)."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Send a token: `Authorization: Bearer ...`.", "auth/missing")
    return token.strip()


class GuardedRoute(APIRoute):
    """The only kind of route there is: it asks the guard first."""

    def get_route_handler(self) -> Handler:
        """The route's handler behind the application's guard."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            guard: Guard = request.app.state.guard
            return await guard(request, self.path_format, handle)

        return guarded


async def caller_if_shown(request: Request) -> Principal | None:
    """Who a public route's request shows a token of, if it does. Raises `Unauthorized` for a bad one."""
    if "authorization" not in request.headers:
        return None
    guard: Guard = request.app.state.guard
    return await guard.believe(bearer_of(request))


def _caller(request: Request) -> Principal:
    caller: Principal = request.state.caller
    return caller


def _body(request: Request) -> Body:
    body: Body = request.state.body
    return body


Caller = Annotated[Principal, Depends(_caller)]
Sent = Annotated[Body, Depends(_body)]
