"""Sinks, what is owed to each of them, and every try.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from proctor.adapters.sql.types import BigId, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sinks",
        sa.Column("sink_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("batching", sa.Text(), nullable=False),
        sa.Column("fallback_for", sa.Text()),
        sa.Column("fallback_after_s", sa.Integer(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_by", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("cursor", BigId, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", UtcDateTime()),
        sa.Column("rests_until", UtcDateTime()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", UtcDateTime()),
        sa.PrimaryKeyConstraint("sink_id", name="pk_sinks"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_sinks_tenant_id_name"),
    )
    op.create_index("ix_sinks_tenant_id_sink_id", "sinks", ["tenant_id", "sink_id"])
    op.create_table(
        "deliveries",
        sa.Column("sink_id", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("position", BigId, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("replays", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("planned_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("batch_id", sa.Text()),
        sa.PrimaryKeyConstraint("sink_id", "alert_id", name="pk_deliveries"),
    )
    for columns in (
        ["state", "sink_id", "position"],
        ["sink_id", "session_id", "position"],
        ["tenant_id", "alert_id"],
    ):
        op.create_index("ix_deliveries_" + "_".join(columns), "deliveries", columns)
    op.create_table(
        "delivery_attempts",
        sa.Column("sink_id", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("replay", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.PrimaryKeyConstraint(
            "sink_id", "alert_id", "replay", "number", name="pk_delivery_attempts"
        ),
    )
    op.create_index(
        "ix_delivery_attempts_tenant_id_alert_id", "delivery_attempts", ["tenant_id", "alert_id"]
    )


def downgrade() -> None:
    for table in ("delivery_attempts", "deliveries", "sinks"):
        op.drop_table(table)
