"""What the product needs of the world, one Protocol per subject. Adapters and fakes implement these.

Every port has a contract suite in tests/contract that its fake and its real adapter both pass.
Stores raise `StateStoreUnavailable` when they cannot be reached, `NotFound` for a wrong name.
"""

from proctor.ports.delivery import AlertSink, DeliveryStore, Resolver, SinkMaker, SinkStore
from proctor.ports.desk import CaseStore, FigureStore, ReviewDesk
from proctor.ports.evidence import (
    AuditLog,
    EvidenceEnds,
    EvidenceKeeper,
    EvidenceLedger,
    EvidenceObjects,
    EvidenceSpool,
)
from proctor.ports.judging import AlertFeed, Checkpoints, IncidentStore, Judged, SessionJudges
from proctor.ports.live import Answer, LiveState, SessionPlacement, Subscription
from proctor.ports.media import ClipWriter, MediaPeer, MediaPeers, MediaSink, MediaTap
from proctor.ports.notices import NoticeStore
from proctor.ports.policies import PolicyStore
from proctor.ports.proof import ChainStore, Elsewhere, ErasureStore, Seal, StoredEvidence
from proctor.ports.recordings import AlertArchive, Recordings
from proctor.ports.records import CandidateStore, ExamStore, FaceIndex, SessionStore
from proctor.ports.review import AllowanceStore, PriorityStore, VerdictStore
from proctor.ports.tracing import Span, Tracer
from proctor.ports.trust import KeyRing, SubjectKeys, TokenCheck, TokenMint
from proctor.ports.world import Clock, Metrics, Perception

__all__ = [
    "AlertArchive",
    "AlertFeed",
    "AlertSink",
    "AllowanceStore",
    "Answer",
    "AuditLog",
    "CandidateStore",
    "CaseStore",
    "ChainStore",
    "Checkpoints",
    "ClipWriter",
    "Clock",
    "DeliveryStore",
    "Elsewhere",
    "ErasureStore",
    "EvidenceEnds",
    "EvidenceKeeper",
    "EvidenceLedger",
    "EvidenceObjects",
    "EvidenceSpool",
    "ExamStore",
    "FaceIndex",
    "FigureStore",
    "IncidentStore",
    "Judged",
    "KeyRing",
    "LiveState",
    "MediaPeer",
    "MediaPeers",
    "MediaSink",
    "MediaTap",
    "Metrics",
    "NoticeStore",
    "Perception",
    "PolicyStore",
    "PriorityStore",
    "Recordings",
    "Resolver",
    "ReviewDesk",
    "Seal",
    "SessionJudges",
    "SessionPlacement",
    "SessionStore",
    "SinkMaker",
    "SinkStore",
    "Span",
    "StoredEvidence",
    "SubjectKeys",
    "Subscription",
    "TokenCheck",
    "TokenMint",
    "Tracer",
    "VerdictStore",
]
