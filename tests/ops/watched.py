"""What the product exposes, and which of it a query names."""

import re

from proctor.adapters.metric_names import METRICS

PREFIX = "proctor_"
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
EXPOSED = {
    f"{PREFIX}{name}{ending}": metric
    for name, metric in METRICS.items()
    for ending in ENDINGS[metric.kind]
}
TARGET_LABELS = {"job", "instance"}
_NAMED = re.compile(r"(?<![\w:])(proctor_\w+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\b(?:by|on|without|group_left)\s*\(([^)]*)\)")


def wrong_in(query: str) -> list[str]:
    """What a query asks for that nothing of ours tells: metrics, and labels of them."""
    wrong: list[str] = []
    known: set[str] = set(TARGET_LABELS) | {"loop"}
    for name, matchers in _NAMED.findall(query):
        metric = EXPOSED.get(name)
        if metric is None:
            wrong.append(name)
            continue
        labels = {*metric.labels, *TARGET_LABELS, *(["le"] if name.endswith("_bucket") else [])}
        known |= labels
        wrong += [f"{name}{{{label}}}" for label in _LABEL.findall(matchers) if label not in labels]
    named = {each.strip() for group in _BY.findall(query) for each in group.split(",")} - {""}
    if _NAMED.search(query):
        wrong += [f"by ({label})" for label in sorted(named - known)]
    return wrong
