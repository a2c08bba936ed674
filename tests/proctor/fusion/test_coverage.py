"""Coverage adds up to the session's length, whatever was claimed in whatever order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.coverage import CoverageInterval, CoverageReason, CoverageState, Modality
from proctor.fusion.coverage import CoverageLedger, LedgerState, Source

BLIND, DEGRADED = CoverageState.BLIND, CoverageState.DEGRADED
VIDEO = Modality.VIDEO

Part = tuple[int, int | None, str]


def ledger() -> CoverageLedger:
    made = CoverageLedger(LedgerState())
    for modality in Modality:
        made.clear(modality, Source.STREAM, 0)
    return made


def parts(made: CoverageLedger, end_ms: int | None, modality: Modality = VIDEO) -> list[Part]:
    return [
        (part.start_ms, part.end_ms, part.reason or part.state)
        for part in made.intervals(end_ms)
        if part.modality is modality
    ]


def test_a_session_begins_blind() -> None:
    made = CoverageLedger(LedgerState())
    assert made.intervals() == tuple(
        CoverageInterval(modality=modality, state=BLIND, reason=CoverageReason.NO_MEDIA, start_ms=0)
        for modality in Modality
    )
    made.clear(VIDEO, Source.STREAM, 800)
    assert parts(made, 3_000) == [(0, 800, "no_media"), (800, 3_000, "monitored")]
    assert parts(made, 3_000, Modality.AUDIO) == [(0, 3_000, "no_media")]


def test_the_worst_of_several_reasons_counts_and_they_end_in_any_order() -> None:
    made = ledger()
    made.set(VIDEO, Source.DARK, DEGRADED, CoverageReason.TOO_DARK, 1_000)
    made.set(VIDEO, Source.COVERED, BLIND, CoverageReason.COVERED, 2_000)
    made.set(VIDEO, Source.HOST, BLIND, CoverageReason.HOST_LOST, 3_000)
    made.clear(VIDEO, Source.COVERED, 4_000)
    made.clear(VIDEO, Source.DARK, 5_000)
    made.clear(VIDEO, Source.HOST, 6_000)
    assert parts(made, 7_000) == [
        (0, 1_000, "monitored"),
        (1_000, 2_000, "too_dark"),
        (2_000, 3_000, "covered"),
        (3_000, 6_000, "host_lost"),
        (6_000, 7_000, "monitored"),
    ]


def test_what_is_noticed_late_is_told_from_its_beginning() -> None:
    made = ledger()
    made.set(VIDEO, Source.DARK, DEGRADED, CoverageReason.TOO_DARK, 9_000)
    assert made.set(VIDEO, Source.STREAM, BLIND, CoverageReason.NO_MEDIA, 7_500)
    assert parts(made, None) == [(0, 7_500, "monitored"), (7_500, None, "no_media")]
    made.clear(VIDEO, Source.STREAM, 12_000)
    assert parts(made, None)[-1] == (12_000, None, "too_dark")


def test_what_changes_nothing_that_counts_is_no_change() -> None:
    made = ledger()
    assert made.set(VIDEO, Source.HOST, BLIND, CoverageReason.HOST_LOST, 1_000)
    assert not made.set(VIDEO, Source.HOST, BLIND, CoverageReason.HOST_LOST, 1_000)
    assert not made.set(VIDEO, Source.DARK, DEGRADED, CoverageReason.TOO_DARK, 2_000)
    assert not made.clear(VIDEO, Source.COVERED, 3_000)


REASONS = {
    Source.STREAM: [(BLIND, CoverageReason.NO_MEDIA), (DEGRADED, CoverageReason.MODEL_TIMEOUT)],
    Source.COVERED: [(BLIND, CoverageReason.COVERED)],
    Source.DARK: [(DEGRADED, CoverageReason.TOO_DARK)],
    Source.HOST: [(BLIND, CoverageReason.HOST_LOST)],
    Source.SHARD: [(DEGRADED, CoverageReason.SHARD_LOST)],
}

claims = st.sampled_from(list(REASONS)).flatmap(
    lambda source: st.tuples(
        st.sampled_from(list(Modality)),
        st.just(source),
        st.sampled_from([*REASONS[source], None]),
        st.integers(-100, 10_000),
    )
)


@given(st.lists(claims, max_size=40), st.integers(0, 12_000))
def test_any_claims_in_any_order_tile_the_session_exactly(
    said: list[tuple[Modality, Source, tuple[CoverageState, CoverageReason] | None, int]],
    end_ms: int,
) -> None:
    made = CoverageLedger(LedgerState())
    slow: dict[Modality, list[dict[Source, tuple[CoverageState, CoverageReason]]]] = {
        modality: [{Source.STREAM: (BLIND, CoverageReason.NO_MEDIA)} for _ in range(0, 12_000, 100)]
        for modality in Modality
    }
    for modality, source, claim, since_ms in said:
        since_ms = round(since_ms, -2)
        state, reason = claim or (CoverageState.MONITORED, None)
        before = made.intervals()
        changed = made.set(modality, source, state, reason, since_ms)
        assert changed == (made.intervals() != before)
        for cell in slow[modality][max(0, since_ms) // 100 :]:
            cell.pop(source, None)
            if claim:
                cell[source] = claim
    intervals = made.intervals(end_ms)
    for modality in Modality:
        mine = [part for part in intervals if part.modality is modality]
        at_ms = 0
        for part in mine:
            assert part.start_ms == at_ms
            assert part.end_ms is not None
            assert part.end_ms > part.start_ms
            at_ms = part.end_ms
        assert at_ms == end_ms
        assert all(
            (left.state, left.reason) != (right.state, right.reason)
            for left, right in pairwise(mine)
        )
        for part in mine:
            for at in range(-(-part.start_ms // 100) * 100, part.end_ms or 0, 100):
                cell = slow[modality][at // 100]
                blind = {reason for state, reason in cell.values() if state is BLIND}
                degraded = {reason for state, reason in cell.values() if state is DEGRADED}
                assert part.reason in (blind or degraded or {None})
