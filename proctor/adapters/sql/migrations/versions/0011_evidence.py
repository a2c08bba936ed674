"""Evidence: its pieces, and where each incident's stands.

Revision ID: 0011
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    """No evidence was kept before."""
    op.create_table(
        "evidence",
        *map(_text, ("evidence_id", "tenant_id", "exam_id", "session_id", "candidate_id")),
        *map(_text, ("incident_id", "kind", "media_type")),
        sa.Column("start_ms", BIG, nullable=False),
        sa.Column("end_ms", BIG, nullable=False),
        _text("sha256"),
        sa.Column("size", sa.Integer(), nullable=False),
        *map(_text, ("object_key", "state")),
        sa.Column("loss", sa.Text()),
        sa.Column("taken_at", TIME, nullable=False),
        sa.Column("stored_at", TIME),
        sa.PrimaryKeyConstraint("evidence_id", name=op.f("pk_evidence")),
    )
    for columns in (
        ["tenant_id", "incident_id", "start_ms"],
        ["tenant_id", "session_id"],
        ["tenant_id", "candidate_id"],
        ["state", "taken_at"],
    ):
        op.create_index(op.f(f"ix_evidence_{'_'.join(columns)}"), "evidence", columns)
    op.create_table(
        "incident_evidence",
        *map(_text, ("incident_id", "tenant_id", "session_id", "status")),
        sa.Column("loss", sa.Text()),
        sa.Column("seen_at", TIME),
        sa.Column("is_told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_incident_evidence")),
    )
    for columns in (
        ["is_told", "incident_id"],
        ["status", "seen_at"],
        ["tenant_id", "session_id"],
    ):
        name = op.f(f"ix_incident_evidence_{'_'.join(columns)}")
        op.create_index(name, "incident_evidence", columns)


def downgrade() -> None:
    """The objects stay where they lie."""
    op.drop_table("incident_evidence")
    op.drop_table("evidence")
