"""The ledger of what could be seen and heard: exact, without holes, whatever came in which order.

Several sources speak about one modality at once (the media path, the pictures, the host's silence, the
shard's own outage). Each sets and clears its own claim from a moment on, also in the past; the worst of
those that hold is what counts. A session begins blind, until the media path says that media came.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from proctor.domain.coverage import CoverageInterval, CoverageReason, CoverageState, Modality


class Source(StrEnum):
    """Who makes a claim. Each holds at most one per modality at any moment."""

    STREAM = "stream"
    COVERED = "covered"
    FROZEN = "frozen"
    DARK = "dark"
    HOST = "host"
    SHARD = "shard"
    STORE = "store"


Claim = tuple[CoverageState, CoverageReason]
Cover = tuple[CoverageState, CoverageReason | None]

_SEVERITY = (CoverageState.BLIND, CoverageState.DEGRADED)
_TELLING_FIRST = (
    CoverageReason.HOST_LOST,
    CoverageReason.NO_MEDIA,
    CoverageReason.AUDIO_MISSING,
    CoverageReason.COVERED,
    CoverageReason.FROZEN_VIDEO,
    CoverageReason.SHARD_LOST,
    CoverageReason.STATE_STORE,
    CoverageReason.GPU,
    CoverageReason.MODEL_TIMEOUT,
    CoverageReason.MODEL_OUTPUT_INVALID,
    CoverageReason.OVERLOAD,
    CoverageReason.TOO_DARK,
    CoverageReason.AUDIO_SILENT,
    CoverageReason.AUDIO_GAP,
)
"""Of several reasons of one weight, the one that explains the others comes first."""


@dataclass(slots=True)
class Tile:
    """From here on, until the next tile, these claims hold."""

    start_ms: int
    claims: dict[Source, Claim]


@dataclass(slots=True, kw_only=True)
class LedgerState:
    """The tiles of each modality, ascending; the first begins at 0."""

    tiles: dict[Modality, list[Tile]] = field(
        default_factory=lambda: {
            modality: [Tile(0, {Source.STREAM: (CoverageState.BLIND, CoverageReason.NO_MEDIA)})]
            for modality in Modality
        }
    )


def worst(claims: dict[Source, Claim]) -> Cover:
    """Blind before degraded before monitored; of one weight the most telling reason."""
    if not claims:
        return (CoverageState.MONITORED, None)
    return min(
        claims.values(),
        key=lambda claim: (_SEVERITY.index(claim[0]), _TELLING_FIRST.index(claim[1])),
    )


class CoverageLedger:
    """Coverage of one session over one state."""

    def __init__(self, state: LedgerState) -> None:
        self.state = state

    def set(
        self,
        modality: Modality,
        source: Source,
        state: CoverageState,
        reason: CoverageReason | None,
        since_ms: int,
    ) -> bool:
        """From `since_ms` on the source says this, and nothing else it may have said for then.

        Args:
            modality: Of what.
            source: Who says so.
            state: Monitored takes its claim back.
            reason: Why; None when and only when monitored.
            since_ms: Session time; may lie in the past.

        Returns:
            Whether anything changed in what counts.
        """
        claim = None if reason is None else (state, reason)
        tiles = self.state.tiles[modality]
        since_ms = max(0, since_ms)
        first = bisect_right(tiles, since_ms, key=lambda tile: tile.start_ms) - 1
        if all(tile.claims.get(source) == claim for tile in tiles[first:]):
            return False
        if tiles[first].start_ms < since_ms:
            tiles.insert(first + 1, Tile(since_ms, dict(tiles[first].claims)))
            first += 1
        changed = False
        for tile in tiles[first:]:
            before = worst(tile.claims)
            if claim is None:
                tile.claims.pop(source, None)
            else:
                tile.claims[source] = claim
            changed = changed or worst(tile.claims) != before
        self._join(modality, max(0, first - 1))
        return changed

    def clear(self, modality: Modality, source: Source, since_ms: int) -> bool:
        """From `since_ms` on the source has nothing to say against the modality."""
        return self.set(modality, source, CoverageState.MONITORED, None, since_ms)

    def _join(self, modality: Modality, first: int) -> None:
        """Neighbours that say the same, from `first` on, become one."""
        tiles = self.state.tiles[modality]
        kept = tiles[: first + 1]
        for tile in tiles[first + 1 :]:
            if tile.claims != kept[-1].claims:
                kept.append(tile)
        self.state.tiles[modality] = kept

    def current(self, modality: Modality) -> Cover:
        """What counts now, and why."""
        return worst(self.state.tiles[modality][-1].claims)

    def is_whole(self, modality: Modality) -> bool:
        """Whether nothing takes from the view now; a database that is away takes nothing from it."""
        return all(source is Source.STORE for source in self.state.tiles[modality][-1].claims)

    def intervals(self, end_ms: int | None = None) -> tuple[CoverageInterval, ...]:
        """Every modality from 0 to `end_ms` without hole or overlap, video first.

        Args:
            end_ms: The session's length; None while it goes on (the last interval is open).
        """
        return tuple(part for modality in Modality for part in self._parts(modality, end_ms))

    def _parts(self, modality: Modality, end_ms: int | None) -> Iterator[CoverageInterval]:
        starts = self._covers(modality)
        ends: list[int | None] = [start_ms for start_ms, _ in starts[1:]]
        for (start_ms, (state, reason)), following_ms in zip(starts, [*ends, None], strict=True):
            if end_ms is not None and start_ms >= end_ms:
                return
            stop_ms = following_ms
            if end_ms is not None:
                stop_ms = end_ms if following_ms is None else min(following_ms, end_ms)
            yield CoverageInterval(
                modality=modality, state=state, reason=reason, start_ms=start_ms, end_ms=stop_ms
            )

    def _covers(self, modality: Modality) -> list[tuple[int, Cover]]:
        covers: list[tuple[int, Cover]] = []
        for tile in self.state.tiles[modality]:
            cover = worst(tile.claims)
            if not covers or covers[-1][1] != cover:
                covers.append((tile.start_ms, cover))
        return covers
