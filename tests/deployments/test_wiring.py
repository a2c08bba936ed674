"""What the composition root tells the rest of the system of the installation."""

from pathlib import Path

import pytest

from deployments.wiring import likeness_of, offers_of
from proctor.fusion.offered import LIKENESS, LIVENESS, OBJECTS, SPEAKERS
from proctor.settings import Settings

SPLIT = {"face": "perception-face", "body": "perception-body", "speech": "perception-speech"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, pack="embedded", models={}, models_dir=None).resolved()


def test_a_model_that_is_chosen_but_not_served_is_no_offer(settings: Settings) -> None:
    chosen = settings.model_copy(update={"models": {"objects": "coco-onnx"}})
    assert offers_of(SPLIT, chosen) & {OBJECTS, SPEAKERS, LIKENESS} == frozenset()
    served = SPLIT | {"objects": "perception-objects", "speakers": "perception-speakers"}
    assert {OBJECTS, SPEAKERS, LIKENESS} <= offers_of(served, chosen)


def test_a_group_that_is_served_without_a_model_is_no_offer(settings: Settings) -> None:
    silent = settings.model_copy(update={"models": {"speakers": "off"}})
    offers = offers_of(SPLIT | {"speakers": "perception-speakers"}, silent)
    assert not offers & {SPEAKERS, LIKENESS}


def test_liveness_is_offered_where_a_model_looks(settings: Settings) -> None:
    assert LIVENESS not in offers_of(SPLIT, settings)
    assert LIVENESS in offers_of(SPLIT, settings.model_copy(update={"pack": "permissive"}))


def test_voices_of_a_model_without_a_calibration_are_compared_with_nothing(
    settings: Settings,
) -> None:
    research = settings.model_copy(update={"pack": "research"})
    assert likeness_of(settings) is not None
    assert likeness_of(research) is None
    assert LIKENESS not in offers_of(SPLIT | {"speakers": "perception-speakers"}, research)
