from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.api import FakeApi


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[FakeApi]:
    fake = FakeApi(tmp_path)
    yield fake
    await fake.close()
