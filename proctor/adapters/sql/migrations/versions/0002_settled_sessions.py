"""An ended session is settled once its coverage reaches its end.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEX = "ix_sessions_settled_at_state_session_id"


def upgrade() -> None:
    """Sessions that ended before are looked at once more."""
    op.add_column("sessions", sa.Column("settled_at", sa.DateTime(timezone=True)))
    op.create_index(INDEX, "sessions", ["settled_at", "state", "session_id"])


def downgrade() -> None:
    op.drop_index(INDEX, "sessions")
    op.drop_column("sessions", "settled_at")
