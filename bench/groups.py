"""How much each model group was asked, read from the product's own counters (`GET /metrics`). Pure."""

from prometheus_client.parser import text_string_to_metric_families

ASKED = "proctor_host_batch_size"
"""A histogram of asks per call: its sum is how many pictures, or windows of sound, were sent."""


def items_by_group(text: str) -> dict[str, float]:
    """Asks so far by model group, from Prometheus' text format; empty before the first."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        if family.name != ASKED:
            continue
        for sample in family.samples:
            if sample.name == f"{ASKED}_sum":
                group = sample.labels["group"]
                found[group] = found.get(group, 0.0) + sample.value
    return found
