"""A real Prometheus scrapes the running product, reads its rules, and finds what a session left."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.candidate.person import Candidate
from bench.candidate.pictures import Moved
from bench.candidate.reels import encode
from bench.candidate.scenes import Scene, Script
from bench.candidate.sounds import QuietRoom
from bench.candidate.stills import empty_room
from tests.e2e.support.prometheus import Prometheus, scraping
from tests.e2e.support.system import System, get_session, new_session, post, wait_for_alert
from tests.ops.test_dashboards import QUERIES
from tests.ops.test_rules import ALERTS, RECORDED
from tests.ops.watched import EXPOSED

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.parametrize("system", ["50"], indirect=True, ids=["many-per-host"]),
]
OURS = '{__name__=~"proctor_.*"}'


async def test_prometheus_finds_what_a_session_left(system: System, tmp_path: Path) -> None:
    scene = Scene(name="empty", start_s=0, picture=Moved(empty_room(1)), sound=QuietRoom(1))
    with scraping(urlsplit(system.base_url).netloc, tmp_path) as prometheus:
        async with system.client() as client:
            session_id, join_url = await new_session(client, "prometheus")
            candidate = Candidate(system.base_url, encode(Script([scene], 60)))
            await candidate.join(join_url.partition("#ticket=")[2])
            await wait_for_alert(client, session_id, "no_face", 30)
            await asyncio.to_thread(watched, prometheus)
            session = await get_session(client, session_id)
            await post(client, f"/v1/sessions/{session_id}/end", {})
            await candidate.close()
        await asyncio.to_thread(afterwards, prometheus, session)


def watched(prometheus: Prometheus) -> None:
    """While the session goes on."""
    assert prometheus.until('up{job="rayproctor"}', 1) == 1
    assert prometheus.until('sum(proctor_sessions_coverage{modality="video"})', 1) >= 1
    prometheus.until("sum(proctor_host_sessions)", 1)
    prometheus.until('proctor_incidents_opened_total{rule="no_face"}', 1)
    prometheus.until('sum(proctor_host_calls_total{group="face", outcome="answered"})', 3)
    prometheus.until('sum(proctor_perception_seconds_count{group="face"})', 3)
    prometheus.until('sum(proctor_host_looks_total{group="face", what="seen"})', 3)
    prometheus.until('sum(proctor_hosts{state="staying"})', 1)
    prometheus.until('proctor_placements_total{outcome="placed"}', 1)
    prometheus.until('time() - max(proctor_loop_succeeded_at_seconds{loop="dispatcher"}) < 60', 0)
    prometheus.until("proctor_evidence_spool_limit_bytes > 0", 1)
    prometheus.until('proctor:looks:seen_ratio5m{group="face"}', 0.2)


def afterwards(prometheus: Prometheus, session: dict[str, object]) -> None:
    """What was told, and to whom it leads: nobody."""
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(RECORDED) + len(ALERTS)
    assert {rule["health"] for rule in rules} == {"ok"}, [r.get("lastError") for r in rules]
    firing = {rule["name"] for rule in rules if rule.get("state") == "firing"}
    assert firing & {"ProctorNoScrape", "ProctorLoopStuck", "ProctorHostsBelowWanted"} == set()
    assert firing & {"ProctorFeedLag", "ProctorStoreAway", "ProctorShardsBelowWanted"} == set()

    series = prometheus.ask("series", **{"match[]": OURS})
    assert {each["__name__"] for each in series} <= {*EXPOSED, *created()}
    told = repr(series)
    for name in ("session_id", "candidate_id", "exam_id"):
        assert str(session[name]) not in told
    for where, query in QUERIES:
        answer = prometheus.ask("query", query=query.replace("$__rate_interval", "1m"))
        assert answer["resultType"] in ("vector", "scalar"), where


def created() -> set[str]:
    """Names that the library adds to counters and histograms in a process of its own."""
    return {name.rpartition("_")[0] + "_created" for name in EXPOSED}
