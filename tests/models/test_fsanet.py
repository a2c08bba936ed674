"""FSA-Net: signs, the mean, answers that are none, and labelled heads."""

import csv
from pathlib import Path

import numpy as np
import pytest

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.fsanet import network_input, pose_of, tight_region
from models.face.network import PictureNetwork
from models.pictures import Region
from models.readers import open_faces
from models.selection import select
from proctor.domain.geometry import Box, HeadPose
from proctor.domain.perception import FaceAsk
from tests.models.networks import channel_network


def test_the_mean_of_both_networks_in_our_signs() -> None:
    # 300W-LP: yaw to the picture's left, pitch up, roll clockwise; ours: right, down, clockwise
    answers = [np.array([[10.0, -4.0, 2.0]], "f4"), np.array([[20.0, -8.0, 4.0]], "f4")]
    assert pose_of(answers) == HeadPose(yaw_deg=-15, pitch_deg=6, roll_deg=3)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [np.zeros((1, 2), "f4")],
        [np.zeros((1, 3), "f4"), np.zeros((3,), "f4")],
        [np.zeros((1, 3), "f4"), np.array([[0.0, np.nan, 0.0]], "f4")],
    ],
)
def test_an_answer_that_is_none_is_refused(answers: list[np.ndarray]) -> None:
    with pytest.raises(ModelOutputInvalid):
        pose_of(answers)


def test_the_square_has_a_fifth_of_the_longer_side_as_margin() -> None:
    region = tight_region(Box(0.25, 0.2, 0.25, 0.5), 400, 300)
    assert (region.x, region.y) == pytest.approx((150, 135))
    assert region.width == region.height == pytest.approx(150 * 1.4)


def test_the_network_gets_blue_first_and_every_pixel_counts() -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    image[..., 0], image[::2, :, 1], image[..., 2] = 255, 255, 64
    network = PictureNetwork("fsanet", channel_network(64, batch=1), 64)
    ((means,),) = network.answers([network_input(image, Region(150, 150, 256, 256))])
    red, green, blue = (255 - 127.5) / 128, 0.0, (64 - 127.5) / 128
    assert means == pytest.approx(np.array([[blue, green, red]]), abs=0.02)


def test_another_network_is_one_line() -> None:
    with pytest.raises(ModelFileError, match=r"takes \(1, 3, 96, 96\)"):
        PictureNetwork("fsanet", channel_network(96, batch=1), 64)


@pytest.mark.weights
@pytest.mark.media
def test_eight_labelled_heads(restricted: Catalogue, media: Path) -> None:
    reader = open_faces(select("embedded", {"head_pose": "fsanet"}), restricted)
    errors = []
    with (media / "labels" / "headpose_aflw2000.csv").open() as labels:
        for row in csv.DictReader(labels):
            picture = (media / "images" / "aflw2000" / row["file"]).read_bytes()
            answer = reader.read(FaceAsk(picture=picture))
            assert {"fsanet-1x1", "fsanet-var"} <= {made.model for made in answer.producers}
            head = max(answer.faces, key=lambda face: face.box.area).head
            assert head is not None
            # the labels count yaw to the left and pitch up
            told = (-head.yaw_deg, -head.pitch_deg, head.roll_deg)
            errors.append([t - float(row[f"{n}_deg"]) for t, n in zip(told, ANGLES, strict=True)])
    yaw, pitch, roll = np.abs(errors).mean(axis=0)
    assert len(errors) == 8
    assert yaw < 4.5 and pitch < 7 and roll < 4.5
    assert (yaw, pitch, roll) == pytest.approx((3.55, 4.85, 2.22), abs=0.5)


ANGLES = ("yaw", "pitch", "roll")
