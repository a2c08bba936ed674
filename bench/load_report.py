"""What a load run measured: processor time and memory by kind of process, delays, losses."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from bench.candidate.wire import SessionView
from bench.crowd import Attended, CrowdTook
from bench.verdict import Row, Verdict, percentiles, unaccounted_ms
from bench.window import ProcessRow, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """All that was measured.

    Attributes:
        sessions: How many were asked for.
        idle: The product before anybody joined.
        first: The product with the first candidate there alone.
        busy: The product with everybody there.
        took: The load generator's own processor time, by worker.
        attended: How it went for each candidate.
        views: Each session as it ended.
        verdicts: Each session's alerts against its script.
        items: What each model group was asked while everybody was there.
        undelivered: Alerts in the store that the live feed did not bring.
    """

    sessions: int
    idle: Window
    first: Sequence[ProcessRow]
    busy: Window
    took: Sequence[CrowdTook]
    attended: Sequence[Attended]
    views: Mapping[str, SessionView]
    verdicts: Mapping[str, Verdict]
    items: Mapping[str, float]
    undelivered: int


class KindFigures(BaseModel):
    """One kind of process. CPU in ms per session and second, memory as proportional set size."""

    model_config = ConfigDict(frozen=True)

    processes: int
    cpu_ms_per_session_s: float
    core_percent: float
    idle_core_percent: float
    pss_mb: float
    largest_pss_mb: float


class LoadFigures(BaseModel):
    """A load run in numbers; delays in seconds unless the name says otherwise.

    Attributes:
        sessions: How many candidates.
        seconds: Length of the measured stretch.
        server_cpu_ms_per_session_second: Of the product by kind of process, and `all`.
        stock_aiortc_cpu_ms_per_session_second: Of a process that only receives with stock aiortc; None
            when it was not measured.
        stock_aiortc_same_packets_cpu_ms_per_session_second: The same with our packets of sound.
        ratio: Of `all` to the first; None without it.
        ratio_same_packets: Of `all` to the second.
        generator_cpu_ms_per_session_second: Of the candidates' processes, within the measured stretch.
        alert_delay_ms: From an event to its alert at the WebSocket, less the dwell of the rule.
        alert_delay_ms_by_severity: The same by severity as the alert says it.
        effective_fps: What each model group was asked, per session and second.
        rss_mb: Memory by kind of process, shared pages counted whole.
        host_mb_per_session_beyond_first: What all hosts grew by for each candidate after the first (PSS).
        footage: What was played.
        ptime_ms: Packet time of the sound.
        event_every_s: How often a candidate misbehaved.
        cores: Cores of the machine.
        kbps_per_session: What a candidate at work sends, with all headers.
    """

    model_config = ConfigDict(frozen=True)

    sessions: int
    seconds: float
    server_cpu_ms_per_session_second: dict[str, float]
    stock_aiortc_cpu_ms_per_session_second: float | None
    stock_aiortc_same_packets_cpu_ms_per_session_second: float | None
    ratio: float | None
    ratio_same_packets: float | None
    generator_cpu_ms_per_session_second: float
    alert_delay_ms: dict[str, float]
    alert_delay_ms_by_severity: dict[str, dict[str, float]]
    effective_fps: dict[str, float]
    rss_mb: dict[str, float]
    host_mb_per_session_beyond_first: float | None
    footage: str
    ptime_ms: int
    event_every_s: float
    cores: int
    kbps_per_session: float
    kinds: dict[str, KindFigures]
    idle_core_percent: float
    idle_pss_mb: float
    busy_core_percent: float
    busy_pss_mb: float
    client_core_percent: float
    expected_alerts: int
    delay_s: dict[str, float]
    beyond_dwell_s: dict[str, float]
    beyond_dwell_by_rule_s: dict[str, dict[str, float]]
    monitored_after_s: dict[str, float]
    coverage_share: dict[str, float]
    lost_alerts: int
    undelivered_alerts: int
    repeated_alerts: int
    false_alerts: int
    false_by_rule: dict[str, int]
    sessions_never_joined: int
    sessions_dropped: int
    breaks: dict[str, int]
    coverage_unaccounted_ms: int


class Circumstances(BaseModel):
    """What the figures are read against.

    Attributes:
        stock_cpu_ms: CPU of stock aiortc per session-second with packets of 20 ms; None: not measured.
        stock_same_packets_cpu_ms: The same with packets of `ptime_ms`.
        footage: What was played.
        ptime_ms: Packet time of the sound.
        event_every_s: How often a candidate misbehaved.
        cores: Cores of the machine.
        kbps_per_session: What a candidate at work sends, with all headers.
    """

    model_config = ConfigDict(frozen=True)

    stock_cpu_ms: float | None = None
    stock_same_packets_cpu_ms: float | None = None
    footage: str = ""
    ptime_ms: int = 60
    event_every_s: float = 60.0
    cores: int = 1
    kbps_per_session: float = 0.0


def figures(result: LoadResult, about: Circumstances | None = None) -> LoadFigures:
    """Work the measurements out."""
    about = about or Circumstances()
    busy, idle = result.busy, result.idle
    busy_cpu, idle_cpu = busy.cpu_s_by_kind(), idle.cpu_s_by_kind()
    kinds = {
        kind: KindFigures(
            processes=count,
            cpu_ms_per_session_s=1000 * busy_cpu[kind] / busy.seconds / result.sessions,
            core_percent=100 * busy_cpu[kind] / busy.seconds,
            idle_core_percent=100 * idle_cpu.get(kind, 0.0) / idle.seconds,
            pss_mb=total,
            largest_pss_mb=largest,
        )
        for kind, (count, total, largest) in sorted(busy.memory_mb_by_kind().items())
    }
    rows = [row for verdict in result.verdicts.values() for row in verdict.rows]
    false = [news for verdict in result.verdicts.values() for news in verdict.unexpected]
    rules = sorted({row.expected.rule_id for row in rows})
    ended = [view for view in result.views.values() if view.started_at and view.ended_at]
    server = {kind: row.cpu_ms_per_session_s for kind, row in kinds.items()}
    server["all"] = sum(server.values())
    measured_s = max((took.measured_s for took in result.took), default=0.0)
    client_cpu_s = sum(took.measured_cpu_s for took in result.took)
    return LoadFigures(
        sessions=result.sessions,
        seconds=busy.seconds,
        server_cpu_ms_per_session_second=server,
        stock_aiortc_cpu_ms_per_session_second=about.stock_cpu_ms,
        stock_aiortc_same_packets_cpu_ms_per_session_second=about.stock_same_packets_cpu_ms,
        ratio=_ratio(server["all"], about.stock_cpu_ms),
        ratio_same_packets=_ratio(server["all"], about.stock_same_packets_cpu_ms),
        generator_cpu_ms_per_session_second=1000
        * client_cpu_s
        / max(measured_s, 0.001)
        / result.sessions,
        alert_delay_ms=_in_ms(_beyond(rows)),
        alert_delay_ms_by_severity={
            severity: _in_ms(_beyond(row for row in rows if _severity(row) == severity))
            for severity in sorted({_severity(row) for row in rows} - {""})
        },
        effective_fps={
            group: count / busy.seconds / result.sessions
            for group, count in sorted(result.items.items())
        },
        rss_mb=busy.rss_mb_by_kind(),
        host_mb_per_session_beyond_first=_growth_mb(result),
        footage=about.footage,
        ptime_ms=about.ptime_ms,
        event_every_s=about.event_every_s,
        cores=about.cores,
        kbps_per_session=about.kbps_per_session,
        kinds=kinds,
        idle_core_percent=100 * sum(idle_cpu.values()) / idle.seconds,
        idle_pss_mb=sum(row.pss_mb for row in idle.after),
        busy_core_percent=sum(kind.core_percent for kind in kinds.values()),
        busy_pss_mb=sum(kind.pss_mb for kind in kinds.values()),
        client_core_percent=100 * client_cpu_s / max(measured_s, 0.001),
        expected_alerts=len(rows),
        delay_s=percentiles([row.delay_s for row in rows if row.delay_s is not None]),
        beyond_dwell_s=percentiles(_beyond(rows)),
        beyond_dwell_by_rule_s={
            rule: percentiles(_beyond(row for row in rows if row.expected.rule_id == rule))
            for rule in rules
        },
        monitored_after_s=percentiles([_monitored_from_s(view) for view in ended]),
        coverage_share=_coverage_share(ended),
        lost_alerts=sum(len(verdict.missing) for verdict in result.verdicts.values()),
        undelivered_alerts=result.undelivered,
        repeated_alerts=sum(len(verdict.tolerated) for verdict in result.verdicts.values()),
        false_alerts=len(false),
        false_by_rule=_counted(news.alert.rule_id for news in false),
        sessions_never_joined=sum(not one.connections for one in result.attended),
        sessions_dropped=sum(one.connections > 1 or bool(one.problem) for one in result.attended),
        breaks=_counted(why for one in result.attended for why in one.breaks),
        coverage_unaccounted_ms=max((unaccounted_ms(view) for view in ended), default=0),
    )


def _beyond(rows: Iterable[Row]) -> list[float]:
    return [row.beyond_dwell_s for row in rows if row.beyond_dwell_s is not None]


def _in_ms(seconds: Sequence[float]) -> dict[str, float]:
    return {name: 1000 * value for name, value in percentiles(seconds).items()}


def _severity(row: Row) -> str:
    return row.heard.alert.severity if row.heard is not None else ""


def _ratio(value: float, to: float | None) -> float | None:
    return None if not to else value / to


def _growth_mb(result: LoadResult) -> float | None:
    """Growth of all hosts together from one candidate to all, per candidate; None for a single one."""
    if result.sessions < 2:
        return None
    alone = sum(row.pss_mb for row in result.first if row.kind == "host")
    together = sum(row.pss_mb for row in result.busy.after if row.kind == "host")
    return (together - alone) / (result.sessions - 1)


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def _monitored_from_s(view: SessionView) -> float:
    """When the later of the two modalities was first monitored; a session's length when never."""
    assert view.started_at is not None
    assert view.ended_at is not None
    length_s = (view.ended_at - view.started_at).total_seconds()
    firsts = [
        min(
            (
                p.start_ms / 1000
                for p in view.coverage
                if p.modality == m and p.state == "monitored"
            ),
            default=length_s,
        )
        for m in ("video", "audio")
    ]
    return max(firsts)


def _coverage_share(views: Sequence[SessionView]) -> dict[str, float]:
    """Share of all sessions' time by modality, state and reason, the largest first."""
    sums: dict[str, int] = {}
    lengths: dict[str, int] = {}
    for part in (part for view in views for part in view.coverage if part.end_ms is not None):
        name = f"{part.modality} {part.state}" + (f" ({part.reason})" if part.reason else "")
        length = (part.end_ms or 0) - part.start_ms
        sums[name] = sums.get(name, 0) + length
        lengths[part.modality] = lengths.get(part.modality, 0) + length
    shares = {name: total / max(1, lengths[name.split()[0]]) for name, total in sums.items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
