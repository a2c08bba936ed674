"""The tables of review: decisions, statements, what people added, and sums that lists read."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from proctor.adapters.sql.tables import incidents, metadata, sessions
from proctor.adapters.sql.types import BigId, UtcDateTime

decisions = Table(  # only added to; the highest version stands
    "decisions",
    metadata,
    Column("session_id", Text, ForeignKey(sessions.c.session_id), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", Text, nullable=False),
    Column("word", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
)

statements = Table(  # only added to
    "statements",
    metadata,
    Column("statement_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("session_id", Text, ForeignKey(sessions.c.session_id), nullable=False),
    Column("candidate_id", Text, nullable=False),
    Column("incident_id", Text, ForeignKey(incidents.c.incident_id)),
    Column("by", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Index(None, "tenant_id", "session_id", "made_at"),
)

additions = Table(  # who added an incident, and what they say of it
    "additions",
    metadata,
    Column("incident_id", Text, ForeignKey(incidents.c.incident_id), primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Index(None, "tenant_id", "session_id"),
)

connections = Table(  # when each of a session's connections began
    "connections",
    metadata,
    Column("session_id", Text, ForeignKey(sessions.c.session_id), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

coverage_sums = Table(  # by value, like all that a shard writes; follows `coverage` in its commits
    "coverage_sums",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("modality", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("reason", Text, primary_key=True),  # empty when monitored
    Column("tenant_id", Text, nullable=False),
    Column("closed_ms", BigId, nullable=False),
    Column("open_since_ms", BigId),
    Index(None, "tenant_id", "modality", "state", "reason", "closed_ms"),
    Index(None, "tenant_id", "open_since_ms"),
)
