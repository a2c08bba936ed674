"""The whole face group with each detector."""

import pytest

from models.catalogue import Catalogue
from models.face.reader import FaceReader
from models.readers import open_faces
from models.selection import select

DETECTORS = ("yunet", "scrfd", "retinaface")


@pytest.fixture(scope="session")
def readers(detector_files: Catalogue) -> dict[str, FaceReader]:
    """The whole face group, once with each detector."""
    return {
        name: open_faces(select(instead={"face_detection": name}), detector_files)
        for name in DETECTORS
    }
