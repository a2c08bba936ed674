"""A calibration fitted to made-up people whose distances are known."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from bench.accuracy_verification import People, measure
from bench.calibration import Fitted, TooFewPeople, fit, lines
from proctor.domain.perception import Embedding
from proctor.identity.matching import match_probability

DAY = date(2026, 11, 22)


def people(count: int, pictures: int, spread: float, seed: int = 0) -> People:
    """Directions at random in 64 dimensions, the pictures of one person scattered around theirs."""
    rng = np.random.default_rng(seed)
    found: dict[str, Embedding] = {}
    for at in range(count):
        centre = rng.normal(size=64)
        noise = rng.normal(0, spread, (pictures, 64))
        found[f"person {at}"] = (centre + noise).astype(np.float32)
    return People(embeddings=found, pictures=count * pictures + 5, refused={"blurred": 5})


@pytest.fixture(scope="module")
def apart() -> Fitted:
    return fit(people(82, 6, spread=0.7), "cosine", DAY)


def test_people_apart_get_limits_between_right_and_wrong(apart: Fitted) -> None:
    made = apart.calibration
    assert made.metric == "cosine" and made.slope > 10
    (_, rates), *_ = apart.groups
    assert rates.people == (82, 82)
    assert rates.genuine_largest < made.midpoint < 1
    assert match_probability(rates.genuine_largest, made) > made.no_match_below
    assert rates.genuine["no_match"] == 0 and rates.genuine["match"] > 0.9
    assert rates.impostor["match"] <= made.fmr <= 2e-3
    assert made.match_above >= 0.9 and made.no_match_below <= 0.1


def test_a_model_that_knows_nobody_lets_hardly_a_wrong_person_in() -> None:
    fitted = fit(people(82, 6, spread=8.0), "cosine", DAY)
    (_, rates), *_ = fitted.groups
    assert rates.genuine["match"] < 0.1
    assert rates.impostor["match"] <= fitted.calibration.fmr < 0.01


def test_the_metric_makes_the_difference() -> None:
    """Vectors of one direction and any length are one person by angle, and nobody by distance."""
    rng = np.random.default_rng(1)
    plain = people(82, 6, spread=0.3)
    stretched = {
        name: (rows * rng.uniform(0.2, 5, (len(rows), 1))).astype(np.float32)
        for name, rows in plain.embeddings.items()
    }
    everybody = replace(plain, embeddings=stretched)
    cosine, l2 = (fit(everybody, metric, DAY) for metric in ("cosine", "l2"))  # type: ignore[arg-type]
    assert cosine.groups[0][1].genuine["match"] > 0.99
    assert l2.groups[0][1].genuine["match"] < 0.2
    same = measure(plain.embeddings, cosine.calibration)
    assert same.genuine_largest == pytest.approx(cosine.groups[0][1].genuine_largest, abs=1e-5)


@pytest.mark.parametrize(("count", "pictures"), [(79, 6), (200, 5)])
def test_too_few_people_are_refused_with_what_is_needed(count: int, pictures: int) -> None:
    with pytest.raises(TooFewPeople, match="20 and 80 are needed"):
        fit(people(count, pictures, 0.5), "cosine", DAY)


def test_it_is_printed_as_a_manifest_states_it(apart: Fitted) -> None:
    first, *rest = lines(apart)
    assert first == "calibration:"
    assert f"  slope: {apart.calibration.slope}" in rest
    assert f"  ece: {apart.ece}" in rest and 0 < apart.ece < 0.02
    assert "492 of 497 pictures" in rest[-1] and "2026-11-22" in rest[-1]
