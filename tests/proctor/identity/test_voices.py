import numpy as np
import pytest

from proctor.domain.observations import Producer
from proctor.domain.perception import Embedding
from proctor.identity.voices import (
    FIRST_CALIBRATION,
    LEAST_ALONE_MS,
    VoiceCalibration,
    VoiceTemplate,
)
from tests.fakes.perception import SPEAKERS, voice_of

MODEL = (SPEAKERS,)
OTHER_MODEL = (Producer("other", "1", "0" * 64),)


def near(name: str, noise: float, seed: int) -> Embedding:
    """A vector of this voice on another day."""
    moved = voice_of(name) + noise * np.random.default_rng(seed).normal(size=256) / 16
    return (moved / np.linalg.norm(moved)).astype(np.float32)


@pytest.mark.parametrize(
    ("cosine", "least", "most"),
    [(-1.0, 0.0, 1e-6), (0.0, 0.0, 1e-6), (0.53, 0.0, 0.02), (0.84, 0.95, 1.0), (1.0, 0.99, 1.0)],
)
def test_likeness_becomes_a_probability(cosine: float, least: float, most: float) -> None:
    assert least <= FIRST_CALIBRATION.probability(cosine) <= most


def test_half_at_the_midpoint() -> None:
    calibration = VoiceCalibration(slope=3.0, midpoint=0.0)
    assert calibration.probability(0.5) == pytest.approx(0.5)


def template(*pieces: tuple[str, int], enough_ms: int = 30_000) -> VoiceTemplate:
    made = VoiceTemplate(FIRST_CALIBRATION, enough_ms)
    for seed, (name, alone_ms) in enumerate(pieces):
        made.take(near(name, 0.5, seed), alone_ms, MODEL)
    return made


def test_there_is_no_template_before_enough_was_heard() -> None:
    made = template(("ana", 10_000), ("ana", 10_000))
    assert made.rests_on_ms is None and made.probability(voice_of("ana"), MODEL) is None
    made.take(near("ana", 0.5, 9), 10_000, MODEL)
    assert made.rests_on_ms == 30_000


def test_the_same_voice_is_likely_and_another_is_not() -> None:
    made = template(*[("ana", 10_000)] * 3)
    same = made.probability(near("ana", 0.5, 77), MODEL)
    other = made.probability(near("ben", 0.5, 78), MODEL)
    assert same is not None and other is not None
    assert same > 0.9 > 0.01 > other


def test_whoever_spoke_first_does_not_become_the_candidate() -> None:
    made = template(("ben", 8_000), *[("ana", 8_000)] * 4)
    assert made.rests_on_ms == 24_000
    same, other = (made.probability(voice_of(name), MODEL) for name in ("ana", "ben"))
    assert same is not None and other is not None and same > 0.9 > 0.01 > other


def test_two_who_speak_as_much_make_no_template() -> None:
    made = template(*[("ana", 8_000), ("ben", 8_000)] * 3)
    assert made.rests_on_ms is None


def test_once_made_it_does_not_follow_another_voice() -> None:
    made = template(*[("ana", 10_000)] * 3)
    for _ in range(20):
        made.take(voice_of("ben"), 10_000, MODEL)
    other = made.probability(voice_of("ben"), MODEL)
    assert made.rests_on_ms == 30_000 and other is not None and other < 0.01


def test_vectors_of_another_model_are_never_compared() -> None:
    made = template(*[("ana", 10_000)] * 3)
    assert made.probability(voice_of("ana"), OTHER_MODEL) is None
    assert made.rests_on_ms is None


def test_what_is_forgotten_is_gone() -> None:
    made = template(*[("ana", 10_000)] * 3)
    made.forget()
    assert made.rests_on_ms is None and made.probability(voice_of("ana"), MODEL) is None


@pytest.mark.parametrize(
    ("enough_ms", "piece_ms"), [(300_000, 4_000), (600_000, 4_000), (600_000, LEAST_ALONE_MS)]
)
def test_the_smallest_windows_that_count_make_the_longest_template(
    enough_ms: int, piece_ms: int
) -> None:
    made = template(*[("ana", piece_ms)] * (enough_ms // piece_ms), enough_ms=enough_ms)
    assert made.rests_on_ms == enough_ms


def test_less_than_the_smallest_piece_is_not_collected() -> None:
    made = template(*[("ana", LEAST_ALONE_MS - 1)] * 100, enough_ms=10_000)
    assert made.rests_on_ms is None
    made.take(voice_of("ana"), 10_000, MODEL)
    assert made.rests_on_ms == 10_000


def test_what_never_agrees_does_not_grow() -> None:
    made = VoiceTemplate(FIRST_CALIBRATION, 60_000)
    for at in range(400):
        made.take(voice_of("ab"[at % 2]), LEAST_ALONE_MS, MODEL)
        assert len(made._pieces) * LEAST_ALONE_MS <= 60_000
    assert made.rests_on_ms is None
