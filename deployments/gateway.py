"""The HTTP door: the REST API, WHIP and the pages, as an ASGI application in a Serve replica."""

import gc
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI


class Gateway:
    """Makes the application once the replica stands, with connections of its own.

    Args of the constructor:
        deployments: Model group -> name of the Serve deployment that answers it.
        models: Handles of those deployments; naming them makes Serve start them with this one.
    """

    def __init__(self, deployments: Mapping[str, str], *models: Any) -> None:
        self._deployments = deployments
        self._models = models

    async def __serve_build_asgi_app__(self) -> FastAPI:
        from deployments.wiring import open_services
        from proctor.api.app import create_app

        self._services = await open_services("gateway", self._deployments)
        app = create_app(self._services)
        # What was made so far lives as long as the process: walking it costs 130 ms of the event loop
        # whenever a large answer sets off a full collection (docs/review.md).
        gc.collect()
        gc.freeze()
        return app
