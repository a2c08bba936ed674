"""What one call of each model costs: CPU time of the whole process, so other work counts little."""

import time
from collections.abc import Callable, Mapping

import numpy as np

from bench.accuracy.figures import Estimate, Figure

WARM_UP = 2
LEAST_CALLS, MOST_CALLS = 5, 40
LEAST_S = 0.5


def measure_cost(calls: Mapping[str, tuple[Callable[[], object], str]]) -> list[Figure]:
    """The median of some calls, and how they spread (their 10 and 90 % quantiles).

    Args:
        calls: Model -> a call, and what it is given.
    """
    figures = []
    for name, (call, given) in calls.items():
        taken: list[float] = []
        for _ in range(WARM_UP):
            call()
        while len(taken) < LEAST_CALLS or (sum(taken) < LEAST_S and len(taken) < MOST_CALLS):
            start = time.process_time()
            call()
            taken.append(time.process_time() - start)
        low, middle, high = (1000 * float(v) for v in np.percentile(taken, (10, 50, 90)))
        figures.append(
            Figure(
                key=f"cost_cpu_ms.{name}",
                label=name,
                unit="ms",
                found=Estimate(middle, low, high),
                basis=f"{given}; one thread, {len(taken)} calls, 10 to 90 % quantiles",
            )
        )
    return figures
