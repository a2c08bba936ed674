"""Every metric of the product: what it counts and which labels it may carry. The list is closed.

Code says `metrics.count("host_calls", group="face", outcome="answered")`; what operators see is
`proctor_host_calls_total{group="face",outcome="answered"}`. A name or label that is not here raises.
"""

from dataclasses import dataclass
from typing import Literal

_QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_LONG_S = (*_SLOW_S, 60.0, 300.0, 1800.0, 7200.0, 86400.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        kind: `counter`, `gauge` or `histogram`.
        help: What it says, for operators.
        labels: Names of its labels; their values come from closed lists.
        buckets: Upper bounds of a histogram.
        across: How a gauge adds up over processes: the sum or the highest of those that live.
    """

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    across: Literal["livesum", "livemax"] = "livesum"


def _counter(help: str, *labels: str) -> Metric:
    return Metric("counter", help, labels)


def _gauge(help: str, *labels: str, across: Literal["livesum", "livemax"] = "livesum") -> Metric:
    return Metric("gauge", help, labels, across=across)


def _histogram(help: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric("histogram", help, labels, buckets)


METRICS: dict[str, Metric] = {
    # the door
    "http_requests": _counter("Requests answered.", "method", "route", "status"),
    "http_request_seconds": _histogram("Time to answer.", _QUICK_S, "method", "route"),
    "http_unexpected_errors": _counter("Errors nobody expected, answered with 500."),
    "live_sockets": _gauge("WebSockets open.", "kind"),
    "live_sockets_closed": _counter(
        "WebSockets closed, by our close code or `client`.", "kind", "code"
    ),
    "live_streams": _gauge("Event and gRPC streams open.", "kind"),
    "live_streams_closed": _counter("Streams ended, by why.", "kind", "code"),
    # session hosts
    "host_sessions": _gauge("Sessions hosted."),
    "host_shed_level": _gauge("How far sampling is cut; 0 is not at all.", across="livemax"),
    "host_tick_lag_seconds": _histogram("How late a tick began.", _QUICK_S),
    "host_failed_ticks": _counter("Ticks that ended in an unexpected error."),
    "host_batch_size": _histogram("Asks in one call to a model group.", _SIZES, "group"),
    "host_calls": _counter("Calls to a model group.", "group", "outcome"),
    "host_call_seconds": _histogram("Time of a call to a model group.", _QUICK_S, "group"),
    "host_submits": _counter("Batches of reports sent to a shard.", "outcome"),
    "host_evidence": _counter("Orders of evidence that were seen to.", "outcome"),
    "host_media": _counter("Pictures and sound taken, dropped or skipped.", "what"),
    "host_template_lookups": _counter("Templates looked up for sessions.", "outcome"),
    "host_looks": _counter(
        "Looks that policies wanted (`wanted`), and those that were had (`seen`).", "group", "what"
    ),
    "host_reports_waiting": _gauge("Reports that no shard has acknowledged yet."),
    "host_refusals": _counter("Sessions that a host did not admit, by why.", "why"),
    "placements": _counter("Sessions for which a host was looked for.", "outcome"),
    # models
    "perception_batch_size": _histogram("Asks in one call to the models.", _SIZES, "group"),
    "perception_seconds": _histogram(
        "Time of a call in the replica: waiting for a core, decoding, inference.", _QUICK_S, "group"
    ),
    "perception_failures": _counter("Calls that ended in an error in the replica.", "group"),
    "models_on_fallback": _gauge(
        "Networks that run on the CPU although a GPU was asked for.", "group"
    ),
    # media
    "webrtc_connections": _counter("Connections that reached a state.", "state"),
    "webrtc_packets_dropped": _counter("Packets not used.", "kind", "reason"),
    "webrtc_candidates_dropped": _counter("ICE candidates refused by policy.", "reason"),
    "webrtc_datagrams_dropped": _counter("Datagrams refused before DTLS.", "reason"),
    "webrtc_floods": _counter("Connections closed for sending too much."),
    "webrtc_audio_gaps": _counter("Stretches of sound that never came."),
    "webrtc_video_gaps": _counter("Stretches of pictures given up."),
    "webrtc_pictures_skipped": _counter("Pictures received but not decoded."),
    "webrtc_nacks": _counter("Packets asked for again."),
    "webrtc_key_requests": _counter("Key frames asked for."),
    # fusion shards
    "shard_sessions": _gauge("Sessions judged."),
    "sessions_coverage": _gauge(
        "Live sessions by how they are seen and heard; reason is `none` when monitored.",
        "modality",
        "state",
        "reason",
    ),
    "shard_reports": _counter("Reports that arrived, by what became of them.", "outcome"),
    "shard_submit_seconds": _histogram("Time from reports to acknowledgement.", _QUICK_S),
    "shard_evidence_lost": _counter("Orders of evidence that nobody brought."),
    "shard_hosts_lost": _counter("Sessions whose host fell silent."),
    "shard_unwritten": _counter("Steps whose checkpoint or rows could not be written.", "what"),
    "shard_unsynced_rows": _gauge("Steps of judging that the database has not taken."),
    "shard_recording_segments": _counter("Segments of recordings stored."),
    "shard_recording_waiting_bytes": _gauge("What waits to be stored of recordings."),
    "shard_recordings_stopped": _counter(
        "Recordings that stopped because too much of them waited."
    ),
    "recordings_erased": _counter("Recordings deleted at the end of their exam's retention."),
    "shard_failed_steps": _counter("Steps that ended in an unexpected error."),
    "alerts_raised": _counter("Alerts raised.", "category", "severity", "transition"),
    "incidents_opened": _counter(
        "Alerts that opened an incident, by rule; a rule of no preset counts as `custom`.",
        "rule",
        "severity",
    ),
    "alert_delay_seconds": _histogram("From the behaviour's beginning to its alert.", _SLOW_S),
    # delivery
    "alerts_published": _counter("Alerts given a place in the feed."),
    "outbox_pending": _gauge("Committed alerts without a place in the feed.", across="livemax"),
    "outbox_lag_seconds": _gauge("Age of the oldest of them.", across="livemax"),
    "live_delay_seconds": _histogram(
        "From an alert to a reader that had caught up.", _SLOW_S, "kind"
    ),
    "dispatcher_failed_steps": _counter("Steps of the dispatcher that failed."),
    "delivery_attempts": _counter("Tries to deliver an alert.", "kind", "outcome", "code"),
    "delivery_delay_seconds": _histogram("From an alert to its delivery.", _LONG_S, "kind"),
    "delivery_dead": _counter("Alerts given up, now dead letters.", "kind", "code"),
    "delivery_pending": _gauge("Alerts owed to sinks.", "kind", across="livemax"),
    "delivery_dead_letters": _gauge("Dead letters that lie.", "kind", across="livemax"),
    "delivery_lag_seconds": _gauge("Age of the oldest owed alert.", "kind", across="livemax"),
    "delivery_unusable_sinks": _gauge("Enabled sinks that cannot be used.", across="livemax"),
    "delivery_failed_steps": _counter("Steps of delivering that failed."),
    "sessions_unsettled": _gauge("Ended sessions whose end is still owed."),
    "verdicts_untold": _gauge("Verdicts whose alert is still owed."),
    "erasures_owed": _gauge("Erasures of candidates that are not done."),
    "eraser_failed_steps": _counter("Steps of finishing erasures that failed."),
    "sessions_unchained": _gauge("Sessions whose chain could not be brought up to date."),
    "chainer_failed_steps": _counter("Steps of keeping chains that failed."),
    "settler_failed_steps": _counter("Searches for ended sessions that failed."),
    "retainer_failed_steps": _counter("Searches for recordings to delete that failed."),
    "retention_overdue": _gauge(
        "Sessions whose data outlived their retention and could not be deleted.",
        "what",
        across="livemax",
    ),
    "loop_succeeded_at_seconds": _gauge(
        "When a loop last did all that was due, in Unix time.", "loop", across="livemax"
    ),
    # evidence
    "evidence_spool_bytes": _gauge("Sealed evidence that waits for its store, in bytes."),
    "evidence_spool_limit_bytes": _gauge("How much of it may wait; then the least gives way."),
    "evidence_waiting": _gauge("Pieces of evidence that wait for their store."),
    "evidence_uploads": _counter(
        "Tries to store a piece of evidence, by what came of it.", "outcome"
    ),
    "evidence_upload_seconds": _histogram("Time to store a piece and to read it back.", _QUICK_S),
    "evidence_lost": _counter("Evidence told as lost, by why.", "reason"),
    "evidence_failed_steps": _counter("Steps of a keeper that failed; they are made again."),
    "evidence_untold": _gauge("Incidents whose alerts do not say yet where their evidence stands."),
    "evidence_erased": _counter("Sessions whose evidence was deleted at the end of its retention."),
    # the cluster's own actors
    "reconciler_failed_steps": _counter("Steps of the reconciler that failed."),
    "actors_restarted": _counter("Actors found dead and made again."),
    "actors_made": _counter("Actors made."),
    "actors_ended": _counter("Actors ended, by why.", "why"),
    "sessions_asked_to_move": _counter("Sessions asked to connect to another host."),
    "hosts": _gauge("Session hosts that answer.", "state", across="livemax"),
    "hosts_wanted": _gauge("Session hosts that there should be.", across="livemax"),
    "hosts_sessions": _gauge("Sessions of all hosts.", across="livemax"),
    "hosts_places": _gauge("Sessions that all staying hosts may hold.", across="livemax"),
    "hosts_refusing": _gauge("Staying hosts that take no new session now.", across="livemax"),
    "hosts_worst_lag_seconds": _gauge("How late ticks of the latest host begin.", across="livemax"),
    "shards": _gauge("Fusion shards that answer.", across="livemax"),
    "shards_wanted": _gauge("Fusion shards that there should be.", across="livemax"),
    # the door's certificate
    "certificate_expires_at_seconds": _gauge(
        "When the certificate that is served runs out, in Unix time.", across="livemax"
    ),
}


def plain(name: str) -> str:
    """The name as it stands in `METRICS`: `proctor_x_total` and `x` are the same metric."""
    return name.removeprefix("proctor_").removesuffix("_total")
