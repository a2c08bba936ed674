"""A whole site for proof: SQLite, recordings and checkpoints in folders, evidence sealed for real."""

import hashlib
import shutil
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from proctor.adapters.elsewhere import ObjectElsewhere
from proctor.adapters.keys import FileKeyRing
from proctor.adapters.recordings.arrow import read_arrow, write_arrow
from proctor.adapters.recordings.objects import ObjectRecordings
from proctor.adapters.seal import FileSeal, SealReader, make_proof_key
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.evidence import EvidenceRef, PieceKind
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId
from proctor.domain.recordings import Footer, RecordingKey, Segment
from proctor.fusion.alert_log import alert_log_sha256
from proctor.services.proof.export import EvidenceAs, Export, Exported
from proctor.services.proof.keep import ChainKeeper
from proctor.services.proof.report import Report
from proctor.services.proof.verify import verify
from tests.contract.samples import (
    ACME,
    NOON,
    OTHER,
    alert,
    candidate,
    consent,
    exam,
    incident,
    judged,
    monitored,
    session,
)
from tests.contract.test_desk_stores import missed
from tests.contract.test_desk_stores import word as decided
from tests.contract.test_recordings import rows
from tests.contract.test_review_stores import word
from tests.fakes.clock import FakeClock
from tests.fakes.evidence_shown import FakeStoredEvidence

WHICH, WHO = SessionId("ses_1"), CandidateId("cnd_1")
PICTURE = b"\xff\xd8 canary: the judged picture \xff\xd9"
KEY = RecordingKey(tenant_id=ACME, exam_id=ExamId("exm_1"), session_id=WHICH)


@dataclass
class ProofSite:
    """Everything that proof needs, with one session whose whole story was committed."""

    folder: Path
    stores: SqlStores
    clock: FakeClock

    @classmethod
    def make(cls, folder: Path, migrated: Path) -> "ProofSite":
        shutil.copy(migrated, folder / "proctor.db")
        make_proof_key(folder / "proof-key.pem")
        return cls(folder, SqlStores(f"sqlite:///{folder}/proctor.db"), FakeClock())

    def __post_init__(self) -> None:
        self.recordings = ObjectRecordings((self.folder / "recordings").as_uri())
        self.elsewhere = ObjectElsewhere((self.folder / "elsewhere").as_uri())
        self.seal = FileSeal(self.folder / "proof-key.pem")
        self.evidence = FakeStoredEvidence()
        self.keys = self.stores.subject_keys(FileKeyRing(self.folder / "keys.json"), self.clock)
        self.keeper = ChainKeeper(
            chain=self.stores.chain,
            sessions=self.stores.sessions,
            exams=self.stores.exams,
            alerts=self.stores.archive,
            erasures=self.stores.erasures,
            recordings=self.recordings,
            elsewhere=self.elsewhere,
            seal=self.seal,
            clock=self.clock,
            evidence=self.evidence,
            cases=self.stores.cases,
            incidents=self.stores.incidents,
        )
        self.export_service = Export(
            keeper=self.keeper,
            chain=self.stores.chain,
            sessions=self.stores.sessions,
            exams=self.stores.exams,
            incidents=self.stores.incidents,
            alerts=self.stores.archive,
            recordings=self.recordings,
            elsewhere=self.elsewhere,
            seal=self.seal,
            clock=self.clock,
            to_arrow=write_arrow,
            evidence=self.evidence,
            keys=self.keys,
            cases=self.stores.cases,
        )

    async def begin(self) -> None:
        await self.stores.exams.ensure_tenant(ACME, "Acme")
        await self.stores.exams.ensure_tenant(OTHER, "Other")
        await self.stores.exams.add_exam(exam())
        await self.stores.candidates.add_candidate(candidate())
        await self.stores.candidates.add_consent(consent())
        await self.stores.sessions.add(session())
        await self.stores.sessions.next_epoch(ACME, WHICH, NOON)

    async def judge(self, first: int = 1, last: int = 3) -> None:
        """Alerts of one incident are committed, and a picture is kept."""
        alerts = [alert(seq) for seq in range(first, last + 1)]
        await self.stores.incidents.commit([judged(*alerts, incidents=(incident(),))])

    async def keep_picture(self, name: str = "evd_1") -> EvidenceRef:
        ref = EvidenceRef(
            evidence_id=name,
            tenant_id=ACME,
            exam_id=ExamId("exm_1"),
            session_id=WHICH,
            candidate_id=WHO,
            incident_id=IncidentId("inc_1"),
            kind=PieceKind.JUDGED,
            media_type="image/jpeg",
            start_ms=1000,
            end_ms=1000,
            sha256=hashlib.sha256(PICTURE).hexdigest(),
            size=len(PICTURE),
            object_key=f"acme/{name}",
            stored_at=NOON,
        )
        self.evidence.put(ref, await self.keys.seal(ACME, WHO, ref.object_key, PICTURE))
        return ref

    async def end(self) -> None:
        """The session ends, its coverage is told and its recording closed."""
        seen = (monitored(0, 300_000),)
        await self.stores.incidents.commit([judged(coverage=seen)])
        await self.stores.sessions.end(ACME, WHICH, NOON + timedelta(minutes=5))
        await self.stores.sessions.settle(ACME, WHICH, NOON + timedelta(minutes=5, seconds=1))
        await self.record()

    async def record(self) -> None:
        taken = rows()
        segment = Segment(key=KEY, take="20260101T120000000Z", number=0, rows=taken)
        await self.recordings.put(segment)
        alerts = await self.stores.archive.of_session(ACME, WHICH)
        await self.recordings.close_with(
            Footer(
                key=KEY,
                take="20260101T120000000Z",
                entries=len(taken),
                alerts=len(alerts),
                alert_log_sha256=alert_log_sha256(alerts),
                ended_at=NOON + timedelta(minutes=5),
                retention_days=30,
            )
        )

    async def review(self) -> None:
        await self.stores.verdicts.add(replace(word(), told_at=NOON))

    async def decide(self, version: int = 1) -> None:
        """A reviewer says how they leave the session; nobody is told of it."""
        await self.stores.cases.decide(decided(version))

    async def add_incident(self) -> None:
        """A reviewer adds what no rule found."""
        await self.stores.cases.add_incident(*missed(), 9)

    async def reviewed_story(self) -> None:
        """The whole story, closed, and then what reviewers added to it."""
        await self.whole_story()
        await self.keeper.keep_due()
        await self.add_incident()
        await self.decide(1)
        await self.decide(2)

    async def whole_story(self) -> None:
        """Begun, judged, chained on the way, ended, reviewed."""
        await self.begin()
        await self.judge(1, 2)
        await self.keeper.keep_due()
        await self.judge(3, 3)
        await self.keep_picture()
        await self.keeper.keep_due()
        await self.end()
        await self.keeper.keep_due()
        await self.review()

    async def export(
        self, name: str = "export.zip", evidence: EvidenceAs = EvidenceAs.SEALED
    ) -> Path:
        path = self.folder / name
        self.exported: Exported = await self.export_service.write(
            ACME, WHICH, path, actor="ada", evidence=evidence
        )
        return path

    def verify(self, path: Path, *known: str) -> Report:
        """With the public key alone, as on another machine."""
        reader = SealReader.from_pem(self.seal.pem().encode())
        return verify(path, reader, read_arrow, known)
