"""The tables. Every one has `tenant_id`; every time is aware UTC; every id is ours, not the database's.

What a shard writes (coverage, incidents, alerts, outbox) refers to its session by value, without a
foreign key: one commit holds many sessions, and a row missing for one must not refuse the others'.
"""

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from proctor.adapters.sql.types import BigId, DomainJson, UtcDateTime
from proctor.domain.alerts import Alert
from proctor.domain.allowances import Accommodation
from proctor.domain.candidates import ConsentScope
from proctor.domain.incidents import Incident
from proctor.domain.priority import Priority

REVISION = "0012"
"""The migration these tables stand for; a database at another one is refused on opening."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

EPOCH = "1970-01-01 00:00:00.000000"
"""What stands for a time that nobody knows: of an incident whose session has no row."""
_WHAT_IS_ASKED = ("rule_id", "severity", "verdict", "category")
_RULE_AND_VERDICT = ("rule_id", "verdict")


def _tenant() -> Column[str]:
    return Column("tenant_id", Text, nullable=False)


tenants = Table(
    "tenants",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
)

exams = Table(
    "exams",
    metadata,
    Column("exam_id", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey(tenants.c.tenant_id), nullable=False),
    Column("title", Text, nullable=False),
    Column("policy_id", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("policy_text", Text, nullable=False),
    Column("retention_days", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("tenant_id", "exam_id"),
)

policies = Table(  # a row is a version and never changes; `retired_at` alone is set later
    "policies",
    metadata,
    Column("tenant_id", Text, ForeignKey(tenants.c.tenant_id), primary_key=True),
    Column("policy_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("tests", DomainJson(tuple[str, ...]), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),
)

candidates = Table(
    "candidates",
    metadata,
    Column("candidate_id", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey(tenants.c.tenant_id), nullable=False),
    Column("external_ref", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("tenant_id", "candidate_id"),
    UniqueConstraint("tenant_id", "external_ref"),
)

consents = Table(
    "consents",
    metadata,
    Column("consent_id", Text, primary_key=True),
    _tenant(),
    Column("candidate_id", Text, nullable=False),
    Column("text_version", Text, nullable=False),
    Column("text_sha256", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),
    Column(
        "scopes", DomainJson(tuple[ConsentScope, ...]), nullable=False, server_default='["face"]'
    ),
    ForeignKeyConstraint(
        ["tenant_id", "candidate_id"], ["candidates.tenant_id", "candidates.candidate_id"]
    ),
    Index(None, "tenant_id", "candidate_id"),
)

enrolments = Table(  # that it happened; the template itself is sealed in the face index
    "enrolments",
    metadata,
    _tenant(),
    Column("candidate_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("model", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("erased_at", UtcDateTime),
    ForeignKeyConstraint(
        ["tenant_id", "candidate_id"], ["candidates.tenant_id", "candidates.candidate_id"]
    ),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    _tenant(),
    Column("exam_id", Text, nullable=False),
    Column("candidate_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("settled_at", UtcDateTime),  # None: its end has not been told to the last moment
    ForeignKeyConstraint(["tenant_id", "exam_id"], ["exams.tenant_id", "exams.exam_id"]),
    ForeignKeyConstraint(
        ["tenant_id", "candidate_id"], ["candidates.tenant_id", "candidates.candidate_id"]
    ),
    Index(None, "tenant_id", "exam_id", "session_id"),
    Index(None, "tenant_id", "state", "session_id"),
    Index(None, "settled_at", "state", "session_id"),
    Index(None, "tenant_id", "session_id"),
)

coverage = Table(
    "coverage",
    metadata,
    _tenant(),
    Column("session_id", Text, primary_key=True),
    Column("ordinal", Integer, primary_key=True),  # the order the shard gave them in
    Column("modality", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("start_ms", BigId, nullable=False),
    Column("end_ms", BigId),
)

incidents = Table(
    "incidents",
    metadata,
    Column("incident_id", Text, primary_key=True),
    _tenant(),
    Column("exam_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("candidate_id", Text, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("opened_ms", BigId, nullable=False),
    Column("closed_ms", BigId),
    Column("verdict", Text, nullable=False),  # a human's word: a shard never writes over it
    Column("payload", DomainJson(Incident), nullable=False),
    # What lists and sums ask for, taken out of the payload so that none has to be read.
    Column("policy_id", Text, nullable=False, server_default=""),
    Column("policy_version", Integer, nullable=False, server_default="0"),  # 0: a person's
    Column("opened_at", UtcDateTime, nullable=False, server_default=EPOCH),
    Column("evidence", Text, nullable=False, server_default="none"),
    Column("suppressed_by", Text),
    Index(None, "tenant_id", "session_id", "opened_ms"),
    Index("ix_incidents_by_session", "tenant_id", "session_id", *_WHAT_IS_ASKED),
    Index("ix_incidents_by_time", "tenant_id", "opened_at", "incident_id", *_WHAT_IS_ASKED),
    Index("ix_incidents_by_exam", "tenant_id", "exam_id", "opened_at", "incident_id"),
    Index("ix_incidents_by_rule", "tenant_id", "policy_id", "policy_version", *_RULE_AND_VERDICT),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    _tenant(),
    Column("exam_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("candidate_id", Text, nullable=False),
    Column("incident_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("transition", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("position", BigId),  # in the tenant's feed; None until the dispatcher gave it one
    Column("told", Integer),  # the seq that readers of the feed see, given with the position
    Column("payload", DomainJson(Alert), nullable=False),
    UniqueConstraint("session_id", "seq"),
    UniqueConstraint("tenant_id", "position"),
    Index(None, "tenant_id", "session_id", "position"),
    Index(None, "tenant_id", "exam_id", "position"),
    Index(None, "session_id", "told", unique=True),
    Index(None, "tenant_id", "incident_id", "seq"),
)

outbox = Table(  # alerts that have no position yet; empty when nothing waits
    "outbox",
    metadata,
    Column("outbox_id", BigId, primary_key=True, autoincrement=True),
    _tenant(),
    Column("alert_id", Text, ForeignKey(alerts.c.alert_id), nullable=False, unique=True),
    Index(None, "tenant_id", "outbox_id"),
    sqlite_autoincrement=True,
)

feed_heads = Table(  # the highest position given; its row is the lock that orders a tenant's feed
    "feed_heads",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("head", BigId, nullable=False),
)

audit = Table(  # a hash chain per tenant: who did what to whom, and why
    "audit",
    metadata,
    Column("audit_id", BigId, primary_key=True, autoincrement=True),
    _tenant(),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text),
    Column("sha256", LargeBinary, nullable=False),
    Index(None, "tenant_id", "audit_id"),
    sqlite_autoincrement=True,
)

accommodations = Table(
    "accommodations",
    metadata,
    _tenant(),
    Column("candidate_id", Text, primary_key=True),
    Column("exam_id", Text, primary_key=True),  # empty for every exam
    Column("accommodations", DomainJson(tuple[Accommodation, ...]), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "candidate_id"], ["candidates.tenant_id", "candidates.candidate_id"]
    ),
)

breaks = Table(
    "breaks",
    metadata,
    Column("break_id", Text, primary_key=True),
    _tenant(),
    Column("session_id", Text, ForeignKey(sessions.c.session_id), nullable=False),
    Column("start_ms", BigId, nullable=False),
    Column("end_ms", BigId),  # None: nobody has said
    Column("given_by", Text, nullable=False),
    Index(None, "tenant_id", "session_id", "start_ms"),
)

verdicts = Table(  # every word of a reviewer; the newest stands in the incident's own row
    "verdicts",
    metadata,
    Column("verdict_id", Text, primary_key=True),
    _tenant(),
    Column("session_id", Text, nullable=False),
    Column("incident_id", Text, ForeignKey(incidents.c.incident_id), nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
    Column("told_at", UtcDateTime),  # None: the alert about it is owed
    Index(None, "tenant_id", "incident_id", "given_at"),
    Index(None, "tenant_id", "session_id", "given_at"),
    Index(None, "told_at", "given_at"),
)

priorities = Table(  # by value, like all that a shard writes
    "priorities",
    metadata,
    Column("session_id", Text, primary_key=True),
    _tenant(),
    Column("rank", Integer, nullable=False),
    Column("payload", DomainJson(Priority), nullable=False),
    Index(None, "tenant_id", "rank", "session_id"),
)
