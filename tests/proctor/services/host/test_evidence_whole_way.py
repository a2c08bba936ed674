"""A host, a shard and the keeper itself: what shows an incident lies sealed in the store."""

import asyncio
from pathlib import Path

from proctor.adapters.evidence.spool import FolderSpool
from proctor.domain.evidence import PieceKind, PieceState
from proctor.domain.incidents import EvidenceStatus
from proctor.services.evidence.keeper import SpoolingKeeper
from tests.fakes.evidence import FakeEvidenceLedger, FakeEvidenceObjects
from tests.fakes.subject_keys import FakeSubjectKeys
from tests.proctor.services.host.test_evidence import alert_of, leaves
from tests.proctor.services.host.test_with_a_shard import Court


async def test_from_the_picture_to_the_store(tmp_path: Path) -> None:
    async with Court() as court:
        room = court.room
        ledger = FakeEvidenceLedger(court.incidents.database)
        keeper = SpoolingKeeper(
            keys=FakeSubjectKeys(),
            spool=FolderSpool(tmp_path),
            objects=FakeEvidenceObjects(),
            ledger=ledger,
            clock=room.clock,
            metrics=room.metrics,
            most_bytes=100_000_000,
        )
        room.host._hands._keeper = keeper
        running = asyncio.create_task(keeper.run())
        await leaves(court)
        for _ in range(400):
            await asyncio.sleep(0.05)  # the spool's disk has a thread of its own
            await room.watch(200)
            alert = alert_of(court, "no_face")
            whole, kept = await ledger.incident(alert.tenant_id, alert.incident_id)
            if kept and all(piece.state is PieceState.STORED for piece in kept):
                break
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert whole is not None and whole.status is EvidenceStatus.STORED
        assert {piece.state for piece in kept} == {PieceState.STORED}
        assert {piece.ref.kind for piece in kept} == set(PieceKind)
        judged = {piece.ref.sha256 for piece in kept if piece.ref.kind is PieceKind.JUDGED}
        assert alert.frame_digest in judged
