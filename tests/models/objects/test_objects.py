"""A detector that an operator brings: every layout, every fit, and everything that can be wrong with it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import yaml
from onnx import TensorProto

from models.catalogue import Catalogue
from models.errors import LicenceNotAccepted, ModelFileError, ModelFileMissing
from models.in_process import InProcessPerception
from models.objects.reader import ObjectReader
from models.selection import select
from proctor.domain.perception import Fault, FoundObject, ObjectsAsk
from tests.models.objects.graphs import brightest, constant

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FILES = ("object-detector", "object-detector-settings")
CLASSES = ["person", "cell phone", "tv", "laptop", "book"]
PERSON, PHONE, TV, LAPTOP, BOOK = range(5)
LABELS = {"phone": ["cell phone"], "screen": ["tv", "laptop"], "book": ["book"]}
DARK = np.full((48, 64, 3), 20, np.uint8)  # fills the upper three quarters of a 64 px input

Array = npt.NDArray[np.generic]


def settings(output: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    told = {
        "detector": 1,
        "input": {"width": 64, "height": 64, "fit": "corner"},
        "output": dict(output),
        "classes": CLASSES,
        "labels": LABELS,
    }
    return told | changes


def brought(folder: Path, network: bytes, told: dict[str, Any] | bytes) -> Catalogue:
    """A models folder in which somebody has accepted the terms and added both files."""
    catalogue = Catalogue(folder / "models")
    catalogue.accept("own-detector", "ada", NOW)
    for name, content in zip(
        FILES,
        (network, told if isinstance(told, bytes) else yaml.safe_dump(told).encode()),
        strict=True,
    ):
        source = folder / name
        source.write_bytes(content)
        catalogue.add(name, source, NOW)
    return catalogue


def reader(folder: Path, network: bytes, told: dict[str, Any] | bytes) -> ObjectReader:
    return ObjectReader(brought(folder, network, told), FILES)


def scores(at: int, score: float, width: int = len(CLASSES)) -> list[float]:
    return [score if index == at else 0.01 for index in range(width)]


def told(found: Sequence[FoundObject]) -> list[tuple[str, float, tuple[float, ...]]]:
    """Label, score and box in pixels of a 64x48 picture."""
    return [
        (
            each.label,
            round(each.score, 3),
            tuple(
                round(side * scale, 2)
                for side, scale in zip(
                    (each.box.left, each.box.top, each.box.width, each.box.height),
                    (64, 48, 64, 48),
                    strict=True,
                )
            ),
        )
        for each in found
    ]


# a phone at 8..24 x 10..20, a book at 30..50 x 20..40, and a person, who is no thing
CENTRES = {
    PHONE: (16.0, 15.0, 16.0, 10.0),
    BOOK: (40.0, 30.0, 20.0, 20.0),
    PERSON: (32, 24, 60, 40),
}
EXPECTED = [("phone", 0.9, (8, 10, 16, 10)), ("book", 0.6, (30, 20, 20, 20))]
SCORES = {PHONE: 0.9, BOOK: 0.6, PERSON: 0.95}


def corners(box: tuple[float, ...]) -> list[float]:
    x, y, width, height = box
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def yolox() -> Array:
    """(1, 84, 10): grids of 8x8, 4x4 and 2x2 cells; the phone in the first, the book in the second."""
    rows = np.full((84, 10), 0.01, np.float32)
    rows[:, 2:4] = 0.0
    for found, stride, first in ((PHONE, 8, 0), (PERSON, 32, 80), (BOOK, 16, 64)):
        x, y, width, height = CENTRES[found]
        cell = (int(x // stride), int(y // stride))
        row = first + cell[1] * (64 // stride) + cell[0]
        rows[row, :2] = x / stride - cell[0], y / stride - cell[1]
        rows[row, 2:4] = np.log(width / stride), np.log(height / stride)
        rows[row, 4:] = [0.95, *scores(found, SCORES[found] / 0.95)]
    return rows[np.newaxis]


def yolov5() -> Array:
    return np.float32([[[*CENTRES[at], 0.95, *scores(at, SCORES[at] / 0.95)] for at in SCORES]])


def yolov8() -> Array:
    return np.float32([[[*CENTRES[at], *scores(at, SCORES[at])] for at in SCORES]]).transpose(
        0, 2, 1
    )


def torchvision() -> dict[str, Array]:
    return {
        "boxes": np.float32([corners(CENTRES[at]) for at in SCORES]),
        "labels": np.array(list(SCORES), np.int64),
        "scores": np.float32(list(SCORES.values())),
    }


def tensorflow() -> dict[str, Array]:
    """Fractions, y first, float labels, rows filled up with the label -1."""
    boxes = [np.array(corners(CENTRES[at]))[[1, 0, 3, 2]] / 64 for at in SCORES]
    return {
        "boxes": np.float32([[*boxes, np.zeros(4)]]),
        "labels": np.float32([[*SCORES, -1]]),
        "scores": np.float32([[*SCORES.values(), 0.0]]),
    }


def detr() -> dict[str, Array]:
    """Logits over the classes and nothing; centre and size in fractions."""
    likely = [[*scores(at, SCORES[at]), 0.0] for at in SCORES]
    left = [[*row[:-1], max(1 - sum(row), 1e-6)] for row in likely]
    return {
        "boxes": np.float32([[np.array(CENTRES[at]) / 64 for at in SCORES]]),
        "scores": np.log(np.float32([[np.array(row) / sum(row) for row in left]])) + np.float32(3),
    }


def rt_detr() -> dict[str, Array]:
    likely = np.array([scores(at, SCORES[at]) for at in SCORES])
    return {
        "boxes": np.float32([[np.array(CENTRES[at]) / 64 for at in SCORES]]),
        "scores": np.float32([np.log(likely / (1 - likely))]),
    }


BOXES = {"layout": "boxes", "boxes": "boxes", "scores": "scores"}


@pytest.mark.parametrize(
    ("output", "answers"),
    [
        ({"layout": "yolox"}, {"output": yolox()}),
        ({"layout": "yolov5"}, {"output0": yolov5()}),
        ({"layout": "yolov8"}, {"output0": yolov8()}),
        (BOXES | {"labels": "labels"}, torchvision()),
        (BOXES | {"labels": "labels", "box": "yxyx", "unit": "fractions"}, tensorflow()),
        (
            BOXES
            | {"box": "cxcywh", "unit": "fractions", "activation": "softmax", "nothing": "last"},
            detr(),
        ),
        (BOXES | {"box": "cxcywh", "unit": "fractions", "activation": "sigmoid"}, rt_detr()),
    ],
    ids=["yolox", "yolov5", "yolov8", "torchvision", "tensorflow", "detr", "rt-detr"],
)
def test_every_layout_tells_the_same_things_in_the_same_places(
    tmp_path: Path, output: dict[str, Any], answers: dict[str, Array]
) -> None:
    found = told(reader(tmp_path, constant(answers), settings(output)).find(DARK))
    assert [label for label, _, _ in found] == [label for label, _, _ in EXPECTED]
    for (_, score, box), (_, wanted, place) in zip(found, EXPECTED, strict=True):
        assert score == pytest.approx(wanted, abs=0.02)
        assert box == pytest.approx(place, abs=0.05)


@pytest.mark.parametrize("fit", ["letterbox", "corner", "stretch"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("size", [(640, 360), (360, 640), (300, 300)])
def test_a_thing_is_found_where_it_is_however_the_picture_is_fitted(
    tmp_path: Path, fit: str, channels: str, size: tuple[int, int]
) -> None:
    width, height = size
    image = np.full((height, width, 3), 10, np.uint8)
    x, y = int(width * 0.7), int(height * 0.3)
    cv2.rectangle(image, (x - 5, y - 5), (x + 5, y + 5), (230, 40, 40), -1)  # red
    told = settings(
        {"layout": "yolov8"},
        input={"width": 320, "height": 320, "fit": fit, "channels": channels, "pad": 0},
        thresholds={"score": 0.7},
    )
    network = brightest(320, box_px=16, classes=5, channel=0 if channels == "rgb" else 2)
    (found,) = reader(tmp_path, network, told).find(image)
    assert found.label == "phone"
    assert found.score == pytest.approx(230 / 255, abs=0.01)
    assert found.box.centre == pytest.approx((x / width, y / height), abs=0.015)
    across = max(width, height) if fit != "stretch" else width
    assert found.box.width == pytest.approx(16 / 320 * across / width, rel=1e-3)


def test_the_other_order_of_channels_does_not_see_a_red_thing(tmp_path: Path) -> None:
    image = np.full((64, 64, 3), 10, np.uint8)
    image[20:30, 20:30] = (230, 40, 40)
    told = settings({"layout": "yolov8"}, thresholds={"score": 0.7})
    assert reader(tmp_path, brightest(64, 16, 5, channel=0), told).find(image) != []
    assert reader(tmp_path, brightest(64, 16, 5, channel=2), told).find(image) == []


def test_bytes_and_normalised_pixels_reach_the_network_as_its_settings_say(tmp_path: Path) -> None:
    one = {"output0": np.float32([[[32, 24, 8, 8, 0, 0.9, 0, 0, 0]]]).transpose(0, 2, 1)}
    whole = constant(one, (1, 64, 64, 3), TensorProto.UINT8)
    told = settings(
        {"layout": "yolov8"}, input={"width": 64, "height": 64, "layout": "nhwc", "type": "uint8"}
    )
    # bytes over 0.9 break this network, so the trial at start must have been bytes
    with pytest.raises(ModelFileError, match="not finite"):
        reader(tmp_path, whole, told)
    black = {"width": 64, "height": 64, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    loaded = reader(tmp_path, constant(one), settings({"layout": "yolov8"}, input=black))
    assert len(loaded.find(np.full((64, 64, 3), 235, np.uint8))) == 1, (
        "(235 / 255 - 0.5) / 0.5 = 0.84"
    )


def test_boxes_of_one_label_are_one_thing_and_those_of_two_are_two(tmp_path: Path) -> None:
    rows = [
        [32, 24, 20, 20, *scores(TV, 0.8)],
        [33, 24, 20, 20, *scores(LAPTOP, 0.7)],
        [32, 25, 20, 20, *scores(BOOK, 0.6)],
        [12, 24, 20, 20, *scores(LAPTOP, 0.5)],
        [32, 24, 20, 20, *scores(PHONE, 0.39)],
    ]
    network = constant({"output0": np.float32([rows]).transpose(0, 2, 1)})
    found = told(reader(tmp_path, network, settings({"layout": "yolov8"})).find(DARK))
    assert [(label, score) for label, score, _ in found] == [
        ("screen", 0.8),
        ("book", 0.6),
        ("screen", 0.5),
    ]
    lower = settings({"layout": "yolov8"}, thresholds={"overlap": 0.95, "by_label": {"phone": 0.3}})
    found = told(reader(tmp_path, network, lower).find(DARK))
    assert [label for label, _, _ in found] == ["screen", "screen", "book", "screen", "phone"]


def test_boxes_are_cut_at_the_picture_and_those_beside_it_are_nothing(tmp_path: Path) -> None:
    rows = [
        [0, 0, 20, 20, *scores(PHONE, 0.9)],
        [32, 60, 10, 6, *scores(BOOK, 0.9)],  # in the padding under the picture
        [1e30, 1e30, 1e30, 1e30, *scores(TV, 0.9)],
        [32, 24, -8, -8, *scores(TV, 0.9)],
    ]
    network = constant({"output0": np.float32([rows]).transpose(0, 2, 1)})
    found = told(reader(tmp_path, network, settings({"layout": "yolov8"})).find(DARK))
    assert found == [("phone", 0.9, (0, 0, 10, 10))]


def test_a_thousand_boxes_are_no_more_than_fifty_things(tmp_path: Path) -> None:
    grid = [(x * 2 + 1, y * 2 + 1) for x in range(32) for y in range(24)]
    rows = [[x, y, 2, 2, *scores(PHONE, 0.9)] for x, y in grid]
    network = constant({"output0": np.float32([rows]).transpose(0, 2, 1)})
    assert len(reader(tmp_path, network, settings({"layout": "yolov8"})).find(DARK)) == 50


async def test_it_answers_through_the_port_signed_by_network_and_settings(tmp_path: Path) -> None:
    catalogue = brought(tmp_path, constant({"output0": yolov8()}), settings({"layout": "yolov8"}))
    chosen = select("embedded", {"objects": "coco-onnx"})
    assert "objects" in chosen.groups() and "objects" not in select().groups()
    picture = cv2.imencode(".png", DARK)[1].tobytes()
    white = cv2.imencode(".png", np.full((48, 64, 3), 255, np.uint8))[1].tobytes()
    with InProcessPerception(catalogue.models_dir, frozenset({"objects"}), chosen) as perception:
        seen, broken, unreadable = await perception.objects(
            [ObjectsAsk(picture=each) for each in (picture, white, b"no picture")]
        )
    assert [each.label for each in seen.objects] == ["phone", "book"] and seen.fault is None
    assert [producer.model for producer in seen.producers] == list(FILES)
    assert seen.producers == tuple(catalogue.producer(name) for name in FILES)
    assert (broken.objects, broken.fault) == ((), Fault.MODEL_OUTPUT_INVALID)
    assert (unreadable.objects, unreadable.fault) == ((), Fault.PICTURE_UNREADABLE)


NAN = np.full((1, 9, 1), np.nan, np.float32)
ONE = np.float32([[[32, 24, 8, 8, *scores(PHONE, 0.9)]]]).transpose(0, 2, 1)


@pytest.mark.parametrize(
    ("network", "output", "named"),
    [
        (constant({"output0": NAN}), {"layout": "yolov8"}, "not finite"),
        (constant({"output0": ONE[:, :8]}), {"layout": "yolov8"}, r"\(1, 9, n\)"),
        (constant({"output0": ONE}), {"layout": "yolov5"}, r"\(1, n, 10\)"),
        (constant({"output0": ONE[0]}), {"layout": "yolov8"}, "output"),
        (constant({"output0": yolov5()}), {"layout": "yolox"}, "84 cells"),
        (constant({"a": ONE, "b": ONE}), {"layout": "yolov8"}, "2 outputs"),
        (constant({"output0": ONE * 30}), {"layout": "yolov8"}, r"0\.\.1"),
        (constant({"output0": ONE}, (1, 3, 32, 32)), {"layout": "yolov8"}, "takes"),
        (constant({"output0": ONE}, (1, 64, 64, 3)), {"layout": "yolov8"}, "takes"),
        (constant({"output0": ONE}, (4, 3, 64, 64)), {"layout": "yolov8"}, "takes"),
        (
            constant({"output0": ONE}, kind=TensorProto.UINT8),
            {"layout": "yolov8"},
            "object-detector",
        ),
        (constant({"boxes": ONE}), BOXES, "no output is called scores"),
        (constant(rt_detr()), BOXES | {"activation": "sigmoid", "nothing": "last"}, "4 classes"),
        (constant(rt_detr()), BOXES, r"0\.\.1"),
        (
            constant(torchvision() | {"labels": np.array([1, 2, 5], np.int64)}),
            BOXES | {"labels": "labels"},
            "labels 1 to 5",
        ),
        (
            constant(torchvision() | {"labels": np.array([1, 2], np.int64)}),
            BOXES | {"labels": "labels"},
            "2 labels",
        ),
        (constant({"output0": ONE})[:-40], {"layout": "yolov8"}, "object-detector"),
        (b"", {"layout": "yolov8"}, "object-detector"),
        (b"\x00" * 1_000, {"layout": "yolov8"}, "object-detector"),
    ],
)
def test_a_detector_that_is_not_what_its_settings_say_is_one_line_at_start(
    tmp_path: Path, network: bytes, output: dict[str, Any], named: str
) -> None:
    with pytest.raises(ModelFileError, match=named) as refused:
        reader(tmp_path, network, settings(output))
    assert "\n" not in refused.value.detail and "object-detector" in refused.value.detail


def wrong(**changes: Any) -> dict[str, Any]:
    return settings({"layout": "yolov8"}) | changes


@pytest.mark.parametrize(
    ("told", "named"),
    [
        (b"detector: [", "no YAML"),
        (b"\xff\xfe", "no YAML"),
        (b"detector: !!timestamp x", "no YAML"),
        (b"detector: !!bool x", "no YAML"),
        (b'detector: !!int ""', "no YAML"),
        (b"? [a]\n: 1", "no YAML"),
        (b"[" * 60_000, "no YAML"),
        (b"a: &a [x]\nb: *a", "references"),
        (b"labels: {a: [tv]}\nlabels: {b: [tv]}", "labels: given twice"),
        (b"", "its form"),
        (b"x" * 70_000, "65536"),
        (wrong(detector=2), "detector"),
        (wrong(colour="red"), "colour"),
        (wrong(input={"width": 64}), "input.height"),
        (wrong(input={"width": 64, "height": "64"}), "input.height"),
        (wrong(input={"width": 64, "height": 64, "std": [1, 0, 1]}), "input.std"),
        (wrong(input={"width": 64, "height": 64, "scale": float("nan")}), "input.scale"),
        (wrong(output={"layout": "yolo"}), "output"),
        (wrong(output={"layout": "boxes", "boxes": "b"}), "output.boxes.scores"),
        (wrong(output=BOXES | {"labels": "l", "activation": "softmax"}), "one score per box"),
        (wrong(input={"width": 60, "height": 64}, output={"layout": "yolox"}), "every stride"),
        (wrong(classes="coco"), "classes"),
        (wrong(classes=[]), "classes"),
        (wrong(labels={}), "labels"),
        (wrong(labels={"Phone": ["cell phone"]}), "labels"),
        (wrong(labels={"phone": ["mobile"]}), "no class is called 'mobile'"),
        (wrong(labels={"a": ["tv"], "b": ["tv"]}), "counts as a and as b"),
        (wrong(classes=["fear"], labels={"face": ["fear"]}), "state of mind"),
        (wrong(classes=["face:fear"], labels={"face": ["face:fear"]}), "state of mind"),
        (
            wrong(classes=["is_nervous.person"], labels={"x": ["is_nervous.person"]}),
            "state of mind",
        ),
        (wrong(classes=[*CLASSES, "emotion:happy"]), "state of mind"),
        (wrong(classes=[*CLASSES, "angry"]), "'angry' names a state of mind"),
        (wrong(classes=[*CLASSES, "UpsetFace"]), "'upset' names a state of mind"),
        (wrong(labels={"phone": ["cell phone"], "stress": ["book"]}), "state of mind"),
        (wrong(thresholds={"score": 1.5}), "thresholds.score"),
        (wrong(thresholds={"by_label": {"pen": 0.5}}), "no label is called 'pen'"),
    ],
)
def test_settings_that_are_wrong_are_one_line_that_names_the_place(
    tmp_path: Path, told: dict[str, Any] | bytes, named: str
) -> None:
    with pytest.raises(ModelFileError) as refused:
        reader(tmp_path, constant({"output0": ONE}), told)
    assert named in refused.value.detail and "\n" not in refused.value.detail
    assert refused.value.detail.startswith("object-detector-settings")


def test_nothing_is_used_before_the_terms_are_accepted_and_both_files_are_there(
    tmp_path: Path,
) -> None:
    catalogue = Catalogue(tmp_path / "models")
    source = tmp_path / "mine.onnx"
    source.write_bytes(constant({"output0": ONE}))
    with pytest.raises(LicenceNotAccepted, match="own-detector"):
        catalogue.add(FILES[0], source, NOW)
    catalogue.accept("own-detector", "ada", NOW)
    catalogue.add(FILES[0], source, NOW)
    with pytest.raises(ModelFileMissing, match="object-detector-settings"):
        ObjectReader(catalogue, FILES)
