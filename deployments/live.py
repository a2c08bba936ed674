"""The WebSockets, apart from the gateway: each socket holds a request slot for as long as it lives."""

from collections.abc import Mapping

from fastapi import FastAPI


class Live:
    """Alert feeds down to proctors and the control channel to candidates' pages."""

    def __init__(self, deployments: Mapping[str, str]) -> None:
        self._deployments = deployments

    async def __serve_build_asgi_app__(self) -> FastAPI:
        from deployments.wiring import open_services
        from proctor.api.live import create_live_app

        self._services = await open_services("live", self._deployments)
        return create_live_app(self._services)
