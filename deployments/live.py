"""Long readers, apart from the gateway: a socket or stream holds a request slot for as long as it lives."""

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

if TYPE_CHECKING:
    from proctor.api.grpc_feed import FeedCalls


class Live:
    """Alert feeds down to proctors and the control channel to candidates' pages."""

    def __init__(self, deployments: Mapping[str, str]) -> None:
        self._deployments = deployments

    async def __serve_build_asgi_app__(self) -> FastAPI:
        from deployments.wiring import open_services
        from proctor.api.grpc_feed import FeedCalls
        from proctor.api.live import create_live_app

        self._services = await open_services("live", self._deployments)
        self._calls = FeedCalls(self._services)
        return create_live_app(self._services)

    async def Follow(self, request: Any, grpc_context: Any) -> AsyncIterator[Any]:
        """rayproctor.alerts.v1.Alerts/Follow, as Serve's gRPC proxy passes it on."""
        async for message in followed(self._calls, request, grpc_context):
            yield message


async def followed(calls: "FeedCalls", request: Any, grpc_context: Any) -> AsyncIterator[Any]:
    """The messages of a call. Serve takes another end than OK from its context, when the call raises."""
    from proctor.api.grpc_feed import CallEnded

    try:
        async for message in calls.follow(request, grpc_context.invocation_metadata()):
            yield message
    except CallEnded as end:
        grpc_context.set_code(end.code)
        grpc_context.set_details(end.detail)
        raise
