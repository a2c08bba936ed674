"""Rules for every test: no Ray unless the test says so, no network but loopback, media by environment."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def forbid_ray(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that starts Ray is a mistake; tests marked `ray` or `e2e` may."""
    marked = any(request.node.get_closest_marker(name) for name in ("ray", "e2e"))
    if not marked and "ray" in sys.modules:
        import ray

        def refuse(*_args: object, **_kwargs: object) -> None:
            raise RuntimeError("unit tests do not start Ray; mark the test with `ray` if it must")

        monkeypatch.setattr(ray, "init", refuse)


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Code under test that begins a process's log leaves the tests' own as it was."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of real labelled media, or a skip: the only reason a test may skip."""
    folder = os.environ.get("PROCTOR_MEDIA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PROCTOR_MEDIA names no folder: real media are absent")
    return Path(folder)
