"""Which names speak of a state of mind, and which only look like it."""

import pytest

from models.objects.coco import COCO_91
from proctor.fusion.prohibited import PROHIBITED, states_of_mind, words_of


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("Angry", ["angry"]),
        ("face:angry", ["angry"]),
        ("isAngryPerson", ["angry"]),
        ("UPSET_2", ["upset"]),
        ("a tired, bored face", ["bored", "tired"]),
        ("person-is-inattentive", ["inattentive"]),
        ("emo\u00adtion and str\u200bess", ["emotion", "stress"]),
        ("\uff41\uff4e\uff47\uff52\uff59", ["angry"]),
        ("\U0001d5ee\U0001d5fb\U0001d5f4\U0001d5ff\U0001d606", ["angry"]),
    ],
)
def test_a_state_of_mind_is_found_however_it_is_written(said: str, found: list[str]) -> None:
    assert states_of_mind([said]) == found


@pytest.mark.parametrize(
    "said",
    [
        *("fearless", "madeleine", "saddle", "happyland", "stressless chair", "angrybirds"),
        *("calmar", "tire", "boring machine", "panicle", "attentional", "engager"),
        *("low confidence", "out of focus", "neutral", "point of interest"),
    ],
)
def test_a_thing_that_only_looks_like_one_is_a_thing(said: str) -> None:
    assert states_of_mind([said]) == []


def test_no_class_of_coco_is_one() -> None:
    assert states_of_mind(COCO_91) == []


def test_every_word_is_one_that_can_be_found() -> None:
    assert all(words_of(word) == [word] for word in PROHIBITED)


def test_words_are_told_once_and_in_order() -> None:
    assert states_of_mind(["sad and angry", "angry"]) == ["angry", "sad"]
