"""What MLflow has been told, jobs, and the models of Ollama."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_json = sa.JSON().with_variant(JSONB(), "postgresql")
_instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.add_column("interactions", sa.Column("retrieval_time", sa.Float))
    op.create_table(
        "exports",
        sa.Column(
            "interaction_id", sa.Text, sa.ForeignKey("interactions.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("trace_id", sa.Text),
        sa.Column("exported_at", _instant),
        sa.Column("feedback_at", _instant),
        sa.Column("assessments", _json, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("retry_at", _instant),
        sa.Column("error", sa.Text, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("parameters", _json, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("started_at", _instant),
        sa.Column("ended_at", _instant),
        sa.Column("progress", sa.Float),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("log_tail", sa.Text, nullable=False),
        sa.Column("result", _json),
        sa.Column("run_id", sa.Text),
        sa.Column("exit_code", sa.Integer),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("handle", sa.Text, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "created_at"])
    op.create_table(
        "models",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("completed", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("gpu_share", sa.Float),
        sa.Column("tokens_per_second", sa.Float),
        sa.Column("updated_at", _instant, nullable=False),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("models")
    op.drop_table("jobs")
    op.drop_table("exports")
    op.drop_column("interactions", "retrieval_time")
