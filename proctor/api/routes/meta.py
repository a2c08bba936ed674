"""About the service itself: health, metrics, the description of the API."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from proctor.api.access import TABLE
from proctor.api.guard import GuardedRoute
from proctor.api.services import Services

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def meta_router(services: Services) -> APIRouter:
    """Routes for machines that look after us."""
    router = APIRouter(include_in_schema=False, route_class=GuardedRoute)

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        """That this process answers; it says nothing of the stores behind."""
        return {"status": "ok"}

    @router.get("/metrics")
    async def metrics() -> Response:
        """Prometheus text."""
        return Response(services.render_metrics(), media_type=METRICS_TYPE)

    @router.get("/v1/openapi.json")
    async def description(request: Request) -> dict[str, Any]:
        """OpenAPI of this application, with the roles that each operation is open to."""
        return described(request.app)

    return router


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what the access table knows written into it."""
    if app.openapi_schema is None:
        document = app.openapi()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        for (method, path), rule in TABLE.items():
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is not None and rule.roles is not None:
                operation["security"] = [{"bearer": []}]
                operation["x-roles"] = sorted(rule.roles)
    return app.openapi_schema or {}
