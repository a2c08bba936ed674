"""How many machines an exam of so many sessions needs, from measured figures. Pure: no I/O, no clock."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.growth import NotPlannable

PER_SESSION = ("host", "perception", "shard", "redis")
"""Kinds of processes of which there are more for more sessions; all others are counted together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One input.

    Attributes:
        value: The number.
        unit: Of it.
        source: Where it is from.
        date: When it was found, ISO 8601.
        is_measured: False: `assumed`, and printed so.
    """

    value: float
    unit: str
    source: str
    date: str
    is_measured: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a plan: what is needed, and how that was found.

    Attributes:
        name: Of what.
        value: How much.
        unit: Of what it is counted in.
        formula: With names.
        filled: The same with numbers.
    """

    name: str
    value: float
    unit: str
    formula: str
    filled: str


def plan(inputs: Mapping[str, Figure], sessions: int, groups: Sequence[str]) -> tuple[Step, ...]:
    """What `sessions` at once need.

    Args:
        inputs: By name, as `bench/plan_inputs.yaml` lists them.
        sessions: S.
        groups: Model groups; for each there are `fps_<group>` and `gpu_rate_<group>`.

    Raises:
        NotPlannable: An input is missing, or is not positive where it must be.
    """
    return _Planner(inputs, sessions).steps(groups)


class _Planner:
    """Works line by line; each line may rest on those before."""

    def __init__(self, inputs: Mapping[str, Figure], sessions: int) -> None:
        if sessions < 1:
            raise NotPlannable(f"at least one session, got {sessions}")
        self._inputs = inputs
        self._s = sessions
        self._steps: list[Step] = []

    def _get(self, name: str) -> float:
        if name not in self._inputs:
            raise NotPlannable(f"no figure for {name}: add it to the inputs")
        value = self._inputs[name].value
        if value < 0 or not math.isfinite(value):
            raise NotPlannable(f"{name} must not be negative, got {value}")
        return value

    def _above(self, name: str) -> float:
        if (value := self._get(name)) == 0:
            raise NotPlannable(f"{name} must be above 0")
        return value

    def _add(self, name: str, value: float, unit: str, formula: str, filled: str) -> float:
        self._steps.append(Step(name, value, unit, formula, filled))
        return value

    def steps(self, groups: Sequence[str]) -> tuple[Step, ...]:
        """All lines."""
        s, use = self._s, self._above("utilisation")
        hosts = self._hosts(use)
        gpus = self._gpus(groups, use)
        replicas = self._whole("perception replicas", "ms_perception", use, "core_ms_per_replica")
        shards = self._whole("fusion shards", "ms_shard", use)
        redis = self._whole("Redis shards", "ms_redis", use)
        rest = self._add(
            "cores for everything else",
            math.ceil(s * self._get("ms_rest") / (1000 * use)),
            "cores",
            "ceil(S * ms_rest / (1000 * u))",
            f"ceil({s} * {self._get('ms_rest'):g} / (1000 * {use:g}))",
        )
        cores = self._add(
            "cores",
            hosts + replicas * self._get("core_ms_per_replica") / 1000 + shards + redis + rest,
            "cores",
            "hosts + replicas * cores a replica + shards + redis + rest",
            f"{hosts:g} + {replicas:g} * {self._get('core_ms_per_replica') / 1000:g} + {shards:g} "
            f"+ {redis:g} + {rest:g}",
        )
        self._network(hosts)
        machines = self._machines(cores)
        self._cost(machines, gpus)
        return tuple(self._steps)

    def _hosts(self, use: float) -> float:
        s, ms = self._s, self._above("ms_host")
        mb, base = self._above("host_mb_each"), self._get("host_mb_first")
        room = self._above("host_mb_limit")
        by_cpu = math.floor(1000 * use / ms)
        by_memory = math.floor((room - base) / mb) + 1
        per_host = min(by_cpu, by_memory)
        if per_host < 1:
            raise NotPlannable(f"one session asks more than a host has: {ms:g} ms, {base:g} MB")
        self._add(
            "sessions a host",
            per_host,
            "sessions",
            "min(floor(1000 * u / ms_host), floor((mb_limit - mb_first) / mb_each) + 1)",
            f"min(floor(1000 * {use:g} / {ms:.3g}), floor(({room:g} - {base:.0f}) / {mb:.3g}) + 1)",
        )
        return self._add(
            "session hosts (one core each)",
            math.ceil(s / per_host),
            "processes",
            "ceil(S / sessions a host)",
            f"ceil({s} / {per_host})",
        )

    def _gpus(self, groups: Sequence[str], use: float) -> float:
        parts = [(self._get(f"fps_{g}"), self._above(f"gpu_rate_{g}")) for g in groups]
        share = sum(fps / rate for fps, rate in parts)
        filled = " + ".join(f"{fps:.3g}/{rate:g}" for fps, rate in parts) or "0"
        return self._add(
            "GPUs",
            math.ceil(self._s * share / use),
            "GPUs",
            "ceil(S * sum over groups(fps / gpu_rate) / u)",
            f"ceil({self._s} * ({filled}) / {use:g})",
        )

    def _whole(self, name: str, ms: str, use: float, room: str = "") -> float:
        s, each, has = self._s, self._get(ms), self._above(room) if room else 1000.0
        return self._add(
            name,
            math.ceil(s * each / (has * use)),
            "processes",
            f"ceil(S * {ms} / ({room or '1000'} * u))",
            f"ceil({s} * {each:.3g} / ({has:g} * {use:g}))",
        )

    def _network(self, hosts: float) -> None:
        kbps = self._above("kbps_session")
        total = self._s * kbps / 1e6
        self._add("network, in", total, "Gbit/s", "S * kbps / 10^6", f"{self._s} * {kbps:g} / 10^6")
        self._add(
            "network of a host, in",
            total * 1000 / hosts,
            "Mbit/s",
            "network in / hosts",
            f"{total * 1000:.4g} / {hosts:g}",
        )

    def _machines(self, cores: float) -> float:
        of, fixed = self._above("machine_cores"), self._get("machine_cores_fixed")
        if fixed >= of:
            raise NotPlannable(f"a machine of {of:g} cores has none left beside its own {fixed:g}")
        return self._add(
            "machines",
            math.ceil(cores / (of - fixed)),
            "machines",
            "ceil(cores / (machine_cores - machine_cores_fixed))",
            f"ceil({cores:g} / ({of:g} - {fixed:.3g}))",
        )

    def _cost(self, machines: float, gpus: float) -> None:
        machine, gpu = self._get("price_machine_hour"), self._get("price_gpu_hour")
        self._add(
            "cost of a session-hour",
            (machines * machine + gpus * gpu) / self._s,
            "USD",
            "(machines * price_machine_hour + GPUs * price_gpu_hour) / S",
            f"({machines:g} * {machine:g} + {gpus:g} * {gpu:g}) / {self._s}",
        )
