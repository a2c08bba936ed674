"""The tables of keys and proof: candidates' data keys, the chain of every session, and erasures."""

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from proctor.adapters.sql.tables import metadata
from proctor.adapters.sql.types import UtcDateTime

subject_keys = (
    Table(  # by value: a key may be made before, and is remembered as destroyed without one
        "subject_keys",
        metadata,
        Column("tenant_id", Text, primary_key=True),
        Column("candidate_id", Text, primary_key=True),
        Column("wrapped", LargeBinary),  # under the key ring; None once it is destroyed
        Column("made_at", UtcDateTime, nullable=False),
        Column("destroyed_at", UtcDateTime),
    )
)

chains = Table(  # one row per session: the end of its chain, and how far its alerts are in it
    "chains",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("head", Text, nullable=False),
    Column("alert_seq", Integer, nullable=False),
    Column("signed_size", Integer, nullable=False),  # what the newest signed checkpoint covers
    Column("is_open", Boolean, nullable=False),  # False: its end is in it
    Index(None, "is_open", "session_id"),
)

chain_entries = Table(  # only added to
    "chain_entries",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("text", Text, nullable=False),  # the canonical JSON that is hashed
    Column("sha256", Text, nullable=False),
    UniqueConstraint("session_id", "kind", "source_id"),
)

chain_openings = Table(  # what opens an entry's commitment; goes with the candidate
    "chain_openings",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("candidate_id", Text, primary_key=True),
    Column("receipt_id", Text, nullable=False, unique=True),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("done_at", UtcDateTime),  # None: it was begun and is owed
    Column("sessions", Integer, nullable=False),
    Column("recordings", Integer, nullable=False),
    Column("evidence", Integer, nullable=False),
    Index(None, "done_at"),
)
