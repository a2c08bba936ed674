"""Angles of made-up faces whose angles are known."""

from dataclasses import astuple

import numpy as np
import pytest

from models.face.alignment import similarity
from models.face.dlib import MARGIN, MESH_POINTS, TEMPLATE, face_chip
from models.face.gaze import DEPTH, RADIUS, eyes_open, gaze, mouth_open
from models.face.head_pose import ACROSS, DOWN, head_axes, head_pose, straightened
from models.face.mesh import FaceMesh, Irises, is_nearly, region_of_track, track_of_region
from models.pictures import Region
from proctor.domain.geometry import Box

CENTRE = np.array([320.0, 240.0, 0.0])


def face(yaw_deg: float = 0, pitch_deg: float = 0, roll_deg: float = 0) -> np.ndarray:
    """A flat, symmetrical face of 200 px turned by angles in the camera's frame, y down, z away."""
    points = np.zeros((468, 3))
    for at, (right, left) in enumerate(ACROSS):
        points[right], points[left] = (-50 - at, at * 5 - 40, 0), (50 + at, at * 5 - 40, 0)
    for at, (upper, lower) in enumerate(DOWN):
        points[upper], points[lower] = (0, -80 + at, 0), (0, 80 - at, 0)
    for outer, inner, upper, lower, side in ((33, 133, 159, 145, -1), (263, 362, 386, 374, 1)):
        points[outer], points[inner] = (60 * side, -30, 0), (20 * side, -30, 0)
        points[upper], points[lower] = (40 * side, -36, 0), (40 * side, -24, 0)
    yaw, pitch, roll = np.radians([-yaw_deg, -pitch_deg, roll_deg])
    turn_yaw = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn_pitch = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    turn_roll = np.array(
        [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    )
    # nose out of the face is -z; order and signs as proctor/domain/geometry.py has them
    turned: np.ndarray = points @ (turn_pitch.T @ turn_yaw @ turn_roll).T + CENTRE
    return turned


def key_points(yaw_deg: float) -> np.ndarray:
    """BlazeFace's six of an upright head that turns about the middle between its ears."""
    head = np.array(
        [(-30, -30, -40), (30, -30, -40), (0, 0, -90), (0, 40, -70), (-70, 0, 0), (70, 0, 0)]
    )
    yaw = np.radians(yaw_deg)
    across = np.cos(yaw) * head[:, 0] - np.sin(yaw) * head[:, 2]
    flat: np.ndarray = np.column_stack([across, head[:, 1]]) + CENTRE[:2]
    return flat


@pytest.mark.parametrize("yaw", [-40, -10, 0, 25])
def test_yaw_is_positive_towards_the_right_edge(yaw: float) -> None:
    pose = head_pose(face(yaw_deg=yaw))
    assert pose.yaw_deg == pytest.approx(yaw, abs=0.01)
    assert pose.pitch_deg == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("pitch", [-30, 15])
def test_pitch_is_positive_downwards(pitch: float) -> None:
    assert head_pose(face(pitch_deg=pitch)).pitch_deg == pytest.approx(pitch, abs=0.01)


@pytest.mark.parametrize("roll", [-35, 20])
def test_roll_is_positive_clockwise(roll: float) -> None:
    pose = head_pose(face(roll_deg=roll))
    assert pose.roll_deg == pytest.approx(roll, abs=0.01)
    assert pose.yaw_deg == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(65, -40, 20), (-50, 15, -25), (30, 20, 10)])
def test_the_three_angles_are_eulers_as_aflw2000_labels_them(
    yaw: float, pitch: float, roll: float
) -> None:
    pose = head_pose(face(yaw, pitch, roll))
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == pytest.approx((yaw, pitch, roll))


def test_a_head_that_turns_before_a_low_camera_keeps_its_pitch_and_its_roll() -> None:
    turned = [head_pose(face(float(yaw), pitch_deg=-20)) for yaw in (0, 30, 60)]
    assert [pose.pitch_deg for pose in turned] == pytest.approx([-20] * 3)
    assert [pose.roll_deg for pose in turned] == pytest.approx([0] * 3, abs=1e-9)


def test_a_nod_that_the_mesh_bends_is_taken_back() -> None:
    seen = [straightened(head_axes(face(pitch_deg=pitch))).pitch_deg for pitch in (-20, 0, 20)]
    assert seen == pytest.approx([-15.4, -0.06, 15.3], abs=0.1)


@pytest.mark.parametrize("with_key_points", [False, True])
def test_straightening_turns_no_way_round_and_treats_both_sides_alike(
    with_key_points: bool,
) -> None:
    """More turned never reads as less, and a mirrored face is the mirror of a face."""
    turns = [float(yaw) for yaw in range(-60, 61, 5)]
    poses = [
        straightened(head_axes(face(yaw, 10)), key_points(yaw) if with_key_points else None)
        for yaw in turns
    ]
    yaws = [pose.yaw_deg for pose in poses]
    assert yaws == sorted(set(yaws))
    assert [-yaw for yaw in reversed(yaws)] == pytest.approx(yaws)
    pitches, rolls = [pose.pitch_deg for pose in poses], [pose.roll_deg for pose in poses]
    assert pitches[::-1] == pytest.approx(pitches)
    assert [-roll for roll in reversed(rolls)] == pytest.approx(rolls)


def test_where_the_mesh_stops_the_key_points_turn_on() -> None:
    stopped = head_axes(face(50))
    yaws = [straightened(stopped, key_points(yaw)).yaw_deg for yaw in (45.0, 60.0, 75.0)]
    assert yaws == sorted(yaws) and yaws[2] - yaws[0] > 5


def irises_looking(points: np.ndarray, yaw_deg: float, pitch_deg: float) -> Irises:
    """Where the irises of a face seen straight on are when its eyes look there."""
    width = 40.0
    offset = RADIUS * width * np.sin(np.radians([yaw_deg, pitch_deg]))
    right, left = points[[33, 133], :2].mean(axis=0), points[[263, 362], :2].mean(axis=0)
    return Irises(tuple(right + offset), tuple(left + offset))


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (-20, 0), (20, 5), (0, -15)])
def test_gaze_of_a_straight_head_is_the_eyes(yaw: float, pitch: float) -> None:
    points = face()
    found = gaze(points, irises_looking(points, yaw, pitch))
    assert found is not None
    assert found.yaw_deg == pytest.approx(yaw, abs=0.01)
    assert found.pitch_deg == pytest.approx(pitch, abs=0.01)


def test_a_turned_head_whose_eyes_stay_on_the_camera_looks_at_the_camera() -> None:
    points = face(yaw_deg=20)
    # the eyeball's centre lies behind the corners along the head's axis; an iris on the line from
    # it to the camera is seen right before it
    shift = np.array([-DEPTH * 40 * np.sin(np.radians(20)), 0])
    right, left = points[[33, 133], :2].mean(axis=0), points[[263, 362], :2].mean(axis=0)
    found = gaze(points, Irises(tuple(right + shift), tuple(left + shift)))
    assert found is not None and found.yaw_deg == pytest.approx(0, abs=0.2)


def test_beyond_35_degrees_only_the_nearer_eye_counts() -> None:
    points = face(yaw_deg=40)
    nearer = points[[33, 133], :2].mean(axis=0)
    nonsense = (999.0, 999.0)
    assert gaze(points, Irises(tuple(nearer), nonsense)) == gaze(
        points, Irises(tuple(nearer), (0.0, 0.0))
    )
    assert gaze(points, Irises(nonsense, tuple(nearer))) != gaze(
        points, Irises(tuple(nearer), nonsense)
    )


def test_closed_eyes_have_no_gaze() -> None:
    points = face()
    open_eyes = irises_looking(points, 0, 0)
    for upper, lower in ((159, 145), (386, 374)):
        points[upper, 1] = points[lower, 1] - 2
    assert gaze(points, open_eyes) is None
    assert eyes_open(points) == pytest.approx(2 / 40)


def test_openings_are_height_over_width() -> None:
    points = face()
    points[13], points[14] = CENTRE + np.array([0, 40, 0]), CENTRE + np.array([0, 50, 0])
    points[78], points[308] = CENTRE + np.array([-20, 45, 0]), CENTRE + np.array([20, 45, 0])
    assert mouth_open(points) == pytest.approx(10 / 40)
    assert eyes_open(points) == pytest.approx(12 / 40)


@pytest.mark.parametrize("roll_deg", [0, 30])
def test_a_track_looks_where_the_mesh_was_in_a_picture_of_any_size(roll_deg: float) -> None:
    region = FaceMesh(face(roll_deg=roll_deg), 1.0).region()
    track = track_of_region(region, 640, 480)
    assert astuple(region_of_track(track, 640, 480)) == pytest.approx(astuple(region))
    half = region_of_track(track, 320, 240)
    assert (half.x, half.y, half.width) == pytest.approx(
        (region.x / 2, region.y / 2, region.width / 2)
    )


@pytest.mark.parametrize(
    ("story", "other", "expected"),
    [
        ("itself", Region(100, 100, 50, 50, 0.1), True),
        ("a little aside", Region(102, 101, 51, 51, 0.12), True),
        ("too far aside", Region(104, 100, 50, 50, 0.1), False),
        ("too large", Region(100, 100, 54, 54, 0.1), False),
        ("turned too far", Region(100, 100, 50, 50, 0.14), False),
        ("turned all the way round", Region(100, 100, 50, 50, 0.1 + 2 * np.pi), True),
    ],
)
def test_a_second_fit_is_spared_where_the_region_is_nearly_its_own(
    story: str, other: Region, expected: bool
) -> None:
    assert is_nearly(other, Region(100, 100, 50, 50, 0.1)) is expected, story


def test_a_mesh_is_looked_for_again_along_its_own_turn() -> None:
    upright = FaceMesh(face(), 1.0).region()
    turned = FaceMesh(face(roll_deg=30), 1.0).region()
    assert np.degrees(turned.angle_rad) == pytest.approx(30)
    assert turned.width == pytest.approx(upright.width)


def test_a_similarity_is_recovered_and_least_squares_balances_errors() -> None:
    source = np.array([(0.0, 0.0), (10.0, 0.0), (0.0, 10.0), (7.0, 3.0)])
    turn = 2 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    target = source @ turn.T + (5, -2)
    matrix = similarity(source, target)
    np.testing.assert_allclose(matrix, np.column_stack([turn, (5, -2)]), atol=1e-9)
    stretched = similarity(np.array([(-1.0, 0.0), (1.0, 0.0)]), np.array([(-3.0, 1.0), (3.0, 1.0)]))
    np.testing.assert_allclose(stretched, [[3, 0, 0], [0, 3, 1]], atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 3.5])
def test_a_chip_brings_the_five_points_to_their_places(scale: float) -> None:
    points = face(roll_deg=20)
    points[2] = CENTRE + np.array([-5, 15, 0])
    points[:, :2] *= scale
    image = np.zeros((int(480 * scale), int(640 * scale), 3), np.uint8)
    for x, y in points[MESH_POINTS, :2]:
        reach = int(6 * scale)
        image[int(y) - reach : int(y) + reach, int(x) - reach : int(x) + reach] = 255
    chip = face_chip(image, points)
    assert chip.shape == (150, 150, 3)
    target = (TEMPLATE + MARGIN) / (1 + 2 * MARGIN) * 150
    matrix = similarity(points[MESH_POINTS, :2], target)
    for place in points[MESH_POINTS, :2] @ matrix[:, :2].T + matrix[:, 2]:
        x, y = np.round(place).astype(int)
        assert chip[y, x].min() > 128


def test_a_box_of_a_mesh_is_in_fractions() -> None:
    points = np.zeros((468, 3))
    points[0], points[1] = (64, 48, 0), (320, 240, 0)
    points[2:] = (100, 100, 0)
    assert FaceMesh(points, 1.0).box(640, 480) == Box(0.1, 0.1, 0.4, 0.4)
