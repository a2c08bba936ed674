"""The tables of what candidates were told and answered, and of how their equipment did."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from proctor.adapters.sql.tables import metadata, sessions
from proctor.adapters.sql.types import DomainJson, UtcDateTime
from proctor.domain.candidates import ConsentScope
from proctor.domain.preflights import Preflight

notice_texts = Table(  # the very text, once for all who were shown it
    "notice_texts",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("text_sha256", Text, primary_key=True),
    Column("text", Text, nullable=False),
)

notice_answers = Table(
    "notice_answers",
    metadata,
    Column("answer_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("session_id", Text, ForeignKey(sessions.c.session_id), nullable=False),
    Column("candidate_id", Text, nullable=False),
    Column("choice", Text, nullable=False),
    Column("scopes", DomainJson(tuple[ConsentScope, ...]), nullable=False),
    Column("text_version", Text, nullable=False),
    Column("text_sha256", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("answered_at", UtcDateTime, nullable=False),
    Index(None, "tenant_id", "session_id", "answered_at"),
)

preflights = Table(
    "preflights",
    metadata,
    Column("preflight_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("session_id", Text, ForeignKey(sessions.c.session_id), nullable=False),
    Column("checked_at", UtcDateTime, nullable=False),
    Column("payload", DomainJson(Preflight), nullable=False),
    Index(None, "tenant_id", "session_id", "checked_at"),
)
