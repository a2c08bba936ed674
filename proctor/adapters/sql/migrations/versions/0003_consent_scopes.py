"""A consent says what it is to.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was agreed to before was about the face."""
    scopes = sa.Column("scopes", sa.Text(), nullable=False, server_default='["face"]')
    op.add_column("consents", scopes)


def downgrade() -> None:
    op.drop_column("consents", "scopes")
