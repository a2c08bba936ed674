"""Measures the way from load to a second replica, on a Ray of its own with the real models.

Ray reads its environment once per process: `measure` may be called once, where nobody imported Ray.
"""

import asyncio
import os
import shutil
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployments.environment import environment_of
from deployments.home import ray_token
from deployments.processes import family, kind_of
from deployments.ray_head import RayHead, make_session_folder
from models.selection import select
from proctor.adapters.clock import SystemClock
from proctor.domain.errors import ProctorError, Unavailable
from proctor.domain.perception import FaceAsk
from proctor.settings import Settings

if TYPE_CHECKING:
    from actors.perception import ServePerception

PERCEPTION = "perception"
PICTURES = 2
LOOK_EVERY_S = 0.05
PATIENCE_S = 150.0
ASK_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """What was measured; seconds since the load began.

    Attributes:
        policy: `follow_load`, or Serve's own with its own windows.
        callers: Session hosts that ask without a pause, `PICTURES` faces a call.
        load_average: Of the machine over a minute, when the load began: it shares its cores.
        decided_s: A second replica was wanted and began to start.
        serving_s: It was ready to be asked.
        start_cpu_s: Processor time that the second replica's process had taken by then: what a start
            costs, whatever else the machine does.
        calls_before: Calls answered a second by one replica.
        calls_after: And by two.
    """

    policy: str
    callers: int
    load_average: float
    decided_s: float
    serving_s: float
    start_cpu_s: float
    calls_before: float
    calls_after: float


def measure(settings: Settings, callers: int, is_builtin: bool) -> Scaled:
    """Start one replica, load it, wait for the second.

    Args:
        settings: With models that are there.
        callers: How many callers ask at a time.
        is_builtin: Serve's own policy and windows instead of ours.

    Raises:
        Unavailable: No second replica came within `PATIENCE_S`.
    """
    folder = make_session_folder()
    settings.home.mkdir(parents=True, exist_ok=True)
    settings = settings.model_copy(
        update={"perception_threads": 1}
    )  # a replica is one core's worth
    head = RayHead.start(folder, ray_token(settings.home), environment_of(settings))
    try:
        perception = _deploy(settings, is_builtin)
        return asyncio.run(_watch(perception, callers, is_builtin))
    finally:
        from ray import serve

        serve.shutdown()  # type: ignore[no-untyped-call]
        head.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _deploy(settings: Settings, is_builtin: bool) -> "ServePerception":
    from ray import serve

    from actors.perception import ServePerception, serve_handle
    from deployments import app
    from deployments.wiring import APPLICATION

    split = app.Split(
        groups=[list(select(settings.pack, settings.models).groups())], most_replicas=2
    )
    (application,) = app.perception(split)
    if is_builtin:
        plain: dict[str, Any] = {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 1}
        deployment = application._bound_deployment.options(autoscaling_config=plain)
        application = deployment.bind(tuple(split.groups[0]))
    serve.start(proxy_location="Disabled")
    serve.run(application, name=APPLICATION, route_prefix=None)
    handle = serve_handle(PERCEPTION, APPLICATION)
    return ServePerception({"face": handle}, within_s=ASK_WITHIN_S)


async def _watch(perception: "ServePerception", callers: int, is_builtin: bool) -> Scaled:
    from bench.candidate.stills import empty_room, jpeg

    clock = SystemClock()
    asks = [FaceAsk(picture=jpeg(empty_room(seed)), search_small=True) for seed in range(PICTURES)]
    await perception.faces(asks[:1])
    answered: list[int] = []

    async def call() -> None:
        while True:
            try:
                await perception.faces(asks)
            except ProctorError:
                await asyncio.sleep(LOOK_EVERY_S)
            else:
                answered.append(clock.monotonic_ms())

    load_average = os.getloadavg()[0]
    states = _States()
    began_ms = clock.monotonic_ms()
    calling = [asyncio.create_task(call()) for _ in range(callers)]
    try:
        decided_ms = await _until(states, clock, lambda seen: sum(seen.values()) >= 2)
        serving_ms = await _until(states, clock, lambda seen: seen.get("RUNNING", 0) >= 2)
        start_cpu_s = _cpu_of_youngest()
        await asyncio.sleep(10)
    finally:
        states.stop()
        for task in calling:
            task.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
    ended_ms = clock.monotonic_ms()
    before = sum(1 for at in answered if at < decided_ms) / (decided_ms - began_ms) * 1000
    after = sum(1 for at in answered if at >= serving_ms) / (ended_ms - serving_ms) * 1000
    return Scaled(
        policy="Serve's own" if is_builtin else "follow_load",
        callers=callers,
        load_average=round(load_average, 1),
        decided_s=(decided_ms - began_ms) / 1000,
        serving_s=(serving_ms - began_ms) / 1000,
        start_cpu_s=round(start_cpu_s, 1),
        calls_before=round(before, 2),
        calls_after=round(after, 2),
    )


def _cpu_of_youngest() -> float:
    """Seconds of processor time of the replica that was started last."""
    replicas = [
        one for one in family(os.getpid()) if kind_of(" ".join(one.cmdline())) == PERCEPTION
    ]
    times = max(replicas, key=lambda one: one.create_time()).cpu_times()
    return float(times.user + times.system)


class _States:
    """The replicas' states, looked up on a thread: Serve's status blocks."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        from ray import serve

        from deployments.wiring import APPLICATION

        while not self._ended.is_set():
            found = serve.status().applications[APPLICATION].deployments[PERCEPTION]
            self.seen = {str(state): count for state, count in found.replica_states.items()}
            self._ended.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


async def _until(states: _States, clock: SystemClock, holds: Any) -> int:
    """The monotonic time at which it held first, in ms. Raises `Unavailable`."""
    give_up = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < give_up:
        if holds(states.seen):
            return clock.monotonic_ms()
        await asyncio.sleep(LOOK_EVERY_S)
    raise Unavailable(f"no second replica within {PATIENCE_S:g} s; there are {states.seen}")
