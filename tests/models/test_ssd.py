"""Anchors, decoding and weighted suppression, by hand."""

import numpy as np
import pytest

from models.body.pose import DETECTOR_LAYERS
from models.face.blazeface import FULL_LAYERS, SHORT_LAYERS, tiles
from models.ssd import anchor_centres, detections, overlaps, weighted_suppression


@pytest.mark.parametrize(
    ("side", "layers", "count"),
    [(128, SHORT_LAYERS, 896), (192, FULL_LAYERS, 2304), (224, DETECTOR_LAYERS, 2254)],
)
def test_every_network_gets_its_number_of_anchors(
    side: int, layers: tuple[tuple[int, int], ...], count: int
) -> None:
    anchors = anchor_centres(side, layers)
    assert anchors.shape == (count, 2)
    assert (anchors > 0).all() and (anchors < 1).all()


def test_anchors_run_along_rows_and_share_a_cell() -> None:
    anchors = anchor_centres(16, [(8, 2)])
    quarter, rest = 0.25, 0.75
    np.testing.assert_allclose(
        anchors,
        [(quarter, quarter)] * 2
        + [(rest, quarter)] * 2
        + [(quarter, rest)] * 2
        + [(rest, rest)] * 2,
    )


def test_a_box_is_decoded_from_its_anchor() -> None:
    anchors = np.array([[0.5, 0.5], [0.1, 0.1]], np.float32)
    raw = np.array([[10, -10, 40, 20, 5, 5], [0, 0, 1, 1, 0, 0]], np.float32)
    found = detections(raw, np.array([0.0, -3.0], np.float32), anchors, 100, 0.5, 0.3)
    np.testing.assert_allclose(found, [[0.4, 0.3, 0.4, 0.2, 0.5, 0.55, 0.55]], atol=1e-6)


def test_extreme_logits_stay_finite() -> None:
    anchors = np.array([[0.2, 0.2], [0.8, 0.8]], np.float32)
    raw = np.full((2, 6), 10, np.float32)
    found = detections(raw, np.array([1e9, -1e9], np.float32), anchors, 100, 0.5, 0.3)
    assert found.shape == (1, 7) and found[0, 4] == 1.0


def test_nothing_found_keeps_the_columns() -> None:
    raw, anchors = np.zeros((4, 16), np.float32), np.full((4, 2), 0.5, np.float32)
    assert detections(raw, np.full(4, -9, np.float32), anchors, 100, 0.5, 0.3).shape == (0, 17)


def test_overlapping_boxes_become_their_mean_weighted_by_score() -> None:
    boxes = np.array(
        [[0, 0, 10, 10, 0.75], [2, 0, 10, 10, 0.25], [50, 50, 10, 10, 0.6]], np.float32
    )
    merged = weighted_suppression(boxes, 0.3)
    np.testing.assert_allclose(merged, [[0.5, 0, 10, 10, 0.75], [50, 50, 10, 10, 0.6]], atol=1e-6)


def test_overlap_of_halves_is_a_third() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    many = np.array([[5, 0, 10, 10], [0, 0, 10, 10], [20, 20, 5, 5]], np.float32)
    np.testing.assert_allclose(overlaps(box, many), [1 / 3, 1, 0], atol=1e-6)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (320, 240), (100, 100)])
def test_tiles_cover_the_picture(width: int, height: int) -> None:
    seen = np.zeros((height, width), bool)
    for tile in tiles(width, height):
        left, top = round(tile.x - tile.width / 2), round(tile.y - tile.height / 2)
        assert left >= 0 and top >= 0
        seen[top : top + round(tile.height), left : left + round(tile.width)] = True
    assert seen.all()
