"""The pages for people, and nothing else of the folder they lie in."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from proctor.api.guard import GuardedRoute

_SERVED = frozenset({".html", ".css", ".js", ".svg", ".png", ".ico", ".woff2", ".webmanifest"})
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": (
        "camera=(self), microphone=(self), screen-wake-lock=(self), display-capture=(), "
        "geolocation=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ALWAYS_ASK = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"
"""For what the build names by its content: another content has another name."""


def pages_router(web: Path) -> APIRouter:
    """Routes of the pages in folder `web`."""
    router = APIRouter(include_in_schema=False, route_class=GuardedRoute)
    files = StaticFiles(directory=web, check_dir=False)

    async def served(path: str, request: Request) -> Response:
        if Path(path).suffix not in _SERVED or any(p.startswith(".") for p in Path(path).parts):
            raise HTTPException(404)
        response = await files.get_response(path, request.scope)
        response.headers.update(_HEADERS)
        is_named_by_content = path.startswith("assets/") and response.status_code < 400
        response.headers["Cache-Control"] = _FOR_EVER if is_named_by_content else _ALWAYS_ASK
        return response

    @router.get("/")
    async def front_page(request: Request) -> Response:
        """The front door."""
        return await served("index.html", request)

    @router.get("/candidate")
    async def candidate_page(request: Request) -> Response:
        """Where a candidate sits an exam; the ticket is in the fragment."""
        return await served("candidate/index.html", request)

    @router.get("/console")
    async def console_page(request: Request) -> Response:
        """Where people watch, review and look after exams."""
        return await served("console/index.html", request)

    @router.get("/console/{path:path}")
    async def console_view(path: str, request: Request) -> Response:
        """A view of the console: the same document, which reads its address."""
        return await served("console/index.html", request)

    @router.get("/proctor")
    async def proctor_page() -> Response:
        """The console's former address; a browser takes the ticket in the fragment along."""
        return RedirectResponse("/console", 308)

    @router.get("/static/{path:path}")
    async def static_file(path: str, request: Request) -> Response:
        """What the pages are made of."""
        return await served(path, request)

    return router
