"""The load generator's arithmetic: processor time per session-second, memory, losses, shares."""

from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench.candidate.pictures import Covered, Moved
from bench.candidate.stills import empty_room
from bench.candidate.wire import CoveragePart, SessionView
from bench.cast import Cast
from bench.crowd import Attended
from bench.load_report import LoadResult, Window, figures, print_figures
from bench.story import write_load_script
from bench.verdict import Verdict
from proctor.fusion.policy import parse_policy

STANDARD = parse_policy(Path("policies/standard.yaml").read_text())


@dataclass(frozen=True)
class Process:
    kind: str
    pid: int
    pss_mb: float
    cpu_s: float


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
        client_cpu_s=3.0,
        client_s=60.0,
        attended=[
            Attended(session_id="a", began_at=1.0, connections=1),
            Attended(session_id="b", began_at=1.0, connections=2, breaks=("asked",)),
            Attended(session_id="c", began_at=0.0, connections=0, problem="full"),
        ],
        views={"a": session("a", 200), "b": session("b", 600)},
        verdicts={name: Verdict((), (), ()) for name in ("a", "b")},
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


def cast() -> Cast:
    picture = Moved(empty_room(1))
    return Cast(
        calm=picture,
        aside=None,
        room=picture,
        beside=picture,
        other=None,
        covered=Covered(),
        speech=np.ones(48_000 * 7, np.int16),
        enrolment=(),
        probes=(),
        other_probes=(),
        notes=(),
    )


@pytest.mark.parametrize("variant", range(5))
def test_a_load_script_is_full_of_events_that_end_before_it_does(variant: int) -> None:
    script = write_load_script(cast(), STANDARD, variant, 75.0)
    due = [scene for scene in script.scenes if scene.expects]
    assert len(due) >= 4
    assert due[0].start_s >= 9.0  # the baseline of the gaze wants a calm beginning
    assert script.end_of(due[-1]) <= 72.0
    assert {e.rule_id for scene in due for e in scene.expects} == {
        "no_face",
        "camera_covered",
        "speech",
    }


def test_variants_do_not_all_do_the_same_at_once() -> None:
    firsts = [
        next(s for s in write_load_script(cast(), STANDARD, v, 75.0).scenes if s.expects)
        for v in range(5)
    ]
    assert len({scene.start_s for scene in firsts}) == 5
    assert len({scene.expects[0].rule_id for scene in firsts}) == 3
