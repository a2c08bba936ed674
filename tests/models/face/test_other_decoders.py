"""Our decoders against those of others, on the same files and pictures."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.catalogue import Catalogue
from models.face import scrfd, yunet
from models.face.search import suppressed
from models.limits import DetectionLimits
from models.pictures import Floats
from proctor.domain.media import Image

pytestmark = pytest.mark.weights


def padded(image: Image, side: int) -> Image:
    """The picture in the upper left corner of a black square."""
    canvas = np.zeros((side, side, 3), np.uint8)
    scale = side / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas


@pytest.fixture(scope="session")
def pictures(astronaut: Image, media: Path) -> list[Image]:
    crowd = cv2.imread(
        str(media / "images" / "detect" / "solvay_conference_1927.png"), cv2.IMREAD_COLOR_RGB
    )
    return [padded(astronaut, 640), padded(crowd, 640)]


def matched(rows: Floats, others: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Each of our rows with the one of the others whose box is nearest."""
    assert len(rows) == len(others)
    for row in rows:
        yield row, others[np.argmin(np.abs(others[:, :4] - row[:4]).sum(axis=1))]


@pytest.mark.media
def test_yunet_as_opencv_decodes_it(
    detector_files: Catalogue, pictures: list[Image], tmp_path: Path
) -> None:
    path = tmp_path / "yunet.onnx"
    path.write_bytes(detector_files.read("yunet-640"))
    limits = DetectionLimits.of(detector_files, "yunet")
    theirs = cv2.FaceDetectorYN.create(
        str(path), "", (640, 640), limits.score, limits.overlap, 5000
    )
    ours = yunet.YuNet(detector_files.read("yunet"), "yunet", limits.score)
    for picture, people in zip(pictures, (1, 29), strict=True):
        _, found = theirs.detect(np.ascontiguousarray(picture[..., ::-1]))
        expected = found[:, [0, 1, 2, 3, 14, 4, 5, 6, 7]]
        rows = suppressed(ours.rows([picture])[0], limits.overlap)
        assert len(rows) == people
        for row, other in matched(rows, expected):
            # OpenCV rounds boxes to whole pixels before it suppresses, so its choice may be the neighbour
            np.testing.assert_allclose(row[:4], other[:4], atol=3)
            np.testing.assert_allclose(row[5:], other[5:], atol=1.5)
            assert row[4] == pytest.approx(other[4], abs=0.03)


@pytest.mark.media
@pytest.mark.framework("insightface")
def test_scrfd_as_insightface_decodes_it(
    detector_files: Catalogue, pictures: list[Image], tmp_path: Path
) -> None:
    from insightface.model_zoo.scrfd import SCRFD

    path = tmp_path / "scrfd.onnx"
    path.write_bytes(detector_files.read("scrfd"))
    theirs = SCRFD(str(path))
    theirs.prepare(-1)
    limits = DetectionLimits.of(detector_files, "scrfd")
    ours = scrfd.Scrfd(detector_files.read("scrfd"), "scrfd", limits.score)
    for picture, people in zip(pictures, (1, 29), strict=True):
        boxes, points = theirs.detect(np.ascontiguousarray(picture[..., ::-1]))
        expected = np.column_stack(
            [boxes[:, :2], boxes[:, 2:4] - boxes[:, :2], boxes[:, 4], points[:, :2].reshape(-1, 4)]
        )
        rows = suppressed(ours.rows([picture])[0], limits.overlap)
        assert len(rows) == people
        for row, other in matched(rows, expected):
            np.testing.assert_allclose(row, other, atol=0.01)
