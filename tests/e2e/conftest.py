"""A running system per density: many sessions in one actor, and one actor per session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support.system import System, running_system


@pytest.fixture(scope="package", params=["50", "1"], ids=["many-per-host", "one-per-host"])
def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """The product, started by its own command: once per density, for every test that uses it."""
    home: Path = tmp_path_factory.mktemp("home")
    with running_system(home, sessions_per_host=request.param) as running:
        yield running
