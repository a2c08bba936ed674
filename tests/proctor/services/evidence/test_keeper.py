"""Evidence is kept whatever fails, or told as lost with its reason; who hands it over notices nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.adapters.evidence.spool import FolderSpool
from proctor.domain.erasure import Erasure
from proctor.domain.errors import NoRoom
from proctor.domain.evidence import (
    IncidentEvidence,
    KeptPiece,
    Loss,
    PieceKind,
    PieceState,
    SpooledPiece,
    ref_of,
)
from proctor.domain.ids import IncidentId
from proctor.domain.incidents import EvidenceStatus, Severity
from proctor.services.evidence.keeper import ADOPT_EVERY_MS, SpoolingKeeper
from proctor.services.evidence.uploads import AT_ONCE, GIVE_UP_AFTER, PATIENT
from tests.contract.evidence_samples import CANARY, order, piece
from tests.contract.samples import ACME
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase
from tests.fakes.evidence import FakeEvidenceEnds, FakeEvidenceLedger, FakeEvidenceObjects
from tests.fakes.metrics import FakeMetrics
from tests.fakes.proof import FakeErasureStore
from tests.fakes.subject_keys import FakeSubjectKeys

JUDGED, CLIP, AFTER = PieceKind.JUDGED, PieceKind.CLIP, PieceKind.AFTER


class FullDisk(FolderSpool):
    """A spool on a disk on which others left room for `fits` pieces."""

    fits = 99

    async def write(self, piece: SpooledPiece, sealed: bytes) -> None:
        if self.fits == 0:
            raise NoRoom("full")
        await super().write(piece, sealed)
        self.fits -= 1

    async def drop(self, piece: SpooledPiece) -> None:
        await super().drop(piece)
        self.fits += 1


class Hanging(FakeEvidenceObjects):
    """A store that takes and never answers while `hangs`."""

    hangs = False
    running = most_running = 0

    async def put(self, object_key: str, sealed: bytes) -> None:
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            if self.hangs:
                await asyncio.Event().wait()
            await super().put(object_key, sealed)
        finally:
            self.running -= 1


class Site:
    """A keeper over fakes, with a real spool."""

    def __init__(self, folder: Path, most_bytes: int = 1_000_000) -> None:
        self.clock, self.metrics, self.keys = FakeClock(), FakeMetrics(), FakeSubjectKeys()
        self.database = FakeDatabase()
        self.ledger = FakeEvidenceLedger(self.database)
        self.objects = Hanging()
        self.folder, self.most_bytes = folder, most_bytes
        self.start()

    def start(self) -> None:
        """A new process on the same machine."""
        self.spool = FullDisk(self.folder)
        self.keeper = SpoolingKeeper(
            keys=self.keys,
            spool=self.spool,
            objects=self.objects,
            ledger=self.ledger,
            clock=self.clock,
            metrics=self.metrics,
            most_bytes=self.most_bytes,
        )
        self.running: asyncio.Task[None] | None = None

    async def run(self, seconds: float = 1) -> None:
        """Let the keeper work; its disk is real, its time is not."""
        if self.running is None:
            self.running = asyncio.create_task(self.keeper.run())
        for _ in range(round(seconds)):
            await asyncio.sleep(0.015)
            await self.clock.advance(1_000)
        await asyncio.sleep(0.015)

    async def kill(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
        self.spool.close()

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: int = 120) -> None:
        for _ in range(seconds):
            if await holds():
                return
            await self.run(1)
        pytest.fail("it never came to that")

    async def state(self, incident: str = "inc_1") -> IncidentEvidence | None:
        whole, _ = await self.ledger.incident(ACME, IncidentId(incident))
        return whole

    async def pieces(self, incident: str = "inc_1") -> list[KeptPiece]:
        _, pieces = await self.ledger.incident(ACME, IncidentId(incident))
        return list(pieces)

    async def is_stored(self) -> bool:
        whole = await self.state()
        return whole is not None and whole.status is EvidenceStatus.STORED

    def losses(self) -> dict[str, Loss | None]:
        return {
            piece.ref.incident_id: piece.loss
            for piece, _ in self.database.evidence.values()
            if piece.state is PieceState.LOST
        }

    def spooled(self) -> list[Path]:
        return list(self.folder.rglob("evd_*"))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path / "spool")
    yield made
    await made.kill()


async def test_what_is_handed_over_lies_sealed_in_the_store(site: Site) -> None:
    taken = [piece(JUDGED), piece(CLIP, 500, 20_000)]
    await site.keeper.keep(order(), taken)
    assert len(site.spooled()) == 2
    assert not any(CANARY in path.read_bytes() for path in site.spooled())
    await site.run()
    assert await site.is_stored()
    assert site.spooled() == []
    for one in taken:
        ref = ref_of(order(), one)
        sealed = site.objects.objects[ref.object_key]
        assert CANARY not in sealed
        opened = await site.keys.open(ACME, ref.candidate_id, ref.object_key, sealed)
        assert opened == one.content
    await site.run()
    assert site.metrics.gauges["evidence_waiting", ()] == 0
    assert site.metrics.gauges["evidence_spool_bytes", ()] == 0
    assert site.metrics.counted("evidence_uploads", outcome="stored") == 2


async def test_nothing_to_keep_is_a_loss_that_is_told(site: Site) -> None:
    await site.keeper.keep(order(), [])
    await site.run()
    whole = await site.state()
    assert whole is not None
    assert (whole.status, whole.loss) == (EvidenceStatus.LOST, Loss.NOT_CAPTURED)


async def test_the_same_piece_for_a_second_order_is_kept_once(site: Site) -> None:
    await site.keeper.keep(order(), [piece()])
    await site.keeper.keep(order(until_ms=99_000), [piece()])
    assert len(site.spooled()) == 1
    await site.run()
    await site.keeper.keep(order(), [piece()])  # and once more when the store has it
    await site.run()
    assert site.objects.puts == 1 and site.spooled() == []
    assert await site.is_stored()


async def test_a_store_that_is_away_or_refuses_is_waited_for(site: Site) -> None:
    site.objects.down = True
    await site.keeper.keep(order(), [piece()])
    await site.run(90)
    assert (await site.pieces())[0].state is PieceState.WAITING
    away = site.metrics.counted("evidence_uploads", outcome="away")
    assert 4 <= away <= 12, "again and again, but less and less often"
    site.objects.down = False
    await site.until(site.is_stored, 70)


async def test_a_store_that_hangs_costs_its_time_limit_and_no_other_piece_its_place(
    site: Site,
) -> None:
    site.objects.hangs = True
    for number in range(10):
        await site.keeper.keep(order(f"inc_{number}"), [piece(seed=number)])
    await site.run(5)
    assert site.objects.most_running == AT_ONCE
    await site.clock.advance(PATIENT.upload_within_ms)
    await site.run(1)
    assert site.metrics.counted("evidence_uploads", outcome="late") == AT_ONCE
    site.objects.hangs = False
    await site.run(75)
    assert len(site.objects.objects) >= 10 - AT_ONCE
    await site.clock.advance(PATIENT.upload_within_ms)
    await site.run(70)
    assert len(site.objects.objects) == 10 and site.spooled() == []


async def test_a_store_that_keeps_other_bytes_is_found_out(site: Site) -> None:
    site.objects.alters = True
    await site.keeper.keep(order(), [piece()])
    await site.run(5)
    assert site.metrics.counted("evidence_uploads", outcome="altered") >= 2
    assert not await site.is_stored() and len(site.spooled()) == 1
    site.objects.alters = False
    await site.until(site.is_stored, 70)


async def test_what_the_store_never_takes_is_lost_after_days(site: Site) -> None:
    site.objects.down = True
    await site.keeper.keep(order(), [piece()])
    await site.run(3)
    await site.clock.advance(GIVE_UP_AFTER // timedelta(milliseconds=1))
    await site.run(3)
    assert site.losses() == {"inc_1": Loss.STORE_AWAY}
    assert site.spooled() == []


async def test_a_database_that_is_away_delays_and_loses_nothing(site: Site) -> None:
    site.ledger.down = True
    await site.keeper.keep(order(), [piece()])
    await site.keeper.keep(order("inc_2"), [])
    await site.run(5)
    assert site.objects.puts == 0, "an object without a row would outlive its retention"
    site.ledger.down = False
    await site.until(site.is_stored)
    other = await site.state("inc_2")
    assert other is not None and other.loss is Loss.NOT_CAPTURED


async def test_a_database_that_goes_away_after_the_upload_does_not_upload_again(
    site: Site,
) -> None:
    site.objects.hangs = True
    await site.keeper.keep(order(), [piece()])
    await site.run(2)
    site.objects.hangs, site.ledger.down = False, True
    await site.clock.advance(PATIENT.upload_within_ms)
    await site.run(5)
    assert site.objects.puts == 1
    site.ledger.down = False
    await site.until(site.is_stored)
    assert site.objects.puts == 1


async def test_what_a_dead_process_left_is_stored_by_the_next(site: Site) -> None:
    site.objects.down = True
    await site.keeper.keep(order(), [piece()])
    await site.run(2)
    await site.keeper.keep(order("inc_2"), [piece()])  # its row is not written yet
    await site.kill()
    site.objects.down = False
    site.start()
    await site.run(3)
    assert await site.is_stored()
    other = await site.state("inc_2")
    assert other is not None and other.status is EvidenceStatus.STORED
    assert site.spooled() == []


async def test_what_another_process_leaves_later_is_found_too(site: Site, tmp_path: Path) -> None:
    other = Site(tmp_path / "spool")
    await other.keeper.keep(order(), [piece()])
    await site.run(2)
    assert not await site.is_stored()
    await other.kill()
    await site.clock.advance(ADOPT_EVERY_MS)
    other.keys.keys.clear()  # nothing needs them: it was sealed before
    await site.until(site.is_stored)


async def test_without_a_key_nothing_is_kept_in_plain(site: Site) -> None:
    site.keys.down = True
    await site.keeper.keep(order(), [piece()])
    site.keys.down = False
    await site.keys.destroy(ACME, order().candidate_id)
    await site.keeper.keep(order("inc_2"), [piece()])
    await site.run()
    assert site.losses() == {"inc_1": Loss.KEYS_AWAY, "inc_2": Loss.ERASED}
    assert site.spooled() == []


async def test_a_damaged_piece_is_lost_and_said_so(site: Site) -> None:
    site.objects.down = True
    await site.keeper.keep(order(), [piece()])
    await site.run(1)
    (path,) = site.spooled()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    site.objects.down = False
    await site.run(5)
    assert site.losses() == {"inc_1": Loss.SPOOL_DAMAGED}
    assert site.objects.objects == {}


async def test_when_too_much_waits_the_least_urgent_gives_way(tmp_path: Path) -> None:
    site = Site(tmp_path, most_bytes=3_500)
    site.objects.down = True
    low, high = Severity.LOW, Severity.HIGH
    for name, severity, kind in (
        ("inc_a", low, JUDGED),
        ("inc_b", low, AFTER),
        ("inc_c", high, AFTER),
    ):
        await site.keeper.keep(order(name, severity), [piece(kind, size=1_000)])
        await site.clock.advance(1)
    await site.keeper.keep(order("inc_d", low), [piece(CLIP, size=1_000)])
    await site.keeper.keep(order("inc_e", low), [piece(AFTER, size=1_000)])  # worth least itself
    await site.keeper.keep(order("inc_f", high), [piece(JUDGED, size=9_000)])  # would never fit
    await site.run()
    full = Loss.SPOOL_FULL
    assert site.losses() == {"inc_b": full, "inc_e": full, "inc_f": full}
    await site.keeper.keep(order("inc_g", high), [piece(JUDGED, size=1_000)])
    await site.run()
    assert site.losses().keys() - {"inc_b", "inc_e", "inc_f"} == {"inc_d"}
    assert site.metrics.counted("evidence_lost", reason="spool_full") == 4
    await site.kill()


async def test_of_two_alike_the_older_gives_way(tmp_path: Path) -> None:
    site = Site(tmp_path, most_bytes=2_200)
    site.objects.down = True
    for name in ("inc_old", "inc_mid", "inc_new"):
        await site.keeper.keep(order(name), [piece(size=1_000)])
        await site.clock.advance(1)
    await site.run()
    assert site.losses() == {"inc_old": Loss.SPOOL_FULL}
    await site.kill()


async def test_on_a_full_disk_what_is_worth_less_makes_room_once(site: Site) -> None:
    site.objects.down = True
    await site.keeper.keep(order("inc_a"), [piece(AFTER, size=1_000)])
    site.spool.fits = 0
    await site.keeper.keep(order("inc_b", Severity.HIGH), [piece(JUDGED, size=1_000)])
    await site.keeper.keep(order("inc_c"), [piece(AFTER, size=1_000)])
    await site.run()
    assert site.losses() == {"inc_a": Loss.SPOOL_FULL, "inc_c": Loss.DISK_FULL}


async def test_what_was_erased_while_it_waited_does_not_stay_in_the_store(site: Site) -> None:
    site.objects.down = True
    await site.keeper.keep(order(), [piece()])
    await site.run(2)
    await FakeEvidenceEnds(site.database).erase_candidate(ACME, order().candidate_id)
    site.objects.down = False
    await site.run(5)
    assert site.objects.objects == {} and site.spooled() == []
    assert site.metrics.counted("evidence_uploads", outcome="erased") == 1


async def test_what_is_on_its_way_when_its_candidate_is_erased_is_dropped_and_told(
    site: Site,
) -> None:
    site.ledger.down = True  # sealed and spooled, and the database knows nothing of it yet
    await site.keeper.keep(order(), [piece()])
    await site.keeper.keep(order("inc_2", candidate_id="cnd_2"), [piece()])
    await site.kill()
    site.ledger.down = False
    receipt = Erasure(
        receipt_id="era_1",
        tenant_id=ACME,
        candidate_id=order().candidate_id,
        asked_by="ada",
        asked_at=site.clock.now(),
    )
    await FakeErasureStore(site.database).begin(receipt)
    site.start()  # the host comes back after the erasure
    await site.run(5)
    assert site.spooled() == []
    assert await site.state() is None
    kept = [piece.ref for piece, _ in site.database.evidence.values()]
    assert [each.candidate_id for each in kept] == ["cnd_2"]
    assert list(site.objects.objects) == [kept[0].object_key]
    assert site.objects.puts == 1  # of the neighbour's
    assert site.metrics.counted("evidence_lost", reason="erased") == 1
    told = [row[2:] for row in site.database.audit]
    assert told == [("evidence.lost", ref_of(order(), piece()).evidence_id, "erased")]


async def test_the_most_urgent_goes_up_first(site: Site) -> None:
    site.objects.down = True
    for number in range(6):
        await site.keeper.keep(order(f"inc_{number}"), [piece(AFTER)])
    await site.keeper.keep(order("inc_h", Severity.HIGH), [piece(AFTER)])
    await site.keeper.keep(order("inc_j"), [piece(JUDGED)])
    site.objects.down, site.objects.hangs = False, True
    await site.run(1)
    busy = [each.piece.ref.incident_id for each in site.keeper._shelf if each.is_busy]
    assert {"inc_h", "inc_j"} <= set(busy) and len(busy) == AT_ONCE


def test_a_piece_is_named_by_what_it_is_of() -> None:
    one = ref_of(order(), piece())
    assert one == ref_of(order(until_ms=77_000), piece())
    assert one.object_key == f"acme/exm_1/ses_1/{one.evidence_id}"
    for other in (
        ref_of(order("inc_2"), piece()),
        ref_of(order(), piece(seed=1)),
        ref_of(order(), piece(at_ms=7)),
        ref_of(replace(order(), tenant_id="other"), piece()),
    ):
        assert other.evidence_id != one.evidence_id
