"""Accommodations, breaks, verdicts and review priorities.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Nothing was allowed, reviewed or ranked before."""
    op.create_table(
        "accommodations",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("exam_id", sa.Text(), nullable=False),
        sa.Column("accommodations", sa.Text(), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "candidate_id"],
            ["candidates.tenant_id", "candidates.candidate_id"],
            name=op.f("fk_accommodations_tenant_id_candidate_id"),
        ),
        sa.PrimaryKeyConstraint("candidate_id", "exam_id", name=op.f("pk_accommodations")),
    )
    op.create_table(
        "breaks",
        sa.Column("break_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("start_ms", BIG, nullable=False),
        sa.Column("end_ms", BIG),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name=op.f("fk_breaks_session_id")
        ),
        sa.PrimaryKeyConstraint("break_id", name=op.f("pk_breaks")),
    )
    op.create_index(
        op.f("ix_breaks_tenant_id_session_id_start_ms"),
        "breaks",
        ["tenant_id", "session_id", "start_ms"],
    )
    op.create_table(
        "verdicts",
        sa.Column("verdict_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("given_at", TIME, nullable=False),
        sa.Column("told_at", TIME),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.incident_id"], name=op.f("fk_verdicts_incident_id")
        ),
        sa.PrimaryKeyConstraint("verdict_id", name=op.f("pk_verdicts")),
    )
    op.create_index(
        op.f("ix_verdicts_tenant_id_incident_id_given_at"),
        "verdicts",
        ["tenant_id", "incident_id", "given_at"],
    )
    op.create_index(op.f("ix_verdicts_told_at_given_at"), "verdicts", ["told_at", "given_at"])
    op.create_table(
        "priorities",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_priorities")),
    )


def downgrade() -> None:
    for name in ("priorities", "verdicts", "breaks", "accommodations"):
        op.drop_table(name)
