"""Things to store: made-up exams, candidates, sessions, incidents and alerts."""

from datetime import UTC, datetime, timedelta

import numpy as np

from proctor.domain.alerts import Alert, Transition
from proctor.domain.candidates import (
    Candidate,
    Consent,
    ConsentScope,
    Enrolment,
    FaceTemplate,
    ModelRef,
)
from proctor.domain.coverage import CoverageInterval, CoverageReason, CoverageState, Modality
from proctor.domain.ids import (
    AlertId,
    CandidateId,
    ExamId,
    IncidentId,
    SessionId,
    SignalId,
    TenantId,
)
from proctor.domain.incidents import Category, Incident, Severity
from proctor.domain.observations import Producer
from proctor.domain.sessions import Exam, Session, SessionState
from proctor.domain.signals import Signal, SignalKind, Support
from proctor.ports import Judged

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
ACME = TenantId("acme")
OTHER = TenantId("other")
DLIB = ModelRef("dlib-resnet", "1")
PRODUCER = Producer("blazeface", "2", "ab" * 32)


def exam(exam_id: str = "exm_1", tenant_id: TenantId = ACME) -> Exam:
    return Exam(
        exam_id=ExamId(exam_id),
        tenant_id=tenant_id,
        title="Algèbre linéaire Ⅱ",
        policy_id="standard",
        policy_version=3,
        policy_text="id: standard\nversion: 3\n",
        retention_days=30,
        created_at=NOON,
    )


def candidate(
    candidate_id: str = "cnd_1", tenant_id: TenantId = ACME, external_ref: str = ""
) -> Candidate:
    return Candidate(
        candidate_id=CandidateId(candidate_id),
        tenant_id=tenant_id,
        external_ref=external_ref or f"ref of {candidate_id}",
        created_at=NOON,
    )


def consent(
    consent_id: str = "con_1",
    given_after_s: int = 0,
    scopes: tuple[ConsentScope, ...] = (ConsentScope.FACE,),
) -> Consent:
    return Consent(
        consent_id=consent_id,
        tenant_id=ACME,
        candidate_id=CandidateId("cnd_1"),
        text_version="2026-01",
        text_sha256="cd" * 32,
        locale="fr-CA",
        method="checkbox",
        given_at=NOON + timedelta(seconds=given_after_s),
        scopes=scopes,
    )


def enrolment(version: int = 1) -> Enrolment:
    return Enrolment(
        tenant_id=ACME,
        candidate_id=CandidateId("cnd_1"),
        version=version,
        model=DLIB,
        pictures=4,
        created_at=NOON + timedelta(minutes=version),
    )


def session(
    session_id: str = "ses_1",
    tenant_id: TenantId = ACME,
    exam_id: str = "exm_1",
    candidate_id: str = "cnd_1",
) -> Session:
    return Session(
        session_id=SessionId(session_id),
        tenant_id=tenant_id,
        exam_id=ExamId(exam_id),
        candidate_id=CandidateId(candidate_id),
        state=SessionState.CREATED,
        epoch=0,
        created_at=NOON,
    )


def signal(started_ms: int = 1000) -> Signal:
    return Signal(
        signal_id=SignalId(f"sig_{started_ms}"),
        kind=SignalKind.GAZE_AWAY,
        started_ms=started_ms,
        ended_ms=None,
        probability=0.1 + 0.2,  # a float that only exact JSON gives back
        support=Support(
            observations=7,
            numbers=(("yaw_from_base_deg", -21.5),),
            producers=(PRODUCER,),
            frame_digest="ef" * 32,
        ),
    )


def incident(
    incident_id: str = "inc_1", session_id: str = "ses_1", opened_ms: int = 1000
) -> Incident:
    return Incident(
        incident_id=IncidentId(incident_id),
        tenant_id=ACME,
        exam_id=ExamId("exm_1"),
        session_id=SessionId(session_id),
        candidate_id=CandidateId("cnd_1"),
        rule_id="looking_away",
        policy_id="standard",
        policy_version=3,
        category=Category.CONDUCT,
        severity=Severity.LOW,
        opened_ms=opened_ms,
        closed_ms=None,
        signals=(signal(opened_ms),),
    )


def alert(
    seq: int = 1,
    session_id: str = "ses_1",
    tenant_id: TenantId = ACME,
    exam_id: str = "exm_1",
    suppressed_by: str | None = None,
) -> Alert:
    return Alert(
        alert_id=AlertId(f"alr_{session_id}_{seq}"),
        seq=seq,
        tenant_id=tenant_id,
        exam_id=ExamId(exam_id),
        session_id=SessionId(session_id),
        candidate_id=CandidateId("cnd_1"),
        incident_id=IncidentId("inc_1"),
        transition=Transition.OPENED,
        rule_id="looking_away",
        policy_id="standard",
        policy_version=3,
        category=Category.CONDUCT,
        severity=Severity.LOW,
        title="Looking away",
        reason="Away by 21.5° for 3 s",
        occurred_ms=1000 * seq,
        raised_at=NOON + timedelta(seconds=seq),
        signals=(signal(),),
        producers=(PRODUCER,),
        frame_digest="ef" * 32,
        suppressed_by=suppressed_by,
    )


def judged(
    *alerts: Alert,
    session_id: str = "ses_1",
    tenant_id: TenantId = ACME,
    incidents: tuple[Incident, ...] = (),
    coverage: tuple[CoverageInterval, ...] | None = None,
) -> Judged:
    return Judged(
        tenant_id=tenant_id,
        session_id=SessionId(session_id),
        alerts=alerts,
        incidents=incidents,
        coverage=coverage,
    )


def blind(start_ms: int, end_ms: int | None) -> CoverageInterval:
    return CoverageInterval(
        modality=Modality.VIDEO,
        state=CoverageState.BLIND,
        reason=CoverageReason.HOST_LOST,
        start_ms=start_ms,
        end_ms=end_ms,
    )


def monitored(start_ms: int, end_ms: int | None) -> CoverageInterval:
    return CoverageInterval(
        modality=Modality.VIDEO,
        state=CoverageState.MONITORED,
        reason=None,
        start_ms=start_ms,
        end_ms=end_ms,
    )


def template(
    version: int = 1,
    candidate_id: str = "cnd_1",
    tenant_id: TenantId = ACME,
    model: ModelRef = DLIB,
) -> FaceTemplate:
    random = np.random.default_rng(version)
    return FaceTemplate(
        tenant_id=tenant_id,
        candidate_id=CandidateId(candidate_id),
        version=version,
        model=model,
        embeddings=random.normal(size=(5, 128)).astype(np.float32),
        created_at=NOON + timedelta(minutes=version),
    )
