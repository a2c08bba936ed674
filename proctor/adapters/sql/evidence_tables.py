"""The tables of evidence: its pieces, and where each incident's stands."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text

from proctor.adapters.sql.tables import metadata
from proctor.adapters.sql.types import BigId, UtcDateTime

evidence = Table(  # by value, like all that a shard or a host writes
    "evidence",
    metadata,
    Column("evidence_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("exam_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("candidate_id", Text, nullable=False),
    Column("incident_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("start_ms", BigId, nullable=False),
    Column("end_ms", BigId, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("loss", Text),
    Column("taken_at", UtcDateTime, nullable=False),
    Column("stored_at", UtcDateTime),
    Index(None, "tenant_id", "incident_id", "start_ms"),
    Index(None, "tenant_id", "session_id"),
    Index(None, "tenant_id", "candidate_id"),
    Index(None, "state", "taken_at"),
    Index(None, "tenant_id", "state", "size"),
)

incident_evidence = Table(  # a row once something was ordered, until its retention is over
    "incident_evidence",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("loss", Text),
    Column("seen_at", UtcDateTime),  # when whoever looks for what never came saw it first
    Column("is_told", Boolean, nullable=False),  # whether the incident's alerts say the status
    Index(None, "is_told", "incident_id"),
    Index(None, "status", "seen_at"),
    Index(None, "tenant_id", "session_id"),
)
