"""The load generator's arithmetic: processor time per session-second, memory, losses, shares."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from bench.candidate.listener import Heard
from bench.candidate.pictures import Covered
from bench.candidate.scenes import Expected, Scene
from bench.candidate.sounds import QuietRoom
from bench.candidate.wire import AlertView, CoveragePart, SessionView
from bench.crowd import Attended, CrowdTook
from bench.groups import items_by_group
from bench.load import FIRST_ALONE_S, Asked
from bench.load_report import Circumstances, LoadResult, figures
from bench.load_tables import print_figures
from bench.profile import busiest
from bench.sweep import SweepFigures, print_sweep
from bench.verdict import Row, Verdict
from bench.window import Window


@dataclass(frozen=True)
class Process:
    kind: str
    pid: int
    pss_mb: float
    cpu_s: float
    descriptors: int = 0

    @property
    def rss_mb(self) -> float:
        return self.pss_mb * 1.5 if self.kind == "host" else self.pss_mb + 2


def window(seconds: float, before: list[Process], after: list[Process]) -> Window:
    return Window(before=before, after=after, seconds=seconds)


def session(name: str, monitored_from_ms: int) -> SessionView:
    def part(modality: str, state: str, reason: str | None, start: int, end: int) -> CoveragePart:
        return CoveragePart(
            modality=modality, state=state, reason=reason, start_ms=start, end_ms=end
        )

    return SessionView(
        session_id=name,
        state="ended",
        epoch=1,
        started_at=datetime.fromtimestamp(0, UTC),
        ended_at=datetime.fromtimestamp(10, UTC),
        coverage=(
            part("video", "blind", "no_media", 0, monitored_from_ms),
            part("video", "monitored", None, monitored_from_ms, 10_000),
            part("audio", "monitored", None, 0, 10_000),
        ),
    )


def result() -> LoadResult:
    busy_before = [Process("host", 1, 100, 5.0), Process("host", 2, 90, 1.0)]
    busy_after = [Process("host", 1, 120, 7.0), Process("host", 3, 80, 0.5)]  # 2 died, 3 is new
    return LoadResult(
        sessions=4,
        idle=window(10, [Process("host", 1, 60, 4.0)], [Process("host", 1, 64, 4.2)]),
        busy=window(50, busy_before, [*busy_after, Process("redis", 9, 5, 0.25)]),
        first=[Process("host", 1, 70, 5.0), Process("host", 2, 10, 1.0), Process("redis", 9, 5, 0)],
        took=[
            CrowdTook(cpu_s=4.0, measured_cpu_s=2.0, measured_s=60.0),
            CrowdTook(cpu_s=2.0, measured_cpu_s=1.0, measured_s=60.0),
        ],
        attended=[
            Attended(session_id="a", began_at=1.0, connections=1),
            Attended(session_id="b", began_at=1.0, connections=2, breaks=("asked",)),
            Attended(session_id="c", began_at=0.0, connections=0, problem="full"),
        ],
        views={"a": session("a", 200), "b": session("b", 600)},
        verdicts={name: Verdict((), (), ()) for name in ("a", "b")},
        items={"face": 240.0},
        undelivered=1,
    )


def test_processor_time_is_told_per_session_second_and_new_processes_count_whole() -> None:
    found = figures(result())
    host = found.kinds["host"]
    assert host.processes == 2
    assert host.cpu_ms_per_session_s == pytest.approx(1000 * 2.5 / 50 / 4)
    assert host.core_percent == pytest.approx(5.0)
    assert host.idle_core_percent == pytest.approx(2.0)
    assert (host.pss_mb, host.largest_pss_mb) == (200, 120)
    assert found.kinds["redis"].cpu_ms_per_session_s == pytest.approx(1.25)
    assert found.busy_core_percent == pytest.approx(5.5)
    assert found.idle_pss_mb == 64
    assert found.client_core_percent == pytest.approx(5.0)


def test_sessions_are_counted_by_how_they_went() -> None:
    found = figures(result())
    assert (found.sessions_never_joined, found.sessions_dropped) == (1, 2)
    assert found.breaks == {"asked": 1}
    assert found.undelivered_alerts == 1 and found.lost_alerts == 0
    assert found.monitored_after_s["max"] == pytest.approx(0.6)
    assert found.coverage_share["video monitored"] == pytest.approx(0.96)
    assert found.coverage_share["audio monitored"] == 1.0
    assert found.coverage_unaccounted_ms == 0


def test_figures_are_printed_and_survive_json() -> None:
    found = figures(result())
    assert type(found).model_validate_json(found.model_dump_json()) == found
    page = StringIO()
    print_figures(found, Console(file=page, width=120))
    assert "CPU ms per session-s" in page.getvalue() and "asked" in page.getvalue()


def test_the_denominator_is_told_with_the_ratio() -> None:
    about = Circumstances(stock_cpu_ms=20.0, stock_same_packets_cpu_ms=15.0, footage="a room")
    found = figures(result(), about)
    assert found.server_cpu_ms_per_session_second["all"] == pytest.approx(13.75)
    assert found.ratio == pytest.approx(13.75 / 20) and found.ratio_same_packets == pytest.approx(
        13.75 / 15
    )
    page = StringIO()
    print_figures(found, Console(file=page, width=120))
    assert "ratio: 0.69; with the same packets: 0.92" in page.getvalue()
    assert figures(result()).ratio is None


def test_the_generator_is_told_apart_within_the_measured_stretch() -> None:
    assert figures(result()).generator_cpu_ms_per_session_second == pytest.approx(1000 * 3 / 60 / 4)


def test_hosts_grow_from_the_first_candidate_to_the_last() -> None:
    found = figures(result())
    assert found.host_mb_per_session_beyond_first == pytest.approx((200 - 80) / 3)
    assert found.rss_mb == {"host": 300.0, "redis": 7.0}


def test_what_the_models_were_asked_is_told_per_session_and_second() -> None:
    assert figures(result()).effective_fps == {"face": pytest.approx(240 / 50 / 4)}


def news(severity: str, at: float) -> Heard:
    alert = AlertView(
        alert_id="alr_1",
        seq=1,
        session_id="a",
        incident_id="inc_1",
        transition="opened",
        rule_id="no_face",
        category="conduct",
        severity=severity,
        title="",
        reason="",
        occurred_ms=0,
        raised_at=datetime.fromtimestamp(0, UTC),
    )
    return Heard(1, alert, at)


def test_delays_are_told_by_severity_less_the_dwell() -> None:
    scene = Scene(name="x", start_s=0, picture=Covered(), sound=QuietRoom())
    due = Expected(rule_id="no_face", within_s=9, dwell_s=3)
    rows = [
        Row(scene, due, news("medium", 4.0), 4.0),
        Row(scene, due, news("high", 3.5), 3.5),
        Row(scene, due, None, None),
    ]
    found = figures(replace(result(), verdicts={"a": Verdict(tuple(rows), (), ())}))
    assert found.alert_delay_ms["max"] == pytest.approx(1000)
    assert found.alert_delay_ms_by_severity["high"]["p50"] == pytest.approx(500)
    assert found.lost_alerts == 1 and set(found.alert_delay_ms_by_severity) == {"high", "medium"}


def test_everybody_is_there_when_the_measuring_begins_and_until_it_ends() -> None:
    asked = Asked(sessions=10, seconds=60, idle_s=1, join_over_s=20, event_every_s=60)
    for number in range(10):
        joins_s = asked.joins_after_s(number)
        assert joins_s < asked.plateau_after_s
        assert joins_s + asked.length_s(number) > asked.plateau_after_s + 60
    assert asked.joins_after_s(0) == 0 and asked.joins_after_s(1) == FIRST_ALONE_S


def test_asks_of_a_group_are_read_from_the_products_own_counters() -> None:
    text = """# HELP proctor_host_batch_size Asks in one call to a model group.
# TYPE proctor_host_batch_size histogram
proctor_host_batch_size_bucket{group="face",le="1.0"} 2.0
proctor_host_batch_size_bucket{group="face",le="+Inf"} 3.0
proctor_host_batch_size_count{group="face"} 3.0
proctor_host_batch_size_sum{group="face"} 12.0
# HELP proctor_host_sessions Sessions hosted.
# TYPE proctor_host_sessions gauge
proctor_host_sessions 4.0
"""
    assert items_by_group(text) == {"face": 12.0} and items_by_group("") == {}


def test_the_busiest_process_of_each_kind_is_profiled() -> None:
    before = [Process("host", 1, 0, 5.0), Process("host", 2, 0, 1.0), Process("redis", 3, 0, 1.0)]
    after = [
        Process("host", 1, 0, 5.5),
        Process("host", 2, 0, 3.0),
        Process("redis", 3, 0, 1.01),
        Process("shard", 4, 0, 9.0),  # born meanwhile: nothing is known of it
    ]
    assert busiest(before, after, 3.0) == {"host": 2}
    kinds = [Process(f"k{n}", n, 0, float(n)) for n in range(1, 10)]
    started = [Process(row.kind, row.pid, 0, 0.0) for row in kinds]
    assert list(busiest(started, kinds, 3.0)) == ["k9", "k8", "k7", "k6", "k5", "k4"]


def test_a_sweep_is_a_row_for_each_number_of_candidates() -> None:
    found = SweepFigures(runs=(figures(result()), figures(replace(result(), sessions=8))))
    assert SweepFigures.model_validate_json(found.model_dump_json()) == found
    page = StringIO()
    print_sweep(found, Console(file=page, width=160))
    rows = [
        line.split() for line in page.getvalue().splitlines() if "13.8" in line or "6.9" in line
    ]
    assert len(rows) == 2
