"""Room on the shelf: what gives way, in which order, and that nothing goes for nothing."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.evidence import PieceKind, SpooledPiece, worth
from proctor.domain.incidents import Severity
from proctor.services.evidence.shelf import Shelf
from tests.contract.evidence_samples import ref
from tests.contract.samples import NOON


def spooled(number: int, severity: Severity, kind: PieceKind, size: int) -> SpooledPiece:
    return SpooledPiece(
        ref=ref(f"inc_{number}", kind),
        severity=severity,
        sealed_sha256="",
        sealed_size=size,
        spooled_at=NOON + timedelta(seconds=number),
    )


some_pieces = st.lists(
    st.tuples(st.sampled_from(Severity), st.sampled_from(PieceKind), st.integers(1, 50)),
    max_size=12,
).map(lambda rows: [spooled(number, *row) for number, row in enumerate(rows)])


@given(some_pieces, st.sampled_from(Severity), st.sampled_from(PieceKind), st.integers(1, 60))
def test_what_goes_is_worth_less_than_what_stays_and_than_what_comes(
    pieces: list[SpooledPiece], severity: Severity, kind: PieceKind, size: int
) -> None:
    shelf = Shelf(100)
    for each in pieces:
        shelf.add(each)
    new = spooled(99, severity, kind, size)
    lacking = shelf.lacking(size)
    gone = shelf.makes_way(new, lacking)
    if gone is None:
        less = [each.sealed_size for each in pieces if worth(each) <= worth(new)]
        assert sum(less) < lacking
        return
    assert sum(each.sealed_size for each in gone) >= lacking
    assert sum(each.sealed_size for each in gone[:-1]) < lacking or not gone
    stays = [each for each in pieces if each not in gone]
    assert all(worth(each) <= worth(new) for each in gone)
    assert all(worth(one) < worth(other) for one in gone for other in stays)


@given(some_pieces)
def test_bytes_are_those_that_lie_there(pieces: list[SpooledPiece]) -> None:
    shelf = Shelf(10)
    for each in (*pieces, *pieces):
        shelf.add(each)
    assert shelf.bytes == sum(each.sealed_size for each in pieces)
    for each in shelf.surplus():
        shelf.remove(each)
        shelf.remove(each)
    assert shelf.bytes <= 10
    assert len(shelf.unknown(99)) == len(shelf)


def test_what_is_being_uploaded_does_not_give_way() -> None:
    shelf = Shelf(10)
    old = spooled(0, Severity.LOW, PieceKind.AFTER, 10)
    shelf.add(old)
    for waiting in shelf:
        waiting.is_busy = True
    assert shelf.makes_way(spooled(1, Severity.HIGH, PieceKind.JUDGED, 5), 5) is None
    assert shelf.surplus() == []


def test_only_what_has_a_row_is_uploaded_and_not_before_its_time() -> None:
    shelf = Shelf(100)
    one, two = (spooled(number, Severity.LOW, PieceKind.CLIP, 5) for number in (1, 2))
    shelf.add(one)
    shelf.add(two)
    assert shelf.due(0, 9) == []
    for each in (one, two):
        shelf.known(each)
    first, second = shelf.due(0, 9)
    assert first.piece == replace(one, is_known=True), "of two alike the older"
    first.next_ms = 500
    assert shelf.due(499, 9) == [second]
    assert shelf.due(500, 1) == [first]
