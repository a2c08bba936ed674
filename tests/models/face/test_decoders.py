"""What the networks' numbers mean: boxes and eyes worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from models.errors import ModelOutputInvalid
from models.face import retinaface, scrfd, yunet
from models.face.search import cells, fitted, search, search_all, suppressed
from models.pictures import Floats
from proctor.domain.media import Image


def zeros(*widths: int, rows: int = 4) -> list[Floats]:
    return [np.zeros((rows, width), np.float32) for width in widths]


def test_cells_run_along_rows_and_each_anchor_has_its_own() -> None:
    assert cells(32, 64, 32).tolist() == [[0, 0], [32, 0]]
    assert cells(64, 32, 32, anchors=2).tolist() == [[0, 0], [0, 0], [0, 32], [0, 32]]


def test_yunet_scores_are_a_geometric_mean_and_boxes_lie_about_their_cell() -> None:
    faces, objects, boxes, points = zeros(1, 1, 4, 10)
    faces[:, 0] = (0.8, 0.9, 1.2, 0.1)
    objects[:, 0] = (0.5, 0.3, 2.0, 0.9)  # sqrt(0.9 * 0.3) and sqrt(0.1 * 0.9) are under 0.6
    boxes[0] = (0.5, 0.25, np.log(2), np.log(3))
    points[0] = (0.25, 0.5, 0.75, 0.5, 9, 9, 9, 9, 9, 9)
    rows = yunet.decoded(faces, objects, boxes, points, cells(16, 16, 8), 8, 0.6)
    assert rows.shape == (2, 9)
    centre, size = (4, 2), (16, 24)
    expected = [centre[0] - 8, centre[1] - 12, *size, 0.4**0.5, 2, 4, 6, 4]
    assert rows[0] == pytest.approx(expected, abs=1e-5)
    # a cell of the second row, whose box is one stride about its own corner; scores end at one
    assert rows[1] == pytest.approx([-4, 4, 8, 8, 1, 0, 8, 0, 8], abs=1e-5)


def test_scrfd_boxes_are_distances_to_four_edges_and_a_cell_has_two() -> None:
    scores, edges, points = zeros(1, 4, 10)
    scores[:, 0] = (0.2, 0.8, 0.5, 0.49)
    edges[1] = (1, 2, 3, 4)
    points[1] = (-0.5, 0, 0.5, 0, 9, 9, 9, 9, 9, 9)
    edges[2] = (0.5, 0.5, 0.5, 0.5)
    rows = scrfd.decoded(scores, edges, points, cells(16, 32, 16, 2), 16, 0.5)
    expected = [[-16, -32, 64, 96, 0.8, -8, 0, 8, 0], [8, -8, 16, 16, 0.5, 16, 0, 16, 0]]
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_retinaface_boxes_are_told_against_priors() -> None:
    of_canvas = retinaface.priors(32, 32)
    assert of_canvas.shape == (2 * (16 + 4 + 1), 3)
    assert of_canvas[:4].tolist() == [[4, 4, 10], [4, 4, 20], [12, 4, 10], [12, 4, 20]]
    assert of_canvas[-1].tolist() == [16, 16, 256]
    boxes, classes, points = zeros(4, 2, 10, rows=len(of_canvas))
    classes[:, 0] = 1
    classes[-1] = (0.25, 0.75)
    boxes[-1] = (0.5, -0.25, np.log(0.5) / 0.2, 0)  # 0.1 and 0.2 are the variances
    points[-1] = (-1, 0, 1, 0, 9, 9, 9, 9, 9, 9)
    rows = retinaface.decoded(boxes, classes, points, of_canvas, 0.6)
    middle = (16 + 12.8, 16 - 6.4)
    expected = [[middle[0] - 64, middle[1] - 128, 128, 256, 0.75, 16 - 25.6, 16, 16 + 25.6, 16]]
    np.testing.assert_allclose(rows, expected, rtol=1e-5)


def test_nothing_above_the_limit_is_no_face_and_no_error() -> None:
    corners, of_canvas = cells(16, 16, 8), retinaface.priors(32, 32)
    assert yunet.decoded(*zeros(1, 1, 4, 10), corners, 8, 0.5).shape == (0, 9)
    assert scrfd.decoded(*zeros(1, 4, 10), corners, 8, 0.5).shape == (0, 9)
    nothing = zeros(4, 2, 10, rows=len(of_canvas))
    assert retinaface.decoded(*nothing, of_canvas, 0.5).shape == (0, 9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_never_nobody(bad: float) -> None:
    for place in (0, 1):
        answers = zeros(1, 1, 4, 10)
        answers[place][3] = bad
        with pytest.raises(ModelOutputInvalid, match="yunet answered with numbers that are not"):
            yunet.decoded(*answers, cells(16, 16, 8), 8, 0.6)
    scores, edges, points = zeros(1, 4, 10)
    scores[3] = bad
    with pytest.raises(ModelOutputInvalid, match="scrfd"):
        scrfd.decoded(scores, edges, points, cells(16, 16, 8), 8, 0.5)
    of_canvas = retinaface.priors(32, 32)
    boxes, classes, points = zeros(4, 2, 10, rows=len(of_canvas))
    classes[3, 0] = bad
    with pytest.raises(ModelOutputInvalid, match="retinaface"):
        retinaface.decoded(boxes, classes, points, of_canvas, 0.6)


def test_a_box_too_large_for_a_number_is_invalid_only_where_it_is_kept() -> None:
    faces, objects, boxes, points = zeros(1, 1, 4, 10)
    boxes[0, 2] = 1e6
    assert len(yunet.decoded(faces, objects, boxes, points, cells(16, 16, 8), 8, 0.6)) == 0
    faces[0], objects[0] = 1, 1
    with pytest.raises(ModelOutputInvalid):
        yunet.decoded(faces, objects, boxes, points, cells(16, 16, 8), 8, 0.6)


def row(left: float, width: float, score: float) -> list[float]:
    return [left, 0, width, 10, score, 0, 0, 0, 0]


def test_of_two_boxes_on_one_face_the_better_one_stays_as_it_is() -> None:
    rows = np.array([row(2, 10, 0.7), row(0, 10, 0.9), row(50, 10, 0.8)], np.float32)
    assert suppressed(rows, 0.5)[:, 4].tolist() == pytest.approx([0.9, 0.8])
    assert suppressed(rows, 0.7)[:, 4].tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert suppressed(rows[:0], 0.5).shape == (0, 9)


def test_a_picture_keeps_its_shape_and_is_padded_to_the_right_and_below() -> None:
    picture = np.full((240, 320, 3), 200, np.uint8)
    same = fitted(picture, 1)
    assert same.shape == (256, 320, 3)
    assert (same[:240] == 200).all() and not same[240:].any()
    assert fitted(picture, 0.4).shape == (96, 128, 3)
    assert fitted(np.full((2, 3000, 3), 9, np.uint8), 0.1).shape == (32, 320, 3)


class SquareFinder:
    """A network that finds one white square of at most `most` pixels."""

    def __init__(self, most: int = 10_000, batch_limit: int = 2) -> None:
        self.most = most
        self.batch_limit = batch_limit
        self.seen: list[tuple[int, ...]] = []

    def rows(self, canvases: Sequence[Image]) -> list[Floats]:
        self.seen.append((len(canvases), *canvases[0].shape[:2]))
        return [self._rows(canvas) for canvas in canvases]

    def _rows(self, canvas: Image) -> Floats:
        white = np.argwhere(canvas[..., 0] > 128)
        if not len(white) or len(white) > self.most:
            return np.zeros((0, 9), np.float32)
        (top, left), (bottom, right) = white.min(axis=0), white.max(axis=0) + 1
        found = [left, top, right - left, bottom - top, 0.9, left, top, right, top]
        return np.array([found], np.float32)


def test_boxes_are_told_in_pixels_of_the_picture_whatever_the_size_that_was_searched() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[120:200, 160:240] = 255
    (face,) = search(SquareFinder(), (320,), 0.3, picture)
    assert (face.left, face.top, face.width, face.height) == (160, 120, 80, 80)
    assert (face.right_eye, face.left_eye) == ((160, 120), (240, 120))


def test_a_face_too_large_at_one_size_is_found_at_another_and_told_once() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[40:440, 100:500] = 255
    network = SquareFinder(most=100 * 100)
    assert search(network, (640,), 0.3, picture) == []
    assert len(search(network, (128, 640), 0.3, picture)) == 1
    assert len(search(SquareFinder(), (128, 640), 0.3, picture)) == 1


def test_no_picture_is_enlarged_or_searched_twice_at_its_own_size() -> None:
    network = SquareFinder()
    search(network, (128, 320, 640), 0.3, np.zeros((240, 320, 3), np.uint8))
    assert network.seen == [(1, 96, 128), (1, 256, 320)]


def test_pictures_of_one_size_go_together_and_each_gets_its_own_faces() -> None:
    pictures = [np.zeros((240, 320, 3), np.uint8) for _ in range(3)]
    pictures.append(np.zeros((480, 640, 3), np.uint8))
    for at, picture in enumerate(pictures):
        picture[10 * at : 10 * at + 20, 40:60] = 255
    network = SquareFinder()
    found = search_all(network, (320,), 0.3, pictures)
    assert network.seen == [(2, 256, 320), (2, 256, 320)]  # the large one is as small there
    assert [[round(face.top) for face in faces] for faces in found] == [[0], [10], [20], [30]]
    assert search_all(network, (320,), 0.3, []) == []
