"""How many sessions of a shard are seen and heard, how well, and why not better."""

from collections import Counter
from collections.abc import Iterable

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.fusion.coverage import Cover
from proctor.ports import Metrics

Kind = tuple[Modality, CoverageState, CoverageReason | None]


class CoverageNumbers:
    """Tells `sessions_coverage`; what no session is any more is told as 0, once."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: Counter[Kind] = Counter()

    def tell(self, covers: Iterable[tuple[Cover, Cover]]) -> None:
        """Count sessions by their covers of video and audio."""
        found: Counter[Kind] = Counter()
        for video, audio in covers:
            found[(Modality.VIDEO, *video)] += 1
            found[(Modality.AUDIO, *audio)] += 1
        for kind in found.keys() | self._told.keys():
            if found[kind] != self._told[kind]:
                modality, state, reason = kind
                self._metrics.gauge(
                    "sessions_coverage",
                    found[kind],
                    modality=modality,
                    state=state,
                    reason=reason or "none",
                )
        self._told = +found
