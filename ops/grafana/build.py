"""Writes the dashboards: `python ops/grafana/build.py`. Queries stand here; layout is worked out.

Each dashboard is a list of rows of panels. The data source is a variable, so a dashboard can be
imported as it is. Rates use Grafana's own `$__rate_interval`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
HEIGHT = 8


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        title: What it shows.
        queries: Legend -> PromQL; the legend may name labels as {{label}}.
        unit: Grafana's unit.
        says: One sentence for whoever reads it at night.
        is_number: One large number instead of a curve.
    """

    title: str
    queries: dict[str, str]
    unit: str = "short"
    says: str = ""
    is_number: bool = False


def p(quantile: float, name: str, by: str) -> str:
    """A quantile of a histogram of ours."""
    inside = f"sum by ({by}, le) (rate({name}_bucket[$__rate_interval]))"
    return f"histogram_quantile({quantile}, {inside})"


def rate(name: str, by: str, where: str = "") -> str:
    """A counter of ours, each second."""
    return f"sum by ({by}) (rate({name}{where}[$__rate_interval]))"


DASHBOARDS: dict[str, tuple[str, list[list[Panel]]]] = {
    "overview": (
        "RayProctor: overview",
        [
            [
                Panel("Sessions", {"sessions": "sum(proctor_host_sessions)"}, is_number=True),
                Panel(
                    "Blind by a fault",
                    {"{{modality}}": "proctor:sessions:blind_by_fault or vector(0)"},
                    says="Covered lenses and dark rooms are not in it.",
                    is_number=True,
                ),
                Panel(
                    "Alerts firing",
                    {"alerts": 'count(ALERTS{alertstate="firing"}) or vector(0)'},
                    is_number=True,
                ),
                Panel(
                    "Owed to readers",
                    {"outbox": "max(proctor_outbox_pending)"},
                    says="Committed and not yet in the feed.",
                    is_number=True,
                ),
            ],
            [
                Panel(
                    "Sessions by state",
                    {"{{modality}} {{state}}": "proctor:sessions:by_state"},
                ),
                Panel(
                    "Sessions by reason",
                    {
                        "{{modality}} {{state}} {{reason}}": "sum by (modality, state, reason) "
                        '(proctor_sessions_coverage{state!="monitored"}) > 0'
                    },
                    says="Why sessions are not fully watched.",
                ),
            ],
            [
                Panel(
                    "Incidents by rule, each hour",
                    {
                        "{{rule}} {{severity}}": "sum by (rule, severity) "
                        "(increase(proctor_incidents_opened_total[1h]))"
                    },
                    says="Rules of policies that are no preset count as custom.",
                ),
                Panel(
                    "From behaviour to alert",
                    {
                        "p50": p(0.5, "proctor_alert_delay_seconds", "job"),
                        "p95": p(0.95, "proctor_alert_delay_seconds", "job"),
                    },
                    "s",
                ),
            ],
            [
                Panel(
                    "Requests",
                    {"{{status}}": rate("proctor_http_requests_total", "status")},
                    "reqps",
                ),
                Panel(
                    "Time to answer, p95",
                    {"{{route}}": p(0.95, "proctor_http_request_seconds", "route")},
                    "s",
                ),
            ],
            [
                Panel(
                    "Stores: what could not be written",
                    {
                        "{{what}}": rate("proctor_shard_unwritten_total", "what"),
                        "rows that wait": "sum(proctor_shard_unsynced_rows)",
                    },
                ),
                Panel(
                    "Proof, retention, erasure",
                    {
                        "sessions not chained": "max(proctor_sessions_unchained)",
                        "overdue {{what}}": "max by (what) (proctor_retention_overdue)",
                        "erasures owed": "max(proctor_erasures_owed)",
                        "chain behind, s": "time() - "
                        'max(proctor_loop_succeeded_at_seconds{loop="chainer"})',
                    },
                ),
            ],
        ],
    ),
    "perception": (
        "RayProctor: perception",
        [
            [
                Panel(
                    "Looks each second and session",
                    {"{{group}}": "proctor:looks:per_session_hz5m"},
                    "hertz",
                    "The effective rate.",
                ),
                Panel(
                    "Looks that were had, of those that policies want",
                    {"{{group}}": "proctor:looks:seen_ratio5m"},
                    "percentunit",
                ),
            ],
            [
                Panel(
                    "Time of a call, p95",
                    {"{{group}}": p(0.95, "proctor_host_call_seconds", "group")},
                    "s",
                    "As the hosts see it, waiting for a replica included.",
                ),
                Panel(
                    "Time in a replica, p95",
                    {"{{group}}": p(0.95, "proctor_perception_seconds", "group")},
                    "s",
                ),
            ],
            [
                Panel(
                    "Batch size, mean",
                    {"{{group}}": "proctor:perception_batch_size:mean5m"},
                ),
                Panel(
                    "Calls by outcome",
                    {
                        "{{group}} {{outcome}}": rate("proctor_host_calls_total", "group, outcome"),
                        "{{group}} failed in the replica": rate(
                            "proctor_perception_failures_total", "group"
                        ),
                    },
                ),
            ],
            [
                Panel(
                    "Networks on the CPU that should be on a GPU",
                    {"{{group}}": "sum by (group) (proctor_models_on_fallback)"},
                ),
                Panel(
                    "Level given up",
                    {"highest": "max(proctor_host_shed_level)"},
                    says="0 nothing, 1 bodies, 2 small faces, 3 attention, 4 half of the faces.",
                ),
            ],
        ],
    ),
    "delivery": (
        "RayProctor: delivery",
        [
            [
                Panel(
                    "Outbox",
                    {
                        "alerts": "max(proctor_outbox_pending)",
                        "oldest, s": "max(proctor_outbox_lag_seconds)",
                    },
                ),
                Panel(
                    "Owed to sinks",
                    {
                        "{{kind}}": "max by (kind) (proctor_delivery_pending)",
                        "{{kind}} oldest, s": "max by (kind) (proctor_delivery_lag_seconds)",
                    },
                ),
            ],
            [
                Panel(
                    "From alert to delivery, p95",
                    {
                        "{{kind}}": "proctor:delivery_delay_seconds:p95_5m",
                        "{{kind}} ": "proctor:live_delay_seconds:p95_5m",
                    },
                    "s",
                    "Sinks, and readers that had caught up.",
                ),
                Panel(
                    "Tries by outcome",
                    {
                        "{{kind}} {{outcome}} {{code}}": rate(
                            "proctor_delivery_attempts_total", "kind, outcome, code"
                        )
                    },
                ),
            ],
            [
                Panel(
                    "Dead letters",
                    {"{{kind}}": "max by (kind) (proctor_delivery_dead_letters)"},
                ),
                Panel(
                    "Readers",
                    {
                        "sockets {{kind}}": "sum by (kind) (proctor_live_sockets)",
                        "streams {{kind}}": "sum by (kind) (proctor_live_streams)",
                    },
                ),
            ],
            [
                Panel(
                    "Evidence that waits for its store",
                    {
                        "waiting {{instance}}": "sum by (instance) (proctor_evidence_spool_bytes)",
                        "limit {{instance}}": "sum by (instance) "
                        "(proctor_evidence_spool_limit_bytes)",
                    },
                    "bytes",
                ),
                Panel(
                    "Evidence lost, each hour",
                    {"{{reason}}": "sum by (reason) (increase(proctor_evidence_lost_total[1h]))"},
                ),
            ],
        ],
    ),
    "hosts": (
        "RayProctor: hosts",
        [
            [
                Panel(
                    "Hosts",
                    {
                        "{{state}}": "sum by (state) (proctor_hosts)",
                        "wanted": "max(proctor_hosts_wanted)",
                        "take no new session": "max(proctor_hosts_refusing)",
                    },
                ),
                Panel(
                    "Sessions and places",
                    {
                        "sessions": "max(proctor_hosts_sessions)",
                        "places": "max(proctor_hosts_places)",
                    },
                ),
            ],
            [
                Panel(
                    "How late ticks begin, p95",
                    {
                        "all hosts": p(0.95, "proctor_host_tick_lag_seconds", "job"),
                        "worst host, mean": "max(proctor_hosts_worst_lag_seconds)",
                    },
                    "s",
                ),
                Panel(
                    "Admissions",
                    {
                        "{{outcome}}": rate("proctor_placements_total", "outcome"),
                        "refused by a host: {{why}}": rate("proctor_host_refusals_total", "why"),
                    },
                ),
            ],
            [
                Panel(
                    "What the reconciler did, each hour",
                    {
                        "made": "sum(increase(proctor_actors_made_total[1h]))",
                        "restarted": "sum(increase(proctor_actors_restarted_total[1h]))",
                        "ended: {{why}}": "sum by (why) (increase(proctor_actors_ended_total[1h]))",
                        "sessions asked to move": "sum(increase("
                        "proctor_sessions_asked_to_move_total[1h]))",
                    },
                ),
                Panel(
                    "Queues of hosts and shards",
                    {
                        "reports that wait": "sum(proctor_host_reports_waiting)",
                        "recordings, bytes": "sum(proctor_shard_recording_waiting_bytes)",
                        "shards": "max(proctor_shards)",
                        "shards wanted": "max(proctor_shards_wanted)",
                    },
                ),
            ],
            [
                Panel(
                    "Connections by state",
                    {"{{state}}": rate("proctor_webrtc_connections_total", "state")},
                ),
                Panel(
                    "What the network lost",
                    {
                        "pictures given up": "sum(rate("
                        "proctor_webrtc_video_gaps_total[$__rate_interval]))",
                        "sound that never came": "sum(rate("
                        "proctor_webrtc_audio_gaps_total[$__rate_interval]))",
                        "asked for again": "sum(rate("
                        "proctor_webrtc_nacks_total[$__rate_interval]))",
                    },
                ),
            ],
        ],
    ),
}


def dashboard(name: str, title: str, rows: list[list[Panel]]) -> dict[str, Any]:
    """One dashboard as Grafana imports it (schema 39, Grafana 10 and later)."""
    panels = []
    for y, row in enumerate(rows):
        for x, panel in enumerate(row):
            width = WIDTH // len(row)
            place = {"h": HEIGHT, "w": width, "x": x * width, "y": y * HEIGHT}
            panels.append(_panel(len(panels) + 1, panel, place))
    return {
        "uid": f"rayproctor-{name}",
        "title": title,
        "tags": ["rayproctor"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "tags": ["rayproctor"],
                "title": "RayProctor",
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "panels": panels,
    }


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + at),
            "datasource": SOURCE,
            "expr": query,
            "legendFormat": legend,
            "range": True,
        }
        for at, (legend, query) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": "stat" if panel.is_number else "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def texts() -> dict[str, str]:
    """File name -> content of every dashboard."""
    return {
        f"{name}.json": json.dumps(dashboard(name, title, rows), indent=1) + "\n"
        for name, (title, rows) in DASHBOARDS.items()
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text)
