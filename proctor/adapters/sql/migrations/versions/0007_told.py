"""What was told of a session is counted by itself, without the holes of what was held back.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What has a place in the feed already is counted in the order of it."""
    op.add_column("alerts", sa.Column("told", sa.Integer()))
    alerts = sa.table(
        "alerts",
        sa.column("alert_id"),
        sa.column("session_id"),
        sa.column("position"),
        sa.column("told"),
    )
    places = (
        sa.select(
            alerts.c.alert_id,
            sa.func.row_number()
            .over(partition_by=alerts.c.session_id, order_by=alerts.c.position)
            .label("number"),
        )
        .where(alerts.c.position.is_not(None))
        .subquery()
    )
    op.execute(
        sa.update(alerts).values(told=places.c.number).where(alerts.c.alert_id == places.c.alert_id)
    )
    op.create_index(
        op.f("ix_alerts_session_id_told"), "alerts", ["session_id", "told"], unique=True
    )


def downgrade() -> None:
    """Back to the stored number alone."""
    op.drop_index(op.f("ix_alerts_session_id_told"), "alerts")
    op.drop_column("alerts", "told")
