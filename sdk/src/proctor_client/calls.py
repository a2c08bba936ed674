"""The API's calls as plans: paths, bodies and what comes back. Both clients send these."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from proctor_client.models import (
    Candidate,
    Consent,
    Enrolment,
    EvidenceLink,
    EvidenceList,
    Exam,
    Feed,
    Incidents,
    Joined,
    JoinTicket,
    NewSession,
    Page,
    RankedSession,
    Session,
    SessionSummary,
    StaffToken,
    Verdict,
    Verdicts,
    Verification,
)
from proctor_client.plans import Plan, create, get, model, nothing, path, raw

Policy = str | Mapping[str, str | int]
"""A preset's name, or `{"id": ..., "version": ...}` of your own."""

Picture = tuple[str, bytes, str]
"""Name, bytes, media type."""


# Exams


def create_exam(
    title: str,
    policy: Policy,
    retention_days: int,
    overrides: Mapping[str, object] | None,
    language: str | None,
    key: str | None,
) -> Plan[Exam]:
    """POST /v1/exams."""
    body: dict[str, object] = {
        "title": title,
        "policy": policy if isinstance(policy, str) else dict(policy),
        "retention_days": retention_days,
    }
    if overrides is not None:
        body["overrides"] = dict(overrides)
    if language is not None:
        body["language"] = language
    return create(path("exams"), body, model(Exam), key)


def get_exam(exam_id: str) -> Plan[Exam]:
    """GET /v1/exams/{id}."""
    return get(path("exams", exam_id), model(Exam))


def list_exams(cursor: str | None, limit: int) -> Plan[Page[Exam]]:
    """GET /v1/exams."""
    return get(path("exams"), model(Page[Exam]), {"cursor": cursor, "limit": limit})


def list_priorities(exam_id: str, cursor: str | None, limit: int) -> Plan[Page[RankedSession]]:
    """GET /v1/exams/{id}/priorities."""
    return get(
        path("exams", exam_id, "priorities"),
        model(Page[RankedSession]),
        {"cursor": cursor, "limit": limit},
    )


# Candidates


def create_candidate(external_ref: str, key: str | None) -> Plan[Candidate]:
    """POST /v1/candidates."""
    return create(path("candidates"), {"external_ref": external_ref}, model(Candidate), key)


def get_candidate(candidate_id: str) -> Plan[Candidate]:
    """GET /v1/candidates/{id}."""
    return get(path("candidates", candidate_id), model(Candidate))


def list_candidates(cursor: str | None, limit: int) -> Plan[Page[Candidate]]:
    """GET /v1/candidates."""
    return get(path("candidates"), model(Page[Candidate]), {"cursor": cursor, "limit": limit})


def give_consent(
    candidate_id: str,
    text_version: str,
    text_sha256: str,
    locale: str,
    method: str,
    scopes: Sequence[str],
    key: str | None,
) -> Plan[Consent]:
    """POST /v1/candidates/{id}/consents."""
    body = {
        "text_version": text_version,
        "text_sha256": text_sha256,
        "locale": locale,
        "method": method,
        "scopes": list(scopes),
    }
    return create(path("candidates", candidate_id, "consents"), body, model(Consent), key)


def withdraw_consent(candidate_id: str) -> Plan[None]:
    """DELETE /v1/candidates/{id}/consents. Withdrawing twice changes nothing."""
    where = path("candidates", candidate_id, "consents")
    return Plan(method="DELETE", path=where, read=nothing, repeatable=True)


def _form(pictures: Sequence[Picture]) -> tuple[tuple[str, Picture], ...]:
    return tuple(("images", picture) for picture in pictures)


def enroll(candidate_id: str, pictures: Sequence[Picture], key: str | None) -> Plan[Enrolment]:
    """POST /v1/candidates/{id}/enrolments."""
    plan = create(path("candidates", candidate_id, "enrolments"), None, model(Enrolment), key)
    return replace(plan, files=_form(pictures))


def verify(candidate_id: str, pictures: Sequence[Picture]) -> Plan[Verification]:
    """POST /v1/candidates/{id}/verifications."""
    where = path("candidates", candidate_id, "verifications")
    return Plan(method="POST", path=where, read=model(Verification), files=_form(pictures))


# Sessions


def create_session(exam_id: str, candidate_id: str, key: str | None) -> Plan[NewSession]:
    """POST /v1/sessions."""
    body = {"exam_id": exam_id, "candidate_id": candidate_id}
    return create(path("sessions"), body, model(NewSession), key)


def get_session(session_id: str) -> Plan[Session]:
    """GET /v1/sessions/{id}."""
    return get(path("sessions", session_id), model(Session))


def list_sessions(
    exam_id: str | None, state: str | None, cursor: str | None, limit: int
) -> Plan[Page[SessionSummary]]:
    """GET /v1/sessions."""
    return get(
        path("sessions"),
        model(Page[SessionSummary]),
        {"exam_id": exam_id, "state": state, "cursor": cursor, "limit": limit},
    )


def end_session(session_id: str) -> Plan[Session]:
    """POST /v1/sessions/{id}/end. Ending twice changes nothing."""
    where = path("sessions", session_id, "end")
    return Plan(method="POST", path=where, read=model(Session), repeatable=True)


def join_ticket(session_id: str) -> Plan[JoinTicket]:
    """POST /v1/sessions/{id}/tickets."""
    where = path("sessions", session_id, "tickets")
    return Plan(method="POST", path=where, read=model(JoinTicket))


def list_incidents(session_id: str) -> Plan[Incidents]:
    """GET /v1/sessions/{id}/incidents."""
    return get(path("sessions", session_id, "incidents"), model(Incidents))


def observations(session_id: str) -> Plan[bytes]:
    """GET /v1/sessions/{id}/observations."""
    return get(path("sessions", session_id, "observations"), raw)


# Incidents and evidence


def give_verdict(incident_id: str, verdict: str, reason: str, key: str | None) -> Plan[Verdict]:
    """POST /v1/incidents/{id}/verdict."""
    body = {"verdict": verdict, "reason": reason}
    return create(path("incidents", incident_id, "verdict"), body, model(Verdict), key)


def list_verdicts(incident_id: str) -> Plan[Verdicts]:
    """GET /v1/incidents/{id}/verdicts."""
    return get(path("incidents", incident_id, "verdicts"), model(Verdicts))


def list_evidence(incident_id: str) -> Plan[EvidenceList]:
    """GET /v1/incidents/{id}/evidence."""
    return get(path("incidents", incident_id, "evidence"), model(EvidenceList))


def evidence_link(evidence_id: str, reason: str) -> Plan[EvidenceLink]:
    """POST /v1/evidence/{id}/links. Repeatable: an unused link does nothing and ends by itself."""
    return Plan(
        method="POST",
        path=path("evidence", evidence_id, "links"),
        read=model(EvidenceLink),
        json={"reason": reason},
        repeatable=True,
    )


# Alerts and doors


def list_alerts(after: int, limit: int, session_id: str | None, exam_id: str | None) -> Plan[Feed]:
    """GET /v1/alerts."""
    query = {"after": after, "limit": limit, "session_id": session_id, "exam_id": exam_id}
    return get(path("alerts"), model(Feed), query)


def join(ticket: str) -> Plan[Joined]:
    """POST /v1/join. A ticket is good once: the call is never repeated."""
    return Plan(
        method="POST",
        path=path("join"),
        read=model(Joined),
        json={"ticket": ticket},
        with_token=False,
    )


def sign_in(ticket: str) -> Plan[StaffToken]:
    """POST /v1/sign-in. A ticket is good once: the call is never repeated."""
    return Plan(
        method="POST",
        path=path("sign-in"),
        read=model(StaffToken),
        json={"ticket": ticket},
        with_token=False,
    )
