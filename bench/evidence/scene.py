"""Incidents that are told, and evidence of them that is handed over, while something fails.

The database, the keeper, its spool, the store's client and the news are the product's own. Alerts and
pictures are made up, candidates' keys are held in memory, S3 is moto's. `Tally` is the verdict.
"""

import asyncio
import hashlib
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.pushing.scene import made_up
from proctor.adapters.clock import SystemClock
from proctor.adapters.evidence.objects import ObjectEvidence
from proctor.adapters.evidence.spool import FolderSpool
from proctor.adapters.metrics import PrometheusMetrics
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.candidates import Candidate
from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.evidence import EvidenceOrder, Piece, PieceKind, PieceState
from proctor.domain.ids import CandidateId, TenantId
from proctor.domain.incidents import Evidence, EvidenceStatus, Incident, Severity
from proctor.domain.notes import IncidentNote
from proctor.domain.sessions import Exam, Session, SessionState
from proctor.ports import Judged, SessionJudges
from proctor.services.evidence.keeper import SpoolingKeeper
from proctor.services.evidence.telling import EvidenceNews
from proctor.services.evidence.uploads import Patience
from proctor.services.news import IncidentNews

CANARY = b"canary: a made-up picture "
BUCKET = "evidence"
BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
DELIVERED_WITHIN = timedelta(seconds=10)
QUICK = Patience(upload_within_ms=2_500, first_pause_s=0.2, most_pause_s=1.0)
"""The product's 10 minutes, 30 s, 1 s and 60 s, shortened so that a seed takes seconds."""


class MemoryKeys:
    """Candidates' keys in memory: AES-256-GCM as everywhere. `is_away`: they cannot be had."""

    def __init__(self) -> None:
        self._key = AESGCM(hashlib.sha256(b"bench").digest())
        self.is_away = False

    async def seal(
        self, tenant_id: TenantId, candidate_id: CandidateId, name: str, plain: bytes
    ) -> bytes:
        """Encrypt."""
        if self.is_away:
            raise StateStoreUnavailable("the keys are away")
        nonce = secrets.token_bytes(12)
        about = "\x1f".join((tenant_id, candidate_id, name)).encode()
        return nonce + self._key.encrypt(nonce, plain, about)

    async def open(
        self, tenant_id: TenantId, candidate_id: CandidateId, name: str, sealed: bytes
    ) -> bytes:
        """Decrypt."""
        about = "\x1f".join((tenant_id, candidate_id, name)).encode()
        return self._key.decrypt(sealed[:12], sealed[12:], about)

    async def destroy(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Nothing is erased here."""
        raise NotImplementedError("a bench erases nobody")


class NoShards:
    """Every session is over: no shard numbers its news."""

    async def annotate(self, note: IncidentNote) -> bool:
        """Not ours."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the incidents of one seed, or of all.

    Attributes:
        alerts: Incidents told.
        late: Alerts that reached the feed later than `LATE_MS` after their commit began.
        stored: Incidents whose evidence is stored, and opened again as what was handed over.
        lost: Incidents told as lost, by reason.
        unstated: Incidents of which neither is told: must be 0.
        wrong: Pieces that do not open to what was handed over: must be 0.
        plain: Files of the spool that show what is in a picture: must be 0.
        alert_ms: Time from commit to feed, of every alert.
        keep_ms: Time that a host waited for the keeper, of every order.
        healed_s: From the end of the fault until nothing waited any more, of every seed.
    """

    alerts: int = 0
    late: int = 0
    stored: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    unstated: int = 0
    wrong: int = 0
    plain: int = 0
    alert_ms: tuple[float, ...] = ()
    keep_ms: tuple[float, ...] = ()
    healed_s: tuple[float, ...] = ()

    def __add__(self, other: "Tally") -> "Tally":
        names = self.__slots__
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in names})


LATE_MS = 5_000.0
"""An alert that waited for an upload would be later than this (8.2 s: TRUST.md D14)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One incident of the scene with its order and pieces."""

    number: int
    incident: Incident
    order: EvidenceOrder
    pieces: tuple[Piece, ...]


def script(seed: int, count: int) -> list[Seen]:
    """The same incidents for the same seed, each in a session of its own."""
    luck = random.Random(seed)
    return [_seen(number, luck) for number in range(count)]


def _seen(number: int, luck: random.Random) -> Seen:
    alert = made_up(number, 1)
    severity = luck.choice(tuple(Severity))
    incident = Incident(
        **{name: getattr(alert, name) for name in ("tenant_id", "exam_id", "session_id")},
        **{name: getattr(alert, name) for name in ("candidate_id", "incident_id", "rule_id")},
        **{name: getattr(alert, name) for name in ("policy_id", "policy_version", "category")},
        severity=severity,
        opened_ms=1_000,
        closed_ms=None,
        signals=(),
        evidence=Evidence(status=EvidenceStatus.PENDING),
    )
    order = EvidenceOrder(
        tenant_id=incident.tenant_id,
        exam_id=incident.exam_id,
        session_id=incident.session_id,
        candidate_id=incident.candidate_id,
        incident_id=incident.incident_id,
        digests=(),
        from_ms=0,
        until_ms=6_000,
        severity=severity,
    )
    sizes = (
        (PieceKind.JUDGED, 8_000),
        (PieceKind.BEFORE, 6_000),
        (PieceKind.CLIP, luck.randrange(40_000, 120_000)),
    )
    return Seen(number, incident, order, tuple(_piece(kind, size, luck) for kind, size in sizes))


def _piece(kind: PieceKind, size: int, luck: random.Random) -> Piece:
    content = CANARY + luck.randbytes(size)
    return Piece(
        kind=kind,
        media_type="video/webm" if kind is PieceKind.CLIP else "image/jpeg",
        start_ms=1_000,
        end_ms=1_000,
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
    )


class Scene:
    """One database, one store, and keepers that come and go."""

    def __init__(self, folder: Path, seen: Sequence[Seen]) -> None:
        self.folder, self.seen = folder, seen
        self.url = f"sqlite:///{folder / 'proctor.db'}"
        self.spool = folder / "spool"
        self.keys, self.clock = MemoryKeys(), SystemClock()
        self.shard, self.others = SqlStores(self.url), SqlStores(self.url)
        self.alert_ms: list[float] = []
        self.keep_ms: list[float] = []
        self._handing: set[asyncio.Task[None]] = set()
        self._committed: dict[str, float] = {}
        judges: SessionJudges = NoShards()  # type: ignore[assignment]  # asked for nothing else
        stores = self.others
        news = IncidentNews(
            stores.incidents, stores.verdicts, stores.sessions, stores.exams, judges, self.clock
        )
        self.news = EvidenceNews(stores.evidence, news, self.clock, DELIVERED_WITHIN)

    async def furnish(self) -> None:
        """Whose sessions they are; each has ended and nobody judges it any more."""
        await asyncio.to_thread(upgrade, self.url)
        first = self.seen[0].incident
        exams, candidates, sessions = self.shard.exams, self.shard.candidates, self.shard.sessions
        await exams.ensure_tenant(first.tenant_id, "Acme")
        await exams.add_exam(
            Exam(
                exam_id=first.exam_id,
                tenant_id=first.tenant_id,
                title="Bench",
                policy_id="standard",
                policy_version=1,
                policy_text="",
                retention_days=30,
                created_at=BEGAN,
            )
        )
        for each in self.seen:
            incident = each.incident
            await candidates.add_candidate(
                Candidate(
                    candidate_id=incident.candidate_id,
                    tenant_id=incident.tenant_id,
                    external_ref=incident.candidate_id,
                    created_at=BEGAN,
                )
            )
            await sessions.add(
                Session(
                    session_id=incident.session_id,
                    tenant_id=incident.tenant_id,
                    exam_id=incident.exam_id,
                    candidate_id=incident.candidate_id,
                    state=SessionState.CREATED,
                    epoch=0,
                    created_at=BEGAN,
                )
            )
            about = (incident.tenant_id, incident.session_id)
            await sessions.next_epoch(*about, BEGAN)
            await sessions.end(*about, BEGAN)
            await sessions.settle(*about, BEGAN)

    def keeper(self, most_bytes: int = 100_000_000) -> tuple[SpoolingKeeper, FolderSpool]:
        """One of a new session host."""
        spool = FolderSpool(self.spool)
        keeper = SpoolingKeeper(
            keys=self.keys,
            spool=spool,
            objects=self.objects(),
            ledger=self.others.evidence,
            clock=self.clock,
            metrics=PrometheusMetrics(),
            most_bytes=most_bytes,
            patience=QUICK,
        )
        return keeper, spool

    def objects(self) -> ObjectEvidence:
        """The store's client."""
        return ObjectEvidence(f"s3+http://{BUCKET}/kept")

    async def tell(self, each: Seen, keeper: SpoolingKeeper | None) -> None:
        """As a shard does, then as its host does: the alert first, the evidence beside it."""
        alert = replace(made_up(each.number, 1), severity=each.incident.severity)
        self._committed[alert.alert_id] = time.perf_counter()
        part = Judged(
            tenant_id=alert.tenant_id,
            session_id=alert.session_id,
            alerts=(alert,),
            incidents=(each.incident,),
            coverage=None,
        )
        await self.shard.incidents.commit([part])
        if keeper is not None:
            task = asyncio.create_task(self._hand(each, keeper))
            self._handing.add(task)
            task.add_done_callback(self._handing.discard)

    async def _hand(self, each: Seen, keeper: SpoolingKeeper) -> None:
        began_s = time.perf_counter()
        await keeper.keep(each.order, each.pieces)
        self.keep_ms.append((time.perf_counter() - began_s) * 1000)

    async def handed(self) -> None:
        """Every order was answered by the keeper."""
        await asyncio.gather(*list(self._handing))

    async def publish(self) -> None:
        """As the dispatcher does, until cancelled; notes when each alert reached the feed."""
        tenant_id, position = self.seen[0].incident.tenant_id, 0
        while True:
            await self.others.feed.publish_pending(100)
            for item in await self.others.feed.read(tenant_id, position, 100):
                position = item.position
                began_s = self._committed.pop(item.alert.alert_id, None)
                if began_s is not None:
                    self.alert_ms.append((time.perf_counter() - began_s) * 1000)
            await asyncio.sleep(0.02)

    async def settle(self) -> None:
        """As the dispatcher does, until cancelled."""
        while True:
            await self.news.settle()
            await asyncio.sleep(0.2)

    async def states(self) -> Counter[EvidenceStatus]:
        """How many incidents stand where, as their own rows say."""
        found = Counter[EvidenceStatus]()
        for each in self.seen:
            about = (each.incident.tenant_id, each.incident.incident_id)
            incident = await self.others.incidents.get_incident(*about)
            found[incident.evidence.status] += 1
        return found

    async def settled(self, within_s: float = 60.0) -> float:
        """Wait until nothing is pending and nothing waits in a spool; how many seconds that took."""
        began_s = time.perf_counter()
        while time.perf_counter() - began_s < within_s:
            waits = any(self.spool.rglob("evd_*"))
            if not waits and (await self.states())[EvidenceStatus.PENDING] == 0:
                break
            await asyncio.sleep(0.1)
        return time.perf_counter() - began_s

    async def tally(self, healed_s: float) -> Tally:
        """The verdict: what the rows say, against what lies in the store."""
        lost, stored, wrong = Counter[str](), 0, 0
        objects, states = self.objects(), await self.states()
        for each in self.seen:
            about = (each.incident.tenant_id, each.incident.incident_id)
            whole, pieces = await self.others.evidence.incident(*about)
            if whole is not None and whole.status is EvidenceStatus.LOST and whole.loss:
                lost[whole.loss.value] += 1
            stored += whole is not None and whole.status is EvidenceStatus.STORED
            given = {piece.sha256 for piece in each.pieces}
            for piece in pieces:
                if piece.state is PieceState.STORED:
                    ref = piece.ref
                    sealed = await objects.get(ref.object_key)
                    named = (ref.tenant_id, ref.candidate_id, ref.object_key)
                    plain = await self.keys.open(*named, sealed)
                    digest = hashlib.sha256(plain).hexdigest()
                    wrong += digest != ref.sha256 or digest not in given
        told = states[EvidenceStatus.STORED] + states[EvidenceStatus.LOST]
        files = [path for path in self.spool.rglob("*") if path.is_file()]
        return Tally(
            alerts=len(self.alert_ms),
            late=sum(took_ms > LATE_MS for took_ms in self.alert_ms),
            stored=stored,
            lost=lost,
            unstated=len(self.seen) - min(told, stored + lost.total()),
            wrong=wrong,
            plain=sum(CANARY in path.read_bytes() for path in files),
            alert_ms=tuple(self.alert_ms),
            keep_ms=tuple(self.keep_ms),
            healed_s=(healed_s,),
        )

    async def close(self) -> None:
        """Nothing stays open."""
        await self.shard.close()
        await self.others.close()


@asynccontextmanager
async def scene(folder: Path, seen: Sequence[Seen]) -> AsyncIterator[Scene]:
    """Furnished, with what the dispatcher does running."""
    made = Scene(folder, seen)
    await made.furnish()
    loops = [asyncio.create_task(made.publish()), asyncio.create_task(made.settle())]
    try:
        yield made
        for loop in loops:
            if loop.done():
                loop.result()
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await made.close()


@asynccontextmanager
async def keeping(stage: Scene, most_bytes: int = 100_000_000) -> AsyncIterator[SpoolingKeeper]:
    """A session host's keeper that runs."""
    keeper, spool = stage.keeper(most_bytes)
    running = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        spool.close()
