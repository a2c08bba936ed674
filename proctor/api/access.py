"""Who may call what: one row per route, and what is not here is denied.

The guard (guard.py) reads a row before anything else of a request is looked at. A test walks the live
route tables and fails when a route has no row or a row has no route.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from proctor.domain.roles import Role


class Takes(StrEnum):
    """What a route reads from the body."""

    NOTHING = "nothing"
    JSON = "application/json"
    SDP = "application/sdp"
    FRAGMENT = "application/trickle-ice-sdpfrag"
    PICTURES = "multipart/form-data"
    POLICY = "application/json; policy"
    """JSON as well, which may be as large as a policy with its tests."""
    CHALLENGED_PICTURES = "multipart/form-data; steps"
    """The same form, which may hold a challenge and the pictures of its steps as well."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How often a costly route may be called within a minute.

    Attributes:
        name: What is counted; rows of the same name share their counters.
        per_caller: By one token's subject, or by one address where the route is public.
        per_tenant: By all callers of one tenant; not counted where the route is public.
    """

    name: str
    per_caller: int
    per_tenant: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one route asks for.

    Attributes:
        roles: Who may call it; None for everybody, known or not.
        takes: What it reads.
        creates: Whether an Idempotency-Key makes a repeated call answer as the first did.
        limit: How often it may be called.
    """

    roles: frozenset[Role] | None
    takes: Takes = Takes.NOTHING
    creates: bool = False
    limit: Limit | None = None


_OWNERS = frozenset({Role.ADMIN, Role.SERVICE})
_INVIGILATORS = _OWNERS | {Role.PROCTOR}
_WATCHERS = _INVIGILATORS | {Role.REVIEWER}
_STAFF = _WATCHERS | {Role.ANALYST}
_CANDIDATE = frozenset({Role.CANDIDATE})
_REVIEWERS = frozenset({Role.ADMIN, Role.REVIEWER})
"""Whose word a verdict is: people alone, no service."""
KNOW_ACCOMMODATIONS = _REVIEWERS | _OWNERS
"""Who may know that a candidate is accommodated. Proctors are not told (TRUST P17)."""
_ANALYSTS = _REVIEWERS | {Role.ANALYST}
"""Who may have every reading of a session."""
_PUBLIC = Rule(roles=None)

# By address, and a whole campus or a TLS proxy may be one: it caps the cost, tickets cannot be guessed.
_SIGN_IN = Limit("sign-in", per_caller=3000, per_tenant=0)
_FACES = Limit("faces", per_caller=120, per_tenant=1200)
_OFFERS = Limit("offers", per_caller=30, per_tenant=6000)
_WHAT_IFS = Limit("what-if", per_caller=10, per_tenant=30)
_CHECKS = Limit("policy-checks", per_caller=120, per_tenant=600)
_APPEALS = Limit("appeals", per_caller=60, per_tenant=1200)
_STATEMENTS = Limit("statements", per_caller=30, per_tenant=1200)
_TRIALS = Limit("trials", per_caller=12, per_tenant=6000)
_TICKETS = Limit("tickets", per_caller=600, per_tenant=20_000)
_CREATE = Limit("create", per_caller=1200, per_tenant=6000)

# A view opens and decrypts a whole piece; a player of video asks for several ranges of it.
_LINKS = Limit("evidence-links", per_caller=300, per_tenant=6000)
_VIEWS = Limit("evidence-views", per_caller=1200, per_tenant=0)

# Each may resolve a name that the caller chose; a test also sends to it.
_SINKS = Limit("sinks", per_caller=60, per_tenant=120)
# Each reads everything that is kept of a session.
_EXPORTS = Limit("exports", per_caller=10, per_tenant=60)
_SINK_TESTS = Limit("sink-tests", per_caller=6, per_tenant=20)


def _read(roles: frozenset[Role]) -> Rule:
    return Rule(roles=roles)


def _create(roles: frozenset[Role]) -> Rule:
    return Rule(roles=roles, takes=Takes.JSON, creates=True, limit=_CREATE)


TABLE: Mapping[tuple[str, str], Rule] = {
    ("POST", "/v1/exams"): _create(_OWNERS),
    ("GET", "/v1/exams"): _read(_STAFF),
    ("GET", "/v1/exams/{exam_id}"): _read(_STAFF),
    ("POST", "/v1/policies"): Rule(roles=_OWNERS, takes=Takes.POLICY, creates=True, limit=_CREATE),
    ("GET", "/v1/policies"): _read(_STAFF),
    ("GET", "/v1/policies/{policy_id}"): _read(_STAFF),
    ("GET", "/v1/policies/{policy_id}/versions/{version}"): _read(_STAFF),
    ("POST", "/v1/policies/{policy_id}/retire"): Rule(roles=_OWNERS),
    ("POST", "/v1/policies/check"): Rule(roles=_STAFF, takes=Takes.POLICY, limit=_CHECKS),
    ("POST", "/v1/policies/what-if"): Rule(
        roles=KNOW_ACCOMMODATIONS, takes=Takes.POLICY, limit=_WHAT_IFS
    ),
    ("GET", "/v1/policies/what-if/{what_if_id}"): _read(KNOW_ACCOMMODATIONS),
    ("GET", "/v1/exams/{exam_id}/priorities"): _read(_WATCHERS),
    ("GET", "/v1/review/queue"): _read(KNOW_ACCOMMODATIONS),
    ("GET", "/v1/incidents"): _read(KNOW_ACCOMMODATIONS),
    ("GET", "/v1/incidents/{incident_id}"): _read(KNOW_ACCOMMODATIONS),
    ("GET", "/v1/sessions/{session_id}/timeline"): _read(KNOW_ACCOMMODATIONS),
    ("POST", "/v1/sessions/{session_id}/incidents"): _create(_REVIEWERS),
    ("GET", "/v1/sessions/{session_id}/decision"): _read(KNOW_ACCOMMODATIONS),
    ("PUT", "/v1/sessions/{session_id}/decision"): Rule(
        roles=_REVIEWERS, takes=Takes.JSON, limit=_CREATE
    ),
    ("GET", "/v1/sessions/{session_id}/statements"): _read(KNOW_ACCOMMODATIONS | _CANDIDATE),
    ("POST", "/v1/sessions/{session_id}/statements"): Rule(
        roles=KNOW_ACCOMMODATIONS | _CANDIDATE,
        takes=Takes.JSON,
        creates=True,
        limit=_STATEMENTS,
    ),
    ("GET", "/v1/sessions/{session_id}/appeal"): Rule(
        roles=KNOW_ACCOMMODATIONS | _CANDIDATE, limit=_APPEALS
    ),
    ("GET", "/v1/admin/overview"): _read(_OWNERS),
    ("GET", "/v1/admin/rules"): _read(_OWNERS | {Role.ANALYST}),
    ("POST", "/v1/candidates"): _create(_OWNERS),
    ("GET", "/v1/candidates"): _read(_WATCHERS),
    ("GET", "/v1/candidates/{candidate_id}"): _read(_WATCHERS | _CANDIDATE),
    ("DELETE", "/v1/candidates/{candidate_id}"): Rule(roles=_OWNERS, limit=_CREATE),
    ("GET", "/v1/candidates/{candidate_id}/erasure"): _read(_OWNERS),
    ("POST", "/v1/candidates/{candidate_id}/consents"): _create(_OWNERS | _CANDIDATE),
    ("DELETE", "/v1/candidates/{candidate_id}/consents"): Rule(roles=_OWNERS | _CANDIDATE),
    ("POST", "/v1/candidates/{candidate_id}/enrolments"): Rule(
        roles=_INVIGILATORS | _CANDIDATE,
        takes=Takes.CHALLENGED_PICTURES,
        creates=True,
        limit=_FACES,
    ),
    ("POST", "/v1/candidates/{candidate_id}/challenges"): Rule(
        roles=_INVIGILATORS | _CANDIDATE, limit=_FACES
    ),
    ("DELETE", "/v1/candidates/{candidate_id}/enrolments"): Rule(roles=_OWNERS),
    ("POST", "/v1/candidates/{candidate_id}/verifications"): Rule(
        roles=_INVIGILATORS | _CANDIDATE, takes=Takes.PICTURES, limit=_FACES
    ),
    ("GET", "/v1/candidates/{candidate_id}/accommodations"): _read(KNOW_ACCOMMODATIONS),
    ("PUT", "/v1/candidates/{candidate_id}/accommodations"): Rule(
        roles=_OWNERS, takes=Takes.JSON, limit=_CREATE
    ),
    ("POST", "/v1/sessions"): _create(_INVIGILATORS),
    ("GET", "/v1/sessions"): _read(_STAFF),
    ("GET", "/v1/sessions/{session_id}"): _read(_STAFF | _CANDIDATE),
    ("POST", "/v1/sessions/{session_id}/end"): Rule(roles=_INVIGILATORS),
    ("POST", "/v1/sessions/{session_id}/tickets"): Rule(roles=_INVIGILATORS, limit=_TICKETS),
    ("GET", "/v1/sessions/{session_id}/incidents"): _read(_STAFF),
    ("POST", "/v1/sessions/{session_id}/export"): Rule(roles=_REVIEWERS | _OWNERS, limit=_EXPORTS),
    ("GET", "/v1/sessions/{session_id}/observations"): Rule(roles=_ANALYSTS, limit=_EXPORTS),
    ("GET", "/v1/sessions/{session_id}/breaks"): _read(_WATCHERS),
    ("POST", "/v1/sessions/{session_id}/breaks"): _create(_INVIGILATORS),
    ("DELETE", "/v1/sessions/{session_id}/breaks/{break_id}"): Rule(roles=_INVIGILATORS),
    ("POST", "/v1/incidents/{incident_id}/verdict"): _create(_REVIEWERS),
    ("GET", "/v1/incidents/{incident_id}/verdicts"): _read(_REVIEWERS),
    ("GET", "/v1/incidents/{incident_id}/evidence"): _read(_REVIEWERS),
    ("POST", "/v1/evidence/{evidence_id}/links"): Rule(
        roles=_REVIEWERS, takes=Takes.JSON, limit=_LINKS
    ),
    # The link itself says who looks: it was made for one of `_REVIEWERS`, a player sends no token.
    ("GET", "/v1/evidence/{evidence_id}"): Rule(roles=None, limit=_VIEWS),
    ("GET", "/v1/retention"): _read(_STAFF),
    ("POST", "/v1/sessions/{session_id}/whip"): Rule(
        roles=_CANDIDATE, takes=Takes.SDP, limit=_OFFERS
    ),
    ("PATCH", "/v1/sessions/{session_id}/whip/{epoch}"): Rule(
        roles=_CANDIDATE, takes=Takes.FRAGMENT
    ),
    ("DELETE", "/v1/sessions/{session_id}/whip/{epoch}"): Rule(roles=_CANDIDATE),
    ("GET", "/v1/sessions/{session_id}/own"): _read(_CANDIDATE),
    ("GET", "/v1/sessions/{session_id}/notice"): _read(_CANDIDATE),
    ("POST", "/v1/sessions/{session_id}/notice-answers"): _create(_CANDIDATE),
    ("GET", "/v1/sessions/{session_id}/preflights"): _read(_WATCHERS),
    ("POST", "/v1/sessions/{session_id}/preflights"): Rule(
        roles=_CANDIDATE, takes=Takes.SDP, limit=_TRIALS
    ),
    ("GET", "/v1/sessions/{session_id}/preflights/{preflight_id}"): _read(_CANDIDATE),
    ("PATCH", "/v1/sessions/{session_id}/preflights/{preflight_id}"): Rule(
        roles=_CANDIDATE, takes=Takes.FRAGMENT
    ),
    ("DELETE", "/v1/sessions/{session_id}/preflights/{preflight_id}"): Rule(roles=_CANDIDATE),
    ("POST", "/v1/sessions/{session_id}/preflights/{preflight_id}/result"): Rule(
        roles=_CANDIDATE, takes=Takes.JSON, limit=_TRIALS
    ),
    ("GET", "/v1/alerts"): _read(_STAFF),
    ("GET", "/v1/alerts/stream"): _read(_WATCHERS),  # shows the way to `live`
    ("GET", "/v1/alerts/{alert_id}/deliveries"): _read(_OWNERS),
    # An answer that holds a secret is kept nowhere: no Idempotency-Key (`creates`); names are unique.
    ("POST", "/v1/sinks"): Rule(roles=_OWNERS, takes=Takes.JSON, limit=_SINKS),
    ("GET", "/v1/sinks"): _read(_OWNERS),
    ("GET", "/v1/sinks/{sink_id}"): _read(_OWNERS),
    ("PATCH", "/v1/sinks/{sink_id}"): Rule(roles=_OWNERS, takes=Takes.JSON, limit=_SINKS),
    ("DELETE", "/v1/sinks/{sink_id}"): Rule(roles=_OWNERS),
    ("POST", "/v1/sinks/{sink_id}/secrets"): Rule(roles=_OWNERS, limit=_SINKS),
    ("POST", "/v1/sinks/{sink_id}/test"): Rule(roles=_OWNERS, limit=_SINK_TESTS),
    ("GET", "/v1/sinks/{sink_id}/dead-letters"): _read(_OWNERS),
    ("POST", "/v1/sinks/{sink_id}/dead-letters/replay"): Rule(
        roles=_OWNERS, takes=Takes.JSON, limit=_SINKS
    ),
    ("POST", "/v1/join"): Rule(roles=None, takes=Takes.JSON, limit=_SIGN_IN),
    ("POST", "/v1/sign-in"): Rule(roles=None, takes=Takes.JSON, limit=_SIGN_IN),
    ("POST", "/v1/sign-out"): Rule(roles=_STAFF | _CANDIDATE),
    ("POST", "/v1/tickets"): Rule(roles=_STAFF, limit=_TICKETS),
    ("POST", "/v1/revocations"): Rule(roles=frozenset({Role.ADMIN}), takes=Takes.JSON),
    # In the deployment `live`, next to the WebSockets that its tickets open.
    ("POST", "/v1/live/tickets"): Rule(roles=_WATCHERS | _CANDIDATE, limit=_TICKETS),
    ("GET", "/v1/live/alerts/stream"): Rule(roles=_WATCHERS, limit=_TICKETS),
    ("GET", "/v1/keys/checkpoints"): _PUBLIC,  # a public key, for whoever checks an export
    ("GET", "/v1/openapi.json"): _PUBLIC,
    ("GET", "/healthz"): _PUBLIC,
    # Sums over everybody: no label carries an id, a name or a tenant (ports.Metrics).
    ("GET", "/metrics"): _PUBLIC,
    ("GET", "/"): _PUBLIC,
    ("GET", "/candidate"): _PUBLIC,
    ("GET", "/console"): _PUBLIC,
    ("GET", "/console/{path}"): _PUBLIC,
    ("GET", "/proctor"): _PUBLIC,
    ("GET", "/static/{path}"): _PUBLIC,
}

SOCKETS: Mapping[str, frozenset[Role]] = {
    "/v1/live/alerts": _WATCHERS,
    "/v1/live/session": _CANDIDATE,
}

CALLS: Mapping[str, Rule] = {
    "/rayproctor.alerts.v1.Alerts/Follow": Rule(roles=_WATCHERS, limit=_TICKETS),
}
"""Methods of the gRPC service."""
