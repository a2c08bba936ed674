"""Data keys of candidates, the chain of every session, and erasures.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Nothing was sealed for a candidate, chained or erased before."""
    op.create_table(
        "subject_keys",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary()),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("destroyed_at", TIME),
        sa.PrimaryKeyConstraint("tenant_id", "candidate_id", name=op.f("pk_subject_keys")),
    )
    op.create_table(
        "chains",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("alert_seq", sa.Integer(), nullable=False),
        sa.Column("signed_size", sa.Integer(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_chains")),
    )
    op.create_index(op.f("ix_chains_is_open_session_id"), "chains", ["is_open", "session_id"])
    op.create_table(
        "chain_entries",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "number", name=op.f("pk_chain_entries")),
        sa.UniqueConstraint(
            "session_id",
            "kind",
            "source_id",
            name=op.f("uq_chain_entries_session_id_kind_source_id"),
        ),
    )
    op.create_table(
        "chain_openings",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "number", name=op.f("pk_chain_openings")),
    )
    op.create_table(
        "erasures",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("done_at", TIME),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("recordings", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "candidate_id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("receipt_id", name=op.f("uq_erasures_receipt_id")),
    )
    op.create_index(op.f("ix_erasures_done_at"), "erasures", ["done_at"])


def downgrade() -> None:
    for name in ("erasures", "chain_openings", "chain_entries", "chains", "subject_keys"):
        op.drop_table(name)
