from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.fakes.api import FakeApi
from tests.proctor.api.served import served
from tests.sdk.both import Both


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[FakeApi]:
    fake = FakeApi(tmp_path)
    yield fake
    await fake.close()


@pytest.fixture
async def url(api: FakeApi) -> AsyncIterator[str]:
    """The whole API, the live part too, on a real socket."""
    both = Starlette(routes=[Mount("/v1/live", api.live_app), Mount("/", api.app)])
    async with served(both, "") as found:
        yield found


@pytest.fixture(params=["threads", "coroutines"])
async def both(request: pytest.FixtureRequest, url: str, api: FakeApi) -> AsyncIterator[Both]:
    client = Both(request.param, url, api.token())
    yield client
    await client.close()
