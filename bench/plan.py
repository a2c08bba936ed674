"""How many machines an exam of so many sessions needs, from measured figures. Pure: no I/O, no clock.

Processor time and memory grow with sessions in a straight line: y(N) = fixed + each * N. `fit` finds both
by least squares over a sweep, `plan` puts a number of sessions in, `check` holds the line against what was
measured at each number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PER_SESSION = ("host", "perception", "shard", "redis")
"""Kinds of processes of which there are more for more sessions; all others are counted together."""


class NotPlannable(ValueError):
    """A figure that is needed is missing, or makes no sense."""


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
class Line:
    """y(N) = fixed + each * N."""

    fixed: float
    each: float

    def at(self, sessions: float) -> float:
        """Y at a number of sessions."""
        return self.fixed + self.each * sessions


@dataclass(frozen=True, slots=True)
class Measured:
    """One point of a sweep.

    Attributes:
        sessions: N.
        cores: Cores that the machine has.
        core_s: Cores busy, by kind of process.
        memory_mb: Memory of all processes.
    """

    sessions: int
    cores: int
    core_s: Mapping[str, float]
    memory_mb: float


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


@dataclass(frozen=True, slots=True)
class Compared:
    """A prediction against a measurement.

    Attributes:
        sessions: At which N.
        what: `cores` or `memory_mb`.
        predicted: By the line; for cores at most those that the machine has.
        measured: What was.
        is_full: The line asks for more cores than there are: the product was overloaded.
    """

    sessions: int
    what: str
    predicted: float
    measured: float
    is_full: bool = False

    @property
    def relative_error(self) -> float:
        """(predicted - measured) / measured."""
        return (self.predicted - self.measured) / self.measured


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """Least squares through (N, y); neither a negative beginning nor a negative slope makes sense.

    Raises:
        NotPlannable: Fewer than two different N.
    """
    if len({n for n, _ in points}) < 2:
        raise NotPlannable("a line needs two different numbers of sessions")
    mean_n = sum(n for n, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((n - mean_n) ** 2 for n, _ in points)
    each = max(0.0, sum((n - mean_n) * (y - mean_y) for n, y in points) / spread)
    fixed = mean_y - each * mean_n
    if fixed < 0:  # through the origin instead
        each = sum(n * y for n, y in points) / sum(n * n for n, _ in points)
        fixed = 0.0
    return Line(fixed, each)


def lines_of(points: Sequence[Measured]) -> dict[str, Line]:
    """Cores by kind of process, and `memory_mb`, as lines over sessions."""
    kinds = sorted({kind for point in points for kind in point.core_s})
    found = {
        kind: fit([(point.sessions, point.core_s.get(kind, 0.0)) for point in points])
        for kind in kinds
    }
    found["memory_mb"] = fit([(point.sessions, point.memory_mb) for point in points])
    return found


def predicted_cores(lines: Mapping[str, Line], sessions: float) -> float:
    """Cores that all processes together ask for."""
    return sum(line.at(sessions) for name, line in lines.items() if name != "memory_mb")


def check(
    measured: Sequence[Measured], lines: Mapping[str, Line] | None = None
) -> tuple[Compared, ...]:
    """Predictions against measurements.

    Args:
        measured: A sweep.
        lines: What was fitted elsewhere. None: each point is predicted from the others of the sweep.

    Raises:
        NotPlannable: Without `lines`, fewer than three points.
    """
    if lines is None and len(measured) < 3:
        raise NotPlannable("a sweep is held against itself from three numbers of sessions on")
    found: list[Compared] = []
    for point in measured:
        others = [other for other in measured if other is not point]
        by = lines_of(others) if lines is None else lines
        asked = predicted_cores(by, point.sessions)
        is_full = asked > point.cores
        cores = min(asked, float(point.cores))
        used = sum(point.core_s.values())
        found.append(Compared(point.sessions, "cores", cores, used, is_full))
        memory = by["memory_mb"].at(point.sessions)
        found.append(Compared(point.sessions, "memory_mb", memory, point.memory_mb))
    return tuple(found)


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
