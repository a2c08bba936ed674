"""The tables of what leaves: sinks, what is owed to each of them, and every try."""

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from proctor.adapters.sql.tables import metadata
from proctor.adapters.sql.types import BigId, DomainJson, UtcDateTime
from proctor.domain.sinks import Batching, SinkFilter

sinks = Table(
    "sinks",
    metadata,
    Column("sink_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("filter", DomainJson(SinkFilter), nullable=False),
    Column("batching", DomainJson(Batching), nullable=False),
    Column("fallback_for", Text),
    Column("fallback_after_s", Integer, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("disabled_by", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("cursor", BigId, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcDateTime),
    Column("rests_until", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # its secrets, under the key ring
    Column("lease_owner", Text),  # the dispatcher that works for it
    Column("lease_until", UtcDateTime),
    UniqueConstraint("tenant_id", "name"),
    Index(None, "tenant_id", "sink_id"),
)

deliveries = Table(  # one row per sink and alert, once the sink has looked at it
    "deliveries",
    metadata,
    Column("sink_id", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("position", BigId, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("replays", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("batch_id", Text),
    Index(None, "state", "sink_id", "position"),
    Index(None, "sink_id", "session_id", "position"),
    Index(None, "tenant_id", "alert_id"),
)

delivery_attempts = Table(  # only added to
    "delivery_attempts",
    metadata,
    Column("sink_id", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("replay", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("took_ms", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("status", Integer),
    Index(None, "tenant_id", "alert_id"),
)
