"""The fetched models folder and what is read from it, once per test run."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.catalogue import Catalogue, default_dir
from models.in_process import InProcessPerception
from proctor.domain.media import Image
from proctor.settings import Settings

collect_ignore = [] if find_spec("torch") else ["runtimes/test_torch_graph.py"]
"""Its networks are torch's own, so without torch there is nothing to collect."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of frameworks that the product's own environment lacks are left to `make test-frameworks`.

    There they are asked for (`-m framework`), and one whose framework is absent fails.
    """
    left: list[pytest.Item] = []
    for item in items:
        if "torch" in getattr(item, "fixturenames", ()) or item.path.stem == "test_torch_graph":
            item.add_marker(pytest.mark.framework("torch"))
        needed = [mark.args[0] for mark in item.iter_markers("framework")]
        if "framework" not in config.option.markexpr and not all(map(_is_installed, needed)):
            left.append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def _is_installed(package: str) -> bool:
    parent = package.partition(".")[0]
    return find_spec(parent) is not None and find_spec(package) is not None


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The default models folder with the embedded pack and the demo media in it, fetched if need be."""
    settings = Settings()
    folder = default_dir(settings.home, settings.models_dir)
    Catalogue(folder, settings.models_mirror).fetch(["embedded", "demo"])
    return folder


@pytest.fixture(scope="session")
def catalogue(models_dir: Path) -> Catalogue:
    return Catalogue(models_dir)


@pytest.fixture(scope="session")
def perception(models_dir: Path) -> Iterator[InProcessPerception]:
    with InProcessPerception(models_dir, threads=2) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def astronaut(catalogue: Catalogue) -> Image:
    """(512, 512, 3) RGB, read-only: a woman looking at the camera, her face about 94 px wide."""
    raw = np.frombuffer(catalogue.read("astronaut"), np.uint8)
    image = cv2.imdecode(raw, cv2.IMREAD_COLOR_RGB)
    image.flags.writeable = False
    return image


@pytest.fixture(scope="session")
def restricted(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """A folder of its own with the embedded pack, and EdgeFace and FSA-Net, their terms accepted."""
    mirror = Settings().models_mirror
    if mirror is None:
        pytest.skip("PROCTOR_MODELS_MIRROR is absent: these files have no other source")
    folder = tmp_path_factory.mktemp("models")
    Catalogue(folder, str(models_dir)).fetch(["embedded"])
    catalogue = Catalogue(folder, mirror)
    catalogue.accept("edgeface-noncommercial", by="tests", at=datetime(2026, 11, 22, tzinfo=UTC))
    catalogue.fetch(["edgeface-xs", "edgeface-xxs", "fsanet"])
    return catalogue


@pytest.fixture(scope="session")
def detector_files(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The embedded pack and the three detectors; a skip where no mirror has these."""
    mirror = Settings().models_mirror
    if not mirror:
        pytest.skip("PROCTOR_MODELS_MIRROR names no mirror: the detectors have no other source")
    folder = tmp_path_factory.mktemp("detectors")
    Catalogue(folder, str(models_dir)).fetch(["embedded"])
    catalogue = Catalogue(folder, mirror)
    catalogue.accept("insightface-noncommercial", "tests", datetime(2026, 11, 22, tzinfo=UTC))
    catalogue.fetch(["yunet", "scrfd", "retinaface", "yunet-640"])
    return catalogue
