"""Diarization error rate: how much of what was said is missed, made up, or given to somebody else.

As NIST defines it (Rich Transcription 2009) and `pyannote.metrics` computes it: overlaps count once
for each who speaks; the time within the collar of a reference boundary is left out; the speakers
that were told are matched with the true ones one to one so that the error is smallest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.accuracy.media import Turn

COLLAR_S = 0.25


@dataclass(frozen=True, slots=True)
class DiarizationError:
    """Seconds of speech; two who speak at once count twice.

    Attributes:
        spoken_s: Reference speech.
        missed_s: Of it, what was told of nobody.
        false_s: Told where fewer (or nobody) spoke.
        confused_s: Told of the wrong speaker.
    """

    spoken_s: float
    missed_s: float
    false_s: float
    confused_s: float

    @property
    def rate(self) -> float | None:
        """Errors over reference speech; None when nobody spoke."""
        if self.spoken_s <= 0:
            return None
        return (self.missed_s + self.false_s + self.confused_s) / self.spoken_s

    def __add__(self, other: "DiarizationError") -> "DiarizationError":
        return DiarizationError(
            self.spoken_s + other.spoken_s,
            self.missed_s + other.missed_s,
            self.false_s + other.false_s,
            self.confused_s + other.confused_s,
        )


NO_ERROR = DiarizationError(0.0, 0.0, 0.0, 0.0)


def diarization_error(
    reference: Sequence[Turn], told: Sequence[Turn], collar_s: float = COLLAR_S
) -> DiarizationError:
    """The error of one recording; names of speakers need not agree."""
    spells = list(_spells(reference, told, collar_s))
    together: dict[tuple[str, str], float] = {}
    for length_s, true, said in spells:
        for one in true:
            for other in said:
                together[one, other] = together.get((one, other), 0.0) + length_s
    matched = _matching(together)
    spoken = missed = false = confused = 0.0
    for length_s, true, said in spells:
        right = sum(1 for name in said if matched.get(name) in true)
        spoken += len(true) * length_s
        missed += max(0, len(true) - len(said)) * length_s
        false += max(0, len(said) - len(true)) * length_s
        confused += (min(len(true), len(said)) - right) * length_s
    return DiarizationError(spoken, missed, false, confused)


def _spells(
    reference: Sequence[Turn], told: Sequence[Turn], collar_s: float
) -> Iterable[tuple[float, frozenset[str], frozenset[str]]]:
    """Stretches in which nothing changes: length, who speaks, who was told; collars left out."""
    collars = [
        (edge - collar_s, edge + collar_s)
        for turn in reference
        for edge in (turn.start_s, turn.end_s)
    ]
    edges = sorted(
        {edge for turn in (*reference, *told) for edge in (turn.start_s, turn.end_s)}
        | {edge for collar in collars for edge in collar}
    )
    for start_s, end_s in pairwise(edges):
        middle = (start_s + end_s) / 2
        if any(low < middle < high for low, high in collars):
            continue
        true = frozenset(t.speaker for t in reference if t.start_s < middle < t.end_s)
        said = frozenset(t.speaker for t in told if t.start_s < middle < t.end_s)
        if true or said:
            yield end_s - start_s, true, said


def _matching(together: dict[tuple[str, str], float]) -> dict[str, str]:
    """Told speaker -> true speaker, one to one, with the most seconds in common.

    Exact, over all subsets of the true speakers: recordings have a handful of them.
    """
    true = sorted({one for one, _ in together})
    best: dict[int, tuple[float, dict[str, str]]] = {0: (0.0, {})}
    for name in sorted({other for _, other in together}):
        grown = dict(best)
        for taken, (seconds, chosen) in best.items():
            for at, one in enumerate(true):
                if taken >> at & 1 or (one, name) not in together:
                    continue
                mask, total = taken | 1 << at, seconds + together[one, name]
                if mask not in grown or grown[mask][0] < total:
                    grown[mask] = (total, {**chosen, name: one})
        best = grown
    return max(best.values(), key=lambda found: found[0])[1]
