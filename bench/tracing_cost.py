"""What tracing costs where it is off, and where it is on: `python -m bench.tracing_cost`.

Off: the spans of a call to the models and of a report, as the host makes them, through the tracer that
does nothing. The same loop without any span is beside it. On: with a processor that drops every span.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial

from opentelemetry.sdk.trace import SpanProcessor

from proctor.adapters.tracing import OtelTracer
from proctor.ports import Tracer
from proctor.services.no_tracing import OFF

CALLS_PER_SESSION_S = 2.0
"""More than there are: several looks a second, and one call carries those of many sessions."""

MODELS_MS_PER_SESSION_S = 47.0
"""What the models of a calm session take (README, AVX2)."""


def work(tracer: Tracer) -> None:
    """The spans of one call, as rounds.py and courier.py make them."""
    with tracer.root("perception.call") as span:
        span.note(group="face", batch=4)
        tracer.current()
        span.note(outcome="answered")
    with tracer.child("host.report", ""):
        pass


def nothing() -> None:
    """The loop itself."""


def per_call_us(run: Callable[[], None], rounds: int) -> float:
    """The quickest of five, in microseconds."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(rounds):
            run()
        best = min(best, time.perf_counter() - began)
    return best / rounds * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    base = per_call_us(nothing, given.rounds)
    found = {"off": per_call_us(partial(work, OFF), given.rounds) - base}
    for name, ratio in (("on, one of a hundred", 0.01), ("on, all", 1.0)):
        tracer = OtelTracer("bench", ratio, SpanProcessor())
        found[name] = per_call_us(partial(work, tracer), given.rounds // 10) - base
    if given.json:
        print(json.dumps({"us_per_call": found}))
        return
    for name, us in found.items():
        share = us * CALLS_PER_SESSION_S / (MODELS_MS_PER_SESSION_S * 1000)
        print(f"{name:22} {us:8.2f} us a call   {share:8.4%} of the models of a session")


if __name__ == "__main__":
    main()
