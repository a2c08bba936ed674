"""The rates, on made-up people whose distances are known."""

import io

import numpy as np
import pytest
from rich.console import Console

from bench.accuracy_verification import People, as_json, halves, measure, table
from proctor.domain.perception import Embedding
from proctor.identity.matching import MatchCalibration

CALIBRATION = MatchCalibration(
    metric="l2", slope=60.0, midpoint=0.6, match_above=0.98, no_match_below=0.1, fmr=1e-3
)


def people(count: int, spread: float, apart: float, pictures: int = 6) -> dict[str, Embedding]:
    """Everybody `apart` from everybody, pictures of one person about `spread` from each other."""
    rng = np.random.default_rng(0)
    found = {}
    for at in range(count):
        centre = np.zeros(64)
        centre[at] = apart / np.sqrt(2)
        noise = rng.normal(0, spread / np.sqrt(2 * 64), (pictures, 64))
        found[f"person {at}"] = (centre + noise).astype(np.float32)
    return found


def test_people_far_apart_are_all_told_apart() -> None:
    rates = measure(people(20, spread=0.3, apart=0.8), CALIBRATION)
    assert rates.people == (20, 20)
    assert rates.genuine["match"] == 1.0 and rates.impostor["no_match"] == 1.0
    assert rates.genuine["decisions"] == 20 * 10
    assert rates.impostor["decisions"] == 20 * 19 * 10
    assert rates.genuine_largest < rates.distance_at_fmr and rates.fnmr_at_fmr == 0.0


def test_twins_match_each_other() -> None:
    rates = measure(people(20, spread=0.3, apart=0.05), CALIBRATION)
    assert rates.impostor["match"] == 1.0
    assert rates.fnmr_at_fmr > 0.9


def test_a_fit_finds_the_middle_between_right_and_wrong() -> None:
    rates = measure(people(30, spread=0.5, apart=0.55), CALIBRATION)
    right, wrong = 0.5, float(np.hypot(0.5, 0.55))
    assert right < rates.midpoint < wrong
    assert rates.slope > 0


def test_those_with_three_pictures_are_impostors_only() -> None:
    mixed = people(10, 0.3, 0.8) | {
        f"other {name}": rows for name, rows in people(5, 0.3, 0.8, pictures=3).items()
    }
    assert measure(mixed, CALIBRATION).people == (10, 15)


def test_halves_share_nobody() -> None:
    everybody = people(9, 0.3, 0.8)
    first, second = halves(everybody)
    assert not set(first) & set(second)
    assert {**first, **second}.keys() == everybody.keys()


def test_the_table_and_the_file_say_the_same() -> None:
    everybody = people(20, spread=0.3, apart=0.8)
    rates = measure(everybody, CALIBRATION)
    told = People(embeddings=everybody, pictures=130, refused={"blurred": 10})
    out = io.StringIO()
    Console(file=out, width=160).print(table([("all", rates)], told))
    assert "130 pictures, 120 pass the gate" in out.getvalue()
    assert "100.00 %" in out.getvalue()
    written = as_json([("all", rates)], told)
    assert written["pictures"] == 130
    assert written["groups"]["all"]["genuine"]["match"] == pytest.approx(1.0)  # type: ignore[index]
