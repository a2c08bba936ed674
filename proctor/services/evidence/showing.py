"""Evidence before human eyes: listed without bytes, shown by a link of five minutes, every view noted.

A link is made for one person, one piece and one stated reason. It is sealed by the key ring, so it can
be neither read nor changed; the store's own signed addresses would not do, for what lies there is sealed
(docs/evidence.md). The audit row comes before the first byte: without the row there is no view.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from proctor.domain.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from proctor.domain.evidence import EvidenceRef, KeptPiece, Loss, PieceState
from proctor.domain.ids import IncidentId, TenantId
from proctor.domain.incidents import EvidenceStatus
from proctor.domain.roles import Principal
from proctor.ports import (
    AuditLog,
    Clock,
    EvidenceLedger,
    EvidenceObjects,
    ExamStore,
    IncidentStore,
    KeyRing,
    LiveState,
    SessionStore,
    SubjectKeys,
)
from proctor.services.deadline import TimedOut, within
from proctor.services.tickets import revoked_key

LINK_LIFETIME = timedelta(minutes=5)
FETCH_WITHIN_MS = 20_000
_ABOUT = b"evidence link\x1f"
_log = structlog.get_logger(__name__)


class NotStored(Conflict):
    """The piece waits or was lost: there is nothing to show."""

    code = "evidence/not-stored"


class LinkRefused(Forbidden):
    """The link is none of ours, was changed, is over, or is another person's."""

    code = "evidence/link"


class EvidenceAltered(Conflict):
    """What lies in the store is not what was put there; it is never shown."""

    code = "evidence/altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvidence:
    """An incident's evidence, without bytes.

    Attributes:
        status: Where it stands.
        loss: Why, when it is lost.
        kept_until: When it is deleted; None while the session runs.
        pieces: By the moment they show.
    """

    status: EvidenceStatus
    loss: Loss | None
    kept_until: datetime | None
    pieces: tuple[KeptPiece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceLink:
    """A link's secret part, and when it ends."""

    signature: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEvidence:
    """A piece as it was taken: `content` is what `ref.sha256` says."""

    ref: EvidenceRef
    content: bytes


@dataclass(frozen=True, slots=True)
class _Claims:
    """What a link says: who may see what, why, and until when."""

    tenant_id: str
    subject: str
    token_id: str
    reason: str
    expires_at: str


class EvidenceDesk:
    """Lists, hands out links, opens.

    Args:
        ledger: The rows.
        objects: The sealed bytes.
        subject_keys: Opens them.
        keys: Seals links.
        audit: Every view is a row of it.
        incidents: Whose incident it is.
        sessions: When its session ended.
        exams: How long its evidence is kept.
        live: Revoked tokens: their links end with them.
        clock: Time.
    """

    def __init__(
        self,
        *,
        ledger: EvidenceLedger,
        objects: EvidenceObjects,
        subject_keys: SubjectKeys,
        keys: KeyRing,
        audit: AuditLog,
        incidents: IncidentStore,
        sessions: SessionStore,
        exams: ExamStore,
        live: LiveState,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self._subject_keys = subject_keys
        self._keys = keys
        self._audit = audit
        self._incidents = incidents
        self._sessions = sessions
        self._exams = exams
        self._live = live
        self._clock = clock

    async def of_incident(self, tenant_id: TenantId, incident_id: IncidentId) -> ListedEvidence:
        """What is kept of an incident. Raises `NotFound`."""
        incident = await self._incidents.get_incident(tenant_id, incident_id)
        session = await self._sessions.get(tenant_id, incident.session_id)
        exam = await self._exams.get_exam(tenant_id, session.exam_id)
        kept = timedelta(days=exam.retention_days)
        whole, pieces = await self._ledger.incident(tenant_id, incident_id)
        # Without a piece a shard may know more: that its host is lost.
        is_ours = whole is not None and (pieces or whole.status is not EvidenceStatus.PENDING)
        return ListedEvidence(
            status=whole.status if whole is not None and is_ours else incident.evidence.status,
            loss=None if whole is None else whole.loss,
            kept_until=None if session.ended_at is None else session.ended_at + kept,
            pieces=tuple(pieces),
        )

    async def link(self, caller: Principal, evidence_id: str, reason: str) -> EvidenceLink:
        """A link for this caller alone.

        Raises:
            NotFound: The tenant has no such piece.
            NotStored: There is nothing to show of it.
        """
        piece = await self._ledger.find(caller.tenant_id, evidence_id)
        if piece.state is not PieceState.STORED:
            raise NotStored(
                f"This piece of evidence is {piece.state.value}; there is nothing to see."
            )
        expires_at = self._clock.now() + LINK_LIFETIME
        claims = [caller.tenant_id, caller.subject, caller.token_id, reason, expires_at.isoformat()]
        sealed = self._keys.seal(json.dumps(claims).encode(), _ABOUT + evidence_id.encode())
        signature = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
        return EvidenceLink(signature=signature, expires_at=expires_at)

    async def open(
        self, evidence_id: str, signature: str, caller: Principal | None
    ) -> OpenedEvidence:
        """What a link shows, once the view is noted.

        Args:
            evidence_id: Which piece.
            signature: Of the link.
            caller: Who shows a token with it, if anybody does.

        Raises:
            LinkRefused: The link does not show this to them now.
            NotFound: It was erased.
            EvidenceAltered: It is not what was stored.
            Unavailable: A store is away, or the view could not be noted.
        """
        claims = self._believe(evidence_id, signature)
        if datetime.fromisoformat(claims.expires_at) <= self._clock.now():
            raise LinkRefused("This link is over; ask for another.", "evidence/link-expired")
        whose = (claims.tenant_id, claims.subject)
        if caller is not None and (caller.tenant_id, caller.subject) != whose:
            _log.warning("refused: another's link", subject=caller.subject)
            raise LinkRefused("This link was made for somebody else.")
        if await self._live.get(revoked_key(claims.token_id)) is not None:
            raise LinkRefused("Who asked for this link has signed out.")
        piece = await self._ledger.find(TenantId(claims.tenant_id), evidence_id)
        if piece.state is not PieceState.STORED:
            raise NotFound(evidence_id)
        await self._audit.note(
            piece.ref.tenant_id,
            at=self._clock.now(),
            actor=claims.subject,
            action="evidence.viewed",
            subject=evidence_id,
            reason=claims.reason,
        )
        return OpenedEvidence(ref=piece.ref, content=await self._fetch(piece.ref))

    def _believe(self, evidence_id: str, signature: str) -> _Claims:
        """Raises `LinkRefused`."""
        try:
            sealed = base64.b64decode(signature + "=" * (-len(signature) % 4), b"-_", validate=True)
            said = json.loads(self._keys.open(sealed, _ABOUT + evidence_id.encode()))
        except (InvalidInput, binascii.Error, ValueError):
            raise LinkRefused("This is no link of ours; ask for one.") from None
        return _Claims(*said)

    async def _fetch(self, ref: EvidenceRef) -> bytes:
        try:
            sealed = await within(self._clock, FETCH_WITHIN_MS, self._objects.get(ref.object_key))
        except TimedOut:
            raise Unavailable("The evidence store does not answer.") from None
        try:
            about = (ref.tenant_id, ref.candidate_id, ref.object_key)
            content = await self._subject_keys.open(*about, sealed)
        except NotFound:
            raise
        except InvalidInput:
            raise self._altered(ref) from None
        if hashlib.sha256(content).hexdigest() != ref.sha256:
            raise self._altered(ref)
        return content

    def _altered(self, ref: EvidenceRef) -> EvidenceAltered:
        _log.error("evidence was altered", evidence_id=ref.evidence_id)
        return EvidenceAltered("What lies in the store is not what was put there.")
