"""What a soak concludes from its looks, and that its churn is the same for the same seed."""

import random
from io import StringIO

import pytest
from rich.console import Console

from bench.soak_report import Churned, SoakAsked, SoakFigures, print_soak, soak_figures
from bench.soak_turns import LONGEST_S, REST_S, SHORTEST_S, Stay, Turns
from bench.soak_verdict import Sample, after_warm_up, growth, slope


def samples(
    mb_per_hour: float = 0.0,
    descriptors_per_hour: float = 0.0,
    noise_mb: float = 0.0,
    hours: float = 2.0,
    count: int = 100,
) -> list[Sample]:
    chance = random.Random(1)
    found = []
    for number in range(count):
        at_h = hours * number / (count - 1)
        mb = 400 + mb_per_hour * at_h + chance.gauss(0, noise_mb)
        found.append(
            Sample(
                at_s=at_h * 3600,
                rss_mb={"host": mb, "redis": 10.0},
                descriptors={"host": round(90 + descriptors_per_hour * at_h), "redis": 8},
                processes={"host": 2, "redis": 1},
            )
        )
    return found


def problems(taken: list[Sample], kind: str = "host") -> tuple[str, ...]:
    return growth(after_warm_up(taken))[kind].problems


def test_a_slope_is_found_with_its_error() -> None:
    found = slope([(0, 1.0), (3600, 3.0), (7200, 5.0)])
    assert (found.per_hour, found.mean) == (pytest.approx(2.0), pytest.approx(3.0))
    assert found.error == pytest.approx(0.0, abs=1e-9)
    rough = slope([(0, 0.0), (1, 1.0), (2, 0.0), (3, 1.0)])  # by hand: 0.2 a second, error 0.2828
    assert rough.per_hour == pytest.approx(0.2 * 3600)
    assert rough.error == pytest.approx(0.28284 * 3600, rel=1e-4)
    with pytest.raises(ValueError, match="two different times"):
        slope([(5, 1.0), (5, 2.0)])


def test_two_points_prove_nothing() -> None:
    assert not slope([(0, 1.0), (3600, 9.0)]).is_sure


@pytest.mark.parametrize(
    ("mb_per_hour", "noise_mb", "passes"),
    [
        (0.0, 3.0, True),
        (2.0, 1.0, True),  # half a per cent an hour, and sure of it
        (6.0, 1.0, False),  # 1.5 %
        (-20.0, 1.0, True),
        (6.0, 60.0, True),  # as much, but lost in noise
    ],
)
def test_memory_may_grow_by_less_than_one_per_cent_an_hour(
    mb_per_hour: float, noise_mb: float, passes: bool
) -> None:
    assert (problems(samples(mb_per_hour, noise_mb=noise_mb)) == ()) == passes


def test_open_files_must_not_rise() -> None:
    assert "descriptors" in problems(samples(descriptors_per_hour=10))[0]
    assert problems(samples(descriptors_per_hour=1)) == ()
    assert problems(samples(descriptors_per_hour=10), "redis") == ()


def test_what_is_filled_while_it_warms_up_is_not_growth() -> None:
    taken = samples()
    for at, sample in enumerate(taken[:20]):
        taken[at] = Sample(
            at_s=sample.at_s,
            rss_mb={**sample.rss_mb, "host": 200.0 + 10 * at},
            descriptors=sample.descriptors,
            processes=sample.processes,
        )
    assert problems(taken) == () and growth(taken)["host"].problems != ()
    with pytest.raises(ValueError, match="run longer"):
        after_warm_up(taken[:5])


def test_a_kind_whose_processes_were_replaced_is_not_judged_and_that_is_told() -> None:
    taken = samples(mb_per_hour=50)
    last = taken[-1]
    taken[-1] = Sample(
        at_s=last.at_s,
        rss_mb=last.rss_mb,
        descriptors=last.descriptors,
        processes={"host": 3, "redis": 1},
    )
    found = growth(after_warm_up(taken))["host"]
    assert found.was_replaced and found.problems == ()
    figures = told(taken)
    page = StringIO()
    print_soak(figures, Console(file=page, width=140))
    assert "not judged" in page.getvalue() and figures.holds


def told(taken: list[Sample]) -> SoakFigures:
    asked = SoakAsked(hours=2, sessions=10, event_every_s=60, seed=0)
    churned = [
        Churned(stays=5, drops=2, resumed=2, problems={"503": 1}),
        Churned(stays=4, drops=1, resumed=0, problems={"503": 2}),
    ]
    return soak_figures(taken, churned, asked)


def test_a_limit_that_is_passed_is_told_and_fails_the_soak() -> None:
    found = told(samples(mb_per_hour=20))
    assert not found.holds and SoakFigures.model_validate_json(found.model_dump_json()) == found
    assert (found.stays, found.drops, found.resumed, found.problems) == (9, 3, 2, {"503": 3})
    page = StringIO()
    print_soak(found, Console(file=page, width=140))
    assert "% an hour (limit 1)" in page.getvalue()
    assert told(samples()).holds


def test_candidates_come_and_go_as_the_seed_says() -> None:
    first, again, other = Turns(3, 10, 1), Turns(3, 10, 1), Turns(3, 10, 2)
    stays = [first.next() for _ in range(200)]
    assert stays == [again.next() for _ in range(200)]
    assert stays != [other.next() for _ in range(200)]
    assert len({stay.number for stay in stays} | {Turns(4, 10, 1).next().number}) == 201
    for stay in stays:
        assert SHORTEST_S <= stay.lasts_s <= LONGEST_S and 0 <= stay.waits_s <= REST_S
        assert stay.drops_after_s is None or 0 < stay.drops_after_s < stay.lasts_s
    lost = sum(stay.drops_after_s is not None for stay in stays)
    assert 60 <= lost <= 100


def test_the_last_stay_ends_with_the_soak() -> None:
    stay = Stay(0, 5.0, 200.0, 90.0)
    assert stay.within(300) == stay
    assert stay.within(190) == Stay(0, 5.0, 190, 90.0)
    assert stay.within(100) == Stay(0, 5.0, 100, None)  # no time to come back in
    assert stay.within(SHORTEST_S / 2 - 1) is None
