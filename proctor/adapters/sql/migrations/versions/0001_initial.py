"""Everything the product starts with.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("exam_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("transition", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("raised_at", TIME, nullable=False),
        sa.Column("position", BIG),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("session_id", "seq", name=op.f("uq_alerts_session_id_seq")),
        sa.UniqueConstraint("tenant_id", "position", name=op.f("uq_alerts_tenant_id_position")),
    )
    op.create_index(
        op.f("ix_alerts_tenant_id_exam_id_position"), "alerts", ["tenant_id", "exam_id", "position"]
    )
    op.create_index(
        op.f("ix_alerts_tenant_id_session_id_position"),
        "alerts",
        ["tenant_id", "session_id", "position"],
    )
    op.create_table(
        "audit",
        sa.Column("audit_id", BIG, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_tenant_id_audit_id"), "audit", ["tenant_id", "audit_id"])
    op.create_table(
        "coverage",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("start_ms", BIG, nullable=False),
        sa.Column("end_ms", BIG),
        sa.PrimaryKeyConstraint("session_id", "ordinal", name=op.f("pk_coverage")),
    )
    op.create_table(
        "feed_heads",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("head", BIG, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_feed_heads")),
    )
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("exam_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("opened_ms", BIG, nullable=False),
        sa.Column("closed_ms", BIG),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_incidents")),
    )
    op.create_index(
        op.f("ix_incidents_tenant_id_session_id_opened_ms"),
        "incidents",
        ["tenant_id", "session_id", "opened_ms"],
    )
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenants")),
    )
    op.create_table(
        "candidates",
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("external_ref", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_candidates_tenant_id")
        ),
        sa.PrimaryKeyConstraint("candidate_id", name=op.f("pk_candidates")),
        sa.UniqueConstraint(
            "tenant_id", "candidate_id", name=op.f("uq_candidates_tenant_id_candidate_id")
        ),
        sa.UniqueConstraint(
            "tenant_id", "external_ref", name=op.f("uq_candidates_tenant_id_external_ref")
        ),
    )
    op.create_table(
        "exams",
        sa.Column("exam_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("policy_text", sa.Text(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_exams_tenant_id")
        ),
        sa.PrimaryKeyConstraint("exam_id", name=op.f("pk_exams")),
        sa.UniqueConstraint("tenant_id", "exam_id", name=op.f("uq_exams_tenant_id_exam_id")),
    )
    op.create_table(
        "outbox",
        sa.Column("outbox_id", BIG, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], name=op.f("fk_outbox_alert_id")),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("alert_id", name=op.f("uq_outbox_alert_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_tenant_id_outbox_id"), "outbox", ["tenant_id", "outbox_id"])
    op.create_table(
        "consents",
        sa.Column("consent_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("text_version", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("given_at", TIME, nullable=False),
        sa.Column("withdrawn_at", TIME),
        sa.ForeignKeyConstraint(
            ["tenant_id", "candidate_id"],
            ["candidates.tenant_id", "candidates.candidate_id"],
            name=op.f("fk_consents_tenant_id_candidate_id"),
        ),
        sa.PrimaryKeyConstraint("consent_id", name=op.f("pk_consents")),
    )
    op.create_index(
        op.f("ix_consents_tenant_id_candidate_id"), "consents", ["tenant_id", "candidate_id"]
    )
    op.create_table(
        "enrolments",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("erased_at", TIME),
        sa.ForeignKeyConstraint(
            ["tenant_id", "candidate_id"],
            ["candidates.tenant_id", "candidates.candidate_id"],
            name=op.f("fk_enrolments_tenant_id_candidate_id"),
        ),
        sa.PrimaryKeyConstraint("candidate_id", "version", name=op.f("pk_enrolments")),
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("exam_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("ended_at", TIME),
        sa.ForeignKeyConstraint(
            ["tenant_id", "candidate_id"],
            ["candidates.tenant_id", "candidates.candidate_id"],
            name=op.f("fk_sessions_tenant_id_candidate_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "exam_id"],
            ["exams.tenant_id", "exams.exam_id"],
            name=op.f("fk_sessions_tenant_id_exam_id"),
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sessions")),
    )
    op.create_index(
        op.f("ix_sessions_tenant_id_exam_id_session_id"),
        "sessions",
        ["tenant_id", "exam_id", "session_id"],
    )
    op.create_index(
        op.f("ix_sessions_tenant_id_state_session_id"),
        "sessions",
        ["tenant_id", "state", "session_id"],
    )


def downgrade() -> None:
    op.drop_table("sessions")
    op.drop_table("enrolments")
    op.drop_table("consents")
    op.drop_table("outbox")
    op.drop_table("exams")
    op.drop_table("candidates")
    op.drop_table("tenants")
    op.drop_table("incidents")
    op.drop_table("feed_heads")
    op.drop_table("coverage")
    op.drop_table("audit")
    op.drop_table("alerts")
