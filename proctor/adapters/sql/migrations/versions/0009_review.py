"""Decisions, statements, added incidents, sums of coverage, and indexes for the reviewer's desk.

Revision ID: 0009
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EPOCH = "1970-01-01 00:00:00.000000"
ASKED = ["rule_id", "severity", "verdict", "category"]

INDEXES = {
    "sessions": {"ix_sessions_tenant_id_session_id": ["tenant_id", "session_id"]},
    "incidents": {
        "ix_incidents_by_session": ["tenant_id", "session_id", *ASKED],
        "ix_incidents_by_time": ["tenant_id", "opened_at", "incident_id", *ASKED],
        "ix_incidents_by_exam": ["tenant_id", "exam_id", "opened_at", "incident_id"],
        "ix_incidents_by_rule": ["tenant_id", "policy_id", "policy_version", "rule_id", "verdict"],
    },
    "alerts": {"ix_alerts_tenant_id_incident_id_seq": ["tenant_id", "incident_id", "seq"]},
    "verdicts": {
        "ix_verdicts_tenant_id_session_id_given_at": ["tenant_id", "session_id", "given_at"]
    },
    "priorities": {"ix_priorities_tenant_id_rank_session_id": ["tenant_id", "rank", "session_id"]},
}
COLUMNS = ("policy_id", "policy_version", "opened_at", "evidence", "suppressed_by")

FILL_SQLITE = """
UPDATE incidents SET
    policy_id = json_extract(payload, '$.policy_id'),
    policy_version = json_extract(payload, '$.policy_version'),
    evidence = coalesce(json_extract(payload, '$.evidence.status'), 'none'),
    suppressed_by = json_extract(payload, '$.suppressed_by'),
    opened_at = coalesce(
        (SELECT strftime('%Y-%m-%d %H:%M:%f', coalesce(started_at, created_at),
                         (incidents.opened_ms / 1000.0) || ' seconds') || '000'
         FROM sessions WHERE sessions.session_id = incidents.session_id),
        opened_at)
"""
FILL_POSTGRES = """
UPDATE incidents SET
    policy_id = payload::json ->> 'policy_id',
    policy_version = (payload::json ->> 'policy_version')::integer,
    evidence = coalesce(payload::json #>> '{evidence,status}', 'none'),
    suppressed_by = payload::json ->> 'suppressed_by',
    opened_at = coalesce(
        (SELECT coalesce(started_at, created_at) + incidents.opened_ms * interval '1 millisecond'
         FROM sessions WHERE sessions.session_id = incidents.session_id),
        opened_at)
"""
FILL_SUMS = """
INSERT INTO coverage_sums
    (session_id, modality, state, reason, tenant_id, closed_ms, open_since_ms)
SELECT session_id, modality, state, coalesce(reason, ''), tenant_id,
    sum(CASE WHEN end_ms IS NULL THEN 0 ELSE end_ms - start_ms END),
    max(CASE WHEN end_ms IS NULL THEN start_ms END)
FROM coverage GROUP BY session_id, modality, state, coalesce(reason, ''), tenant_id
"""


def upgrade() -> None:
    """What stands in payloads and intervals already is taken out of them."""
    op.add_column("incidents", sa.Column("policy_id", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "incidents", sa.Column("policy_version", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("incidents", sa.Column("opened_at", TIME, nullable=False, server_default=EPOCH))
    op.add_column(
        "incidents", sa.Column("evidence", sa.Text(), nullable=False, server_default="none")
    )
    op.add_column("incidents", sa.Column("suppressed_by", sa.Text()))
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(FILL_SQLITE if is_sqlite else FILL_POSTGRES)
    _decisions_and_statements()
    _sums_and_connections()
    op.execute(FILL_SUMS)
    for table, indexes in INDEXES.items():
        for name, columns in indexes.items():
            op.create_index(name, table, columns)


def _decisions_and_statements() -> None:
    op.create_table(
        "decisions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("given_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name=op.f("fk_decisions_session_id")
        ),
        sa.PrimaryKeyConstraint("session_id", "version", name=op.f("pk_decisions")),
    )
    op.create_table(
        "statements",
        sa.Column("statement_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Text()),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name=op.f("fk_statements_session_id")
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.incident_id"], name=op.f("fk_statements_incident_id")
        ),
        sa.PrimaryKeyConstraint("statement_id", name=op.f("pk_statements")),
    )
    op.create_index(
        op.f("ix_statements_tenant_id_session_id_made_at"),
        "statements",
        ["tenant_id", "session_id", "made_at"],
    )
    op.create_table(
        "additions",
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("added_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.incident_id"], name=op.f("fk_additions_incident_id")
        ),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_additions")),
    )
    op.create_index(
        op.f("ix_additions_tenant_id_session_id"), "additions", ["tenant_id", "session_id"]
    )


def _sums_and_connections() -> None:
    op.create_table(
        "connections",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name=op.f("fk_connections_session_id")
        ),
        sa.PrimaryKeyConstraint("session_id", "epoch", name=op.f("pk_connections")),
    )
    op.create_table(
        "coverage_sums",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("closed_ms", BIG, nullable=False),
        sa.Column("open_since_ms", BIG),
        sa.PrimaryKeyConstraint(
            "session_id", "modality", "state", "reason", name=op.f("pk_coverage_sums")
        ),
    )
    op.create_index(
        op.f("ix_coverage_sums_tenant_id_modality_state_reason_closed_ms"),
        "coverage_sums",
        ["tenant_id", "modality", "state", "reason", "closed_ms"],
    )
    op.create_index(
        op.f("ix_coverage_sums_tenant_id_open_since_ms"),
        "coverage_sums",
        ["tenant_id", "open_since_ms"],
    )


def downgrade() -> None:
    """What people decided, stated and added is gone; incidents that people added stay as rows."""
    for table, indexes in INDEXES.items():
        for name in indexes:
            op.drop_index(name, table)
    for name in ("coverage_sums", "connections", "additions", "statements", "decisions"):
        op.drop_table(name)
    for column in COLUMNS:
        op.drop_column("incidents", column)
