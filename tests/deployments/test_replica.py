"""A replica answers everything that hosts may ask of it, for the groups that it was given."""

from datetime import UTC, datetime
from inspect import iscoroutinefunction
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from actors.perception import ServePerception
from deployments.perception import PerceptionReplica
from models.catalogue import Catalogue
from proctor.domain.errors import PerceptionUnavailable
from proctor.domain.perception import BodyAsk, ObjectsAsk
from proctor.ports import Perception
from tests.models.objects.graphs import constant

ASKED = [name for name, what in vars(Perception).items() if iscoroutinefunction(what)]


@pytest.mark.parametrize("name", ASKED)
def test_every_question_of_the_port_has_its_way_to_a_replica(name: str) -> None:
    assert iscoroutinefunction(getattr(PerceptionReplica, name))
    assert iscoroutinefunction(getattr(ServePerception, name))


async def test_a_detector_that_was_brought_answers_from_a_replica(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("PROCTOR_MODELS__OBJECTS", "coco-onnx")
    row = np.zeros((1, 84, 1), np.float32)
    row[0, :4, 0] = 32, 32, 16, 16
    row[0, 4 + 67, 0] = 0.9
    told = {
        "detector": 1,
        "input": {"width": 64, "height": 64},
        "output": {"layout": "yolov8"},
        "classes": "coco-80",
        "labels": {"phone": ["cell phone"]},
    }
    catalogue, now = Catalogue(tmp_path / "models"), datetime(2026, 11, 22, tzinfo=UTC)
    catalogue.accept("own-detector", "ada", now)
    for name, content in (
        ("object-detector", constant({"output0": row})),
        ("object-detector-settings", yaml.safe_dump(told).encode()),
    ):
        (tmp_path / name).write_bytes(content)
        catalogue.add(name, tmp_path / name, now)
    replica = PerceptionReplica(("objects",))
    picture = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    [answer] = await replica.objects([ObjectsAsk(picture=picture)])
    assert [found.label for found in answer.objects] == ["phone"]
    with pytest.raises(PerceptionUnavailable, match="body"):
        await replica.bodies([BodyAsk(picture=picture)])
