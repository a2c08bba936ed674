"""Answers to notices, the texts they were given to, and pre-flights.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Nobody had answered on the page before."""
    op.create_table(
        "notice_texts",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "text_sha256", name=op.f("pk_notice_texts")),
    )
    op.create_table(
        "notice_answers",
        sa.Column("answer_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("text_version", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("answered_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name=op.f("fk_notice_answers_session_id")
        ),
        sa.PrimaryKeyConstraint("answer_id", name=op.f("pk_notice_answers")),
    )
    op.create_index(
        op.f("ix_notice_answers_tenant_id_session_id_answered_at"),
        "notice_answers",
        ["tenant_id", "session_id", "answered_at"],
    )
    op.create_table(
        "preflights",
        sa.Column("preflight_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("checked_at", TIME, nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name=op.f("fk_preflights_session_id")
        ),
        sa.PrimaryKeyConstraint("preflight_id", name=op.f("pk_preflights")),
    )
    op.create_index(
        op.f("ix_preflights_tenant_id_session_id_checked_at"),
        "preflights",
        ["tenant_id", "session_id", "checked_at"],
    )


def downgrade() -> None:
    for name in ("preflights", "notice_answers", "notice_texts"):
        op.drop_table(name)
