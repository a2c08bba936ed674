"""Metrics that remember what they were told."""

from collections import defaultdict

Key = tuple[str, tuple[tuple[str, str], ...]]


def _key(name: str, labels: dict[str, str]) -> Key:
    return (name, tuple(sorted(labels.items())))


class FakeMetrics:
    """`Metrics` that tests can read back."""

    def __init__(self) -> None:
        self.counts: dict[Key, float] = defaultdict(float)
        self.gauges: dict[Key, float] = {}
        self.observations: dict[Key, list[float]] = defaultdict(list)

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        self.counts[_key(name, labels)] += value

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.gauges[_key(name, labels)] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.observations[_key(name, labels)].append(value)

    def counted(self, name: str, **labels: str) -> float:
        """Sum over every series of this name that has at least these labels."""
        wanted = set(labels.items())
        return sum(
            value
            for (known, pairs), value in self.counts.items()
            if known == name and wanted <= set(pairs)
        )
