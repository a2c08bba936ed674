"""A session as one file that anybody can check offline (`proctor verify`).

manifest.json, manifest.jws   every other member by sha256, signed
chain.jsonl                   the entries, as they are hashed
openings.json                 what opens their commitments; gone with an erased candidate
checkpoints.jsonl             the signed checkpoints, the smallest first
session.json, policy.yaml     who sat what, what could be seen, the rules
alerts.jsonl, incidents.jsonl, verdicts.jsonl, decisions.jsonl, additions.jsonl, evidence.jsonl, models.json
recording/                    what was consumed, one Arrow file per take
evidence/                     pictures and clips, opened or sealed
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from proctor.domain.alerts import Alert
from proctor.domain.casework import Added, SessionDecision
from proctor.domain.errors import Conflict, InvalidInput, NotFound
from proctor.domain.evidence import EvidenceRef
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.notes import VerdictGiven
from proctor.domain.observations import Producer
from proctor.domain.proof import Entry
from proctor.domain.recordings import Footer, Recording, RecordingKey, Row
from proctor.domain.sessions import Exam, Session
from proctor.ports import (
    AlertArchive,
    CaseStore,
    ChainStore,
    Clock,
    Elsewhere,
    ExamStore,
    IncidentStore,
    Recordings,
    Seal,
    SessionStore,
    StoredEvidence,
    SubjectKeys,
)
from proctor.services.proof.bundle import BundleWriter, lines
from proctor.services.proof.entries import canonical
from proctor.services.proof.facts import plain
from proctor.services.proof.keep import ChainKeeper

EXPORT = "rayproctor-export"
"""What the signature of a manifest says that it signs."""

TRIES = 5


class EvidenceAs(StrEnum):
    """How evidence is put into an export."""

    OPENED = "opened"
    SEALED = "sealed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export holds."""

    entries: int
    alerts: int
    evidence: int
    head: str


class Export:
    """Writes sessions into files.

    Args:
        keeper: Brings the chain up to date and signs it before it is written.
        to_arrow: Makes a file of a recording's rows.
        evidence: Pictures and clips; None when this site keeps none.
        keys: Opens them.
    """

    def __init__(
        self,
        *,
        keeper: ChainKeeper,
        chain: ChainStore,
        sessions: SessionStore,
        exams: ExamStore,
        incidents: IncidentStore,
        alerts: AlertArchive,
        recordings: Recordings,
        elsewhere: Elsewhere,
        seal: Seal,
        clock: Clock,
        to_arrow: Callable[[Sequence[Row]], bytes],
        cases: CaseStore,
        evidence: StoredEvidence | None = None,
        keys: SubjectKeys | None = None,
    ) -> None:
        self._keeper = keeper
        self._chain = chain
        self._sessions = sessions
        self._exams = exams
        self._incidents = incidents
        self._alerts = alerts
        self._recordings = recordings
        self._elsewhere = elsewhere
        self._seal = seal
        self._clock = clock
        self._to_arrow = to_arrow
        self._cases = cases
        self._evidence = evidence
        self._keys = keys

    async def write(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        path: Path,
        *,
        actor: str,
        evidence: EvidenceAs = EvidenceAs.SEALED,
    ) -> Exported:
        """Write the export of a session; `path` is there whole or not at all, its owner's alone to read.

        Raises:
            NotFound: There is no such session, or it has not begun.
            Conflict: Its verdicts change without end.
            StateStoreUnavailable: A store is away, or the audit row could not be written.
        """
        session = await self._sessions.get(tenant_id, session_id)
        if session.started_at is None:
            raise NotFound(f"session {session_id} has not begun")
        told = f"evidence {evidence.value}"
        await self._chain.note_export(tenant_id, session_id, actor, told, self._clock.now())
        incidents, size = await self._settled(tenant_id, session_id)
        draft = path.with_name(f".{path.name}.part")
        try:
            with _new_file(draft) as file:
                bundle = BundleWriter(file)
                done = await self._fill(bundle, session, evidence, incidents, size)
                bundle.close()
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return done

    async def _settled(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> tuple[Sequence[Incident], int]:
        """Incidents whose verdicts are the ones that are chained: a reviewer may be at work now."""
        for _ in range(TRIES):
            before = await self._incidents.list_incidents(tenant_id, session_id)
            head = await self._keeper.sign_now(tenant_id, session_id)
            after = await self._incidents.list_incidents(tenant_id, session_id)
            if {(one.incident_id, one.verdict) for one in before} == {
                (one.incident_id, one.verdict) for one in after
            }:
                return after, head.size
        raise Conflict(f"session {session_id} is being reviewed; try again", "export/busy")

    async def _fill(
        self,
        bundle: BundleWriter,
        session: Session,
        how: EvidenceAs,
        incidents: Sequence[Incident],
        size: int,
    ) -> Exported:
        tenant_id, session_id = session.tenant_id, session.session_id
        exam = await self._exams.get_exam(tenant_id, session.exam_id)
        entries = (await self._chain.entries(tenant_id, session_id))[:size]
        chained = {(entry.kind.value, entry.source_id) for entry in entries}
        alerts = [
            news
            for news in await self._alerts.of_session(tenant_id, session_id)
            if ("alert", news.alert_id) in chained  # one may be committed at this very moment
        ]
        verdicts = [
            given
            for given in await self._chain.verdicts(tenant_id, session_id)
            if ("verdict", given.verdict_id) in chained
        ]
        decisions = [
            given
            for given in await self._cases.decisions(tenant_id, session_id)
            if ("decision", str(given.version)) in chained
        ]
        additions = [
            added
            for added in await self._cases.additions(tenant_id, session_id)
            if ("added", added.incident_id) in chained
        ]
        self._add_chain(bundle, entries)
        checkpoints = await self._elsewhere.checkpoints(tenant_id, session_id)
        bundle.add("checkpoints.jsonl", lines(one.encode() for one in checkpoints))
        bundle.add("session.json", canonical(_session(session, exam)))
        bundle.add("policy.yaml", exam.policy_text.encode())
        for name, items, kind in (
            ("alerts.jsonl", alerts, Alert),
            ("incidents.jsonl", incidents, Incident),
            ("verdicts.jsonl", verdicts, VerdictGiven),
            ("decisions.jsonl", decisions, SessionDecision),
            ("additions.jsonl", additions, Added),
        ):
            bundle.add(name, lines(canonical(plain(item, kind)) for item in items))
        models = sorted({one for news in alerts for one in news.producers}, key=str)
        bundle.add("models.json", canonical([plain(one, Producer) for one in models]))
        await self._add_recording(bundle, session)
        pieces, missing = await self._add_evidence(bundle, session, how, chained)
        head = entries[-1].sha256 if entries else ""
        manifest = canonical(
            {
                "v": 1,
                "tenant": tenant_id,
                "session": session_id,
                "made_at": self._clock.now().isoformat(timespec="microseconds"),
                "evidence": how.value,
                "missing": missing,
                "chain": {"size": len(entries), "head": head},
                "files": dict(bundle.members),
            }
        )
        bundle.add("manifest.json", manifest)
        bundle.add("manifest.jws", self._seal.sign(EXPORT, manifest).encode())
        return Exported(entries=len(entries), alerts=len(alerts), evidence=pieces, head=head)

    def _add_chain(self, bundle: BundleWriter, entries: Sequence[Entry]) -> None:
        bundle.add("chain.jsonl", lines(entry.text.encode() for entry in entries))
        salts = {str(one.number): one.salt.hex() for one in entries if one.salt is not None}
        bundle.add("openings.json", canonical(salts))

    async def _add_recording(self, bundle: BundleWriter, session: Session) -> None:
        key = RecordingKey(
            tenant_id=session.tenant_id, exam_id=session.exam_id, session_id=session.session_id
        )
        try:
            found: Recording = await self._recordings.read(key)
        except NotFound:
            return
        if found.footer is None:
            return  # it is not closed, so it is in no entry yet
        for number, rows in enumerate(found.takes):
            bundle.add(f"recording/take-{number:03d}.arrow", self._to_arrow(rows))
        bundle.add("recording/footer.json", canonical(plain(found.footer, Footer)))

    async def _add_evidence(
        self,
        bundle: BundleWriter,
        session: Session,
        how: EvidenceAs,
        chained: set[tuple[str, str]],
    ) -> tuple[int, list[str]]:
        """How many pieces it holds, and which are gone from the store."""
        refs: list[EvidenceRef] = []
        if self._evidence is not None:
            found = await self._evidence.of_session(session)
            refs = [ref for ref in found if ("evidence", ref.evidence_id) in chained]
        bundle.add("evidence.jsonl", lines(canonical(plain(ref, EvidenceRef)) for ref in refs))
        if how is EvidenceAs.NONE or self._evidence is None:
            return 0, []
        missing: list[str] = []
        for ref in refs:
            try:
                content = await self._evidence.sealed(ref)
            except NotFound:  # the others are wanted all the same; `verify` says it
                missing.append(ref.evidence_id)
                continue
            if how is EvidenceAs.OPENED:
                content = await self._opened(ref, content)
            bundle.add(f"evidence/{ref.evidence_id}", content)
        return len(refs) - len(missing), missing

    async def _opened(self, ref: EvidenceRef, sealed: bytes) -> bytes:
        if self._keys is None:
            raise InvalidInput("there are no keys to open evidence with", "export/no-keys")
        return await self._keys.open(ref.tenant_id, ref.candidate_id, ref.object_key, sealed)


def _new_file(path: Path) -> BinaryIO:
    """A file of ours in the place of what was there; nobody else may read it."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _session(session: Session, exam: Exam) -> dict[str, Any]:
    return {
        "session": plain(session, Session),
        "exam": plain(exam, Exam),
    }
