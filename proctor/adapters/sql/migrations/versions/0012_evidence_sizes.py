"""How much of a tenant's evidence lies in the store is summed along an index.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NAME = "ix_evidence_tenant_id_state_size"


def upgrade() -> None:
    """The index holds all that the sum needs."""
    op.create_index(op.f(NAME), "evidence", ["tenant_id", "state", "size"])


def downgrade() -> None:
    """The sum would read every row again."""
    op.drop_index(op.f(NAME), table_name="evidence")
