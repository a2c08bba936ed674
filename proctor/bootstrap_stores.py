"""Settings in, open stores out. Each can be opened alone, so that a process pays only for what it opens."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proctor.bootstrap_proof import open_subject_keys
from proctor.domain.errors import InvalidInput
from proctor.settings import Settings

if TYPE_CHECKING:
    from proctor.adapters.lancedb_faces import LanceFaceIndex
    from proctor.adapters.redis_state import RedisCheckpoints, RedisLiveState
    from proctor.adapters.sql.stores import SqlStores
    from proctor.ports import (
        AlertArchive,
        AlertFeed,
        AllowanceStore,
        AuditLog,
        CandidateStore,
        CaseStore,
        ChainStore,
        Checkpoints,
        DeliveryStore,
        ErasureStore,
        EvidenceEnds,
        EvidenceLedger,
        ExamStore,
        FaceIndex,
        FigureStore,
        IncidentStore,
        KeyRing,
        LiveState,
        NoticeStore,
        PolicyStore,
        PriorityStore,
        ReviewDesk,
        SessionStore,
        SinkStore,
        SubjectKeys,
        VerdictStore,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Everything that the product remembers, as ports. Close it when the process is done with it."""

    exams: "ExamStore"
    policies: "PolicyStore"
    candidates: "CandidateStore"
    sessions: "SessionStore"
    incidents: "IncidentStore"
    feed: "AlertFeed"
    archive: "AlertArchive"
    allowances: "AllowanceStore"
    verdicts: "VerdictStore"
    priorities: "PriorityStore"
    desk: "ReviewDesk"
    cases: "CaseStore"
    figures: "FigureStore"
    notices: "NoticeStore"
    live: "LiveState"
    checkpoints: "Checkpoints"
    faces: "FaceIndex"
    sinks: "SinkStore"
    deliveries: "DeliveryStore"
    evidence: "EvidenceLedger"
    evidence_ends: "EvidenceEnds"
    audit: "AuditLog"
    chain: "ChainStore"
    erasures: "ErasureStore"
    keys: "SubjectKeys"
    _opened: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)

    async def close(self) -> None:
        """Close every connection and end what was started. Idempotent."""
        await self._opened.aclose()


async def open_stores(settings: Settings) -> Stores:
    """Open every store and ask each for a first answer.

    Raises:
        InvalidInput: A setting is missing or wrong (`redis_url` above all: the launcher gives it).
        StateStoreUnavailable: A store is away, or the database is not migrated.
    """
    settings = settings.resolved()
    async with AsyncExitStack() as opened:
        sql = open_sql(settings)
        opened.push_async_callback(sql.close)
        await sql.open()
        live = open_live_state(settings)
        opened.push_async_callback(live.close)
        await live.check()
        checkpoints = open_checkpoints(settings)
        opened.push_async_callback(checkpoints.close)
        faces = open_faces(settings)
        opened.push_async_callback(faces.close)
        return Stores(
            exams=sql.exams,
            policies=sql.policies,
            candidates=sql.candidates,
            sessions=sql.sessions,
            incidents=sql.incidents,
            feed=sql.feed,
            archive=sql.archive,
            allowances=sql.allowances,
            verdicts=sql.verdicts,
            priorities=sql.priorities,
            desk=sql.desk,
            cases=sql.cases,
            figures=sql.figures,
            notices=sql.notices,
            live=live,
            checkpoints=checkpoints,
            faces=faces,
            sinks=sql.sinks,
            deliveries=sql.deliveries,
            evidence=sql.evidence,
            evidence_ends=sql.evidence_ends,
            audit=sql.audit,
            chain=sql.chain,
            erasures=sql.erasures,
            keys=open_subject_keys(settings, sql),
            _opened=opened.pop_all(),
        )


def open_sql(settings: Settings) -> "SqlStores":
    """The database alone; `await .open()` asks it for a first answer. The caller closes it."""
    from proctor.adapters.sql.stores import SqlStores

    known = settings.resolved()
    assert known.database_url is not None
    return SqlStores(known.database_url)


def open_live_state(settings: Settings) -> "RedisLiveState":
    """Redis alone, for processes that need nothing else. The caller closes it."""
    from proctor.adapters.redis_state import RedisLiveState

    return RedisLiveState(_redis_url(settings))


def open_checkpoints(settings: Settings) -> "RedisCheckpoints":
    """The shards' memory. The caller closes it."""
    from proctor.adapters.redis_state import RedisCheckpoints

    return RedisCheckpoints(_redis_url(settings))


def open_faces(settings: Settings) -> "LanceFaceIndex":
    """The templates and the ring that opens them, for session hosts. The caller closes it."""
    from proctor.adapters.lancedb_faces import LanceFaceIndex

    known = settings.resolved()
    assert known.faces_uri is not None
    return LanceFaceIndex(known.faces_uri, open_secrets_ring(known))


def open_secrets_ring(settings: Settings) -> "KeyRing":
    """What seals small secrets. Raises `InvalidInput` when the key ring cannot be used."""
    from proctor.adapters.clock import SystemClock
    from proctor.adapters.key_rings import secrets_ring

    known = settings.resolved()
    assert known.key_file is not None
    return secrets_ring(known.key_ring, known.key_file, known.key_ring_token, SystemClock())


def _redis_url(settings: Settings) -> str:
    if settings.redis_url is None:
        raise InvalidInput(
            "no Redis: set PROCTOR_REDIS_URL, or start with `proctor up`, which starts one",
            "settings/no-redis",
        )
    return settings.redis_url.get_secret_value()
