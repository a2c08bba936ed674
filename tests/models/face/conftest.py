"""A models folder in which the restricted terms are accepted, with every detector in it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.catalogue import Catalogue
from models.face.reader import FaceReader
from models.readers import open_faces
from models.selection import select
from proctor.settings import Settings

DETECTORS = ("yunet", "scrfd", "retinaface")


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
    catalogue.fetch([*DETECTORS, "yunet-640"])
    return catalogue


@pytest.fixture(scope="session")
def readers(detector_files: Catalogue) -> dict[str, FaceReader]:
    """The whole face group, once with each detector."""
    return {
        name: open_faces(select(instead={"face_detection": name}), detector_files)
        for name in DETECTORS
    }
