"""Settings in, proof and erasure out: candidates' keys, the chains of sessions, exports, the end of data.

Imports are inside the functions, so that a process pays only for what it opens.
"""

from typing import TYPE_CHECKING, Protocol

from proctor.bootstrap_evidence import open_evidence, open_recordings
from proctor.settings import Settings

if TYPE_CHECKING:
    from proctor.adapters.elsewhere import ObjectElsewhere
    from proctor.adapters.key_rings import RotatingRing
    from proctor.adapters.seal import FileSeal
    from proctor.adapters.sql.stores import SqlStores
    from proctor.adapters.sql.subject_keys import SqlSubjectKeys
    from proctor.ports import (
        AlertArchive,
        CandidateStore,
        CaseStore,
        ChainStore,
        ErasureStore,
        EvidenceEnds,
        ExamStore,
        FaceIndex,
        IncidentStore,
        LiveState,
        SessionStore,
        SubjectKeys,
    )
    from proctor.services.erase import EndsSessions, Erase
    from proctor.services.proof.export import Export
    from proctor.services.proof.keep import ChainKeeper
    from proctor.services.proof.kept_evidence import KeptEvidence


class ProofStores(Protocol):
    """The stores that proof and erasure read and write."""

    @property
    def chain(self) -> "ChainStore":
        """Chains."""
        ...

    @property
    def sessions(self) -> "SessionStore":
        """Sessions."""
        ...

    @property
    def exams(self) -> "ExamStore":
        """Exams."""
        ...

    @property
    def candidates(self) -> "CandidateStore":
        """Candidates."""
        ...

    @property
    def incidents(self) -> "IncidentStore":
        """Incidents."""
        ...

    @property
    def archive(self) -> "AlertArchive":
        """Alerts."""
        ...

    @property
    def erasures(self) -> "ErasureStore":
        """Erasures."""
        ...

    @property
    def cases(self) -> "CaseStore":
        """Decisions and added incidents."""
        ...

    @property
    def evidence_ends(self) -> "EvidenceEnds":
        """Rows of evidence."""
        ...


def open_kept_evidence(settings: Settings, stores: ProofStores) -> "KeptEvidence":
    """Evidence as proof and erasure see it."""
    from proctor.services.proof.kept_evidence import KeptEvidence

    return KeptEvidence(stores.evidence_ends, open_evidence(settings))


def open_rotating_ring(settings: Settings) -> "RotatingRing":
    """The key ring itself, to be rotated. Raises `InvalidInput` when it cannot be used."""
    from proctor.adapters.key_rings import rotating_ring

    known = settings.resolved()
    assert known.key_file is not None
    return rotating_ring(known.key_ring, known.key_file, known.key_ring_token)


def open_subject_keys(settings: Settings, sql: "SqlStores") -> "SqlSubjectKeys":
    """Candidates' data keys; one per process. Raises `InvalidInput` as `open_secrets_ring`."""
    from proctor.adapters.clock import SystemClock
    from proctor.adapters.key_rings import wrapping_ring

    known = settings.resolved()
    assert known.key_file is not None
    ring = wrapping_ring(known.key_ring, known.key_file, known.key_ring_token)
    return sql.subject_keys(ring, SystemClock())


def open_elsewhere(settings: Settings) -> "ObjectElsewhere":
    """Where checkpoints and tombstones are kept. Raises `InvalidInput` for a URL of no store."""
    from proctor.adapters.elsewhere import ObjectElsewhere

    known = settings.resolved()
    assert known.checkpoints_url is not None
    return ObjectElsewhere(known.checkpoints_url)


def open_seal(settings: Settings) -> "FileSeal":
    """What signs proof. Raises `InvalidInput` when its key is not there or others may read it."""
    from proctor.adapters.seal import FileSeal

    known = settings.resolved()
    assert known.proof_key is not None
    return FileSeal(known.proof_key)


def build_chain_keeper(
    settings: Settings,
    stores: "ProofStores",
) -> "ChainKeeper":
    """What brings the chains of sessions up to what was committed, and signs them."""
    from proctor.adapters.clock import SystemClock
    from proctor.services.proof.keep import ChainKeeper

    return ChainKeeper(
        chain=stores.chain,
        sessions=stores.sessions,
        exams=stores.exams,
        alerts=stores.archive,
        erasures=stores.erasures,
        recordings=open_recordings(settings),
        elsewhere=open_elsewhere(settings),
        seal=open_seal(settings),
        clock=SystemClock(),
        cases=stores.cases,
        incidents=stores.incidents,
        evidence=open_kept_evidence(settings, stores),
    )


def build_erase(
    settings: Settings,
    stores: "ProofStores",
    *,
    keys: "SubjectKeys",
    faces: "FaceIndex",
    ends: "EndsSessions | None" = None,
    live: "LiveState | None" = None,
) -> "Erase":
    """What erases candidates; without `ends` it refuses while a session of theirs goes on."""
    from proctor.adapters.clock import SystemClock
    from proctor.services.erase import Erase

    return Erase(
        erasures=stores.erasures,
        candidates=stores.candidates,
        sessions=stores.sessions,
        keys=keys,
        faces=faces,
        recordings=open_recordings(settings),
        elsewhere=open_elsewhere(settings),
        seal=open_seal(settings),
        keeper=build_chain_keeper(settings, stores),
        clock=SystemClock(),
        ends=ends,
        live=live,
        evidence=open_kept_evidence(settings, stores),
    )


def build_export(settings: Settings, stores: ProofStores, keys: "SubjectKeys") -> "Export":
    """What writes sessions into files that anybody can check."""
    from proctor.adapters.clock import SystemClock
    from proctor.adapters.recordings.arrow import write_arrow
    from proctor.services.proof.export import Export

    return Export(
        keeper=build_chain_keeper(settings, stores),
        chain=stores.chain,
        sessions=stores.sessions,
        exams=stores.exams,
        incidents=stores.incidents,
        alerts=stores.archive,
        recordings=open_recordings(settings),
        elsewhere=open_elsewhere(settings),
        seal=open_seal(settings),
        clock=SystemClock(),
        to_arrow=write_arrow,
        cases=stores.cases,
        evidence=open_kept_evidence(settings, stores),
        keys=keys,
    )
