"""The HTTP application: every route of /v1, the pages, and what operators ask for."""

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from proctor.api.access import SOCKETS, TABLE
from proctor.api.door import Door
from proctor.api.guard import Guard, GuardedRoute
from proctor.api.problems import install
from proctor.api.routes.accommodations import accommodations_router
from proctor.api.routes.admin import admin_router
from proctor.api.routes.alerts import alerts_router
from proctor.api.routes.candidates import candidates_router
from proctor.api.routes.casework import casework_router
from proctor.api.routes.desk import desk_router
from proctor.api.routes.doors import doors_router
from proctor.api.routes.erasures import erasures_router
from proctor.api.routes.evidence import evidence_router
from proctor.api.routes.exams import exams_router
from proctor.api.routes.meta import meta_router
from proctor.api.routes.notices import notices_router
from proctor.api.routes.observed import observed_router
from proctor.api.routes.pages import pages_router
from proctor.api.routes.policies import policies_router
from proctor.api.routes.policy_trials import policy_trials_router
from proctor.api.routes.review import review_router
from proctor.api.routes.sessions import sessions_router
from proctor.api.routes.sinks import sinks_router
from proctor.api.routes.whip import whip_router
from proctor.api.services import Services


def create_app(services: Services) -> FastAPI:
    """The application of the deployment `gateway`."""
    app = bare_app(services, prefix="")
    add_routes(
        app,
        exams_router(services.exams),
        policies_router(services.policies, services.reader),
        policy_trials_router(services.what_ifs, services.reader),
        candidates_router(services),
        erasures_router(services),
        sessions_router(services),
        observed_router(services.observed),
        accommodations_router(services.accommodations),
        review_router(services),
        evidence_router(services),
        desk_router(services.desk),
        casework_router(services),
        admin_router(services.figures),
        whip_router(services),
        notices_router(services),
        alerts_router(services.alerts),
        sinks_router(services.sinks),
        doors_router(services),
        meta_router(services),
        pages_router(services.web),
    )
    refuse_open_routes(app, prefix="")
    return app


def bare_app(services: Services, prefix: str) -> FastAPI:
    """An application without routes: door, guard and problems stand."""
    app = FastAPI(
        title="RayProctor",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(Door, clock=services.clock, metrics=services.metrics)],
    )
    app.state.guard = Guard(
        tokens=services.tokens, live=services.live, keys=services.keys, prefix=prefix
    )
    install(app)
    return app


def add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Put the routers' routes into the application as they are.

    `include_router` would make every route anew, for prefixes and dependencies that we do not use.
    """
    for router in routers:
        app.router.routes.extend(router.routes)


def route_names(app: FastAPI, prefix: str) -> set[tuple[str, str]]:
    """(method, whole path template) of every route; method WEBSOCKET for sockets.

    Raises `RuntimeError` for a route that does not ask the guard.
    """
    names: set[tuple[str, str]] = set()
    for route in iter_route_contexts(app.routes):
        path = prefix + str(route.path_format or route.path)
        if isinstance(route.original_route, WebSocketRoute):
            names.add(("WEBSOCKET", path))
        elif isinstance(route.original_route, GuardedRoute):
            names.update((method, path) for method in route.methods or ())
        else:
            raise RuntimeError(f"{path} is not guarded")
    return names


def refuse_open_routes(app: FastAPI, prefix: str) -> None:
    """Refuse to start with a route that the access table does not know."""
    for method, path in route_names(app, prefix):
        known = path in SOCKETS if method == "WEBSOCKET" else (method, path) in TABLE
        if not known:
            raise RuntimeError(f"{method} {path} has no row in proctor/api/access.py")
