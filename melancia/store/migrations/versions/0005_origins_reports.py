"""Where an answer comes from; drift reports, actions, topics, the schedule, erasures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_json = sa.JSON().with_variant(JSONB(), "postgresql")
_instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.add_column("interactions", sa.Column("origin_kind", sa.Text, nullable=False, server_default=""))
    op.add_column("interactions", sa.Column("origin_id", sa.Text))
    op.add_column("interactions", sa.Column("asked", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_interactions_created", "interactions", ["created_at"])
    op.create_index("ix_interactions_origin", "interactions", ["origin_id"])
    op.create_table(
        "reports",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("current_from", _instant, nullable=False),
        sa.Column("current_to", _instant, nullable=False),
        sa.Column("reference_from", _instant),
        sa.Column("reference_to", _instant),
        sa.Column("reference_kind", sa.Text, nullable=False),
        sa.Column("sizes", _json, nullable=False),
        sa.Column("figures", _json, nullable=False),
        sa.Column("findings", _json, nullable=False),
        sa.Column("gaps", _json, nullable=False),
        sa.Column("notes", _json, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("planned_at", _instant),
    )
    op.create_index("ix_reports_created_at", "reports", ["created_at"])
    op.create_table(
        "actions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("report_id", sa.Text, sa.ForeignKey("reports.id", ondelete="CASCADE")),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("detail", _json, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("updated_at", _instant, nullable=False),
    )
    op.create_index("ix_actions_state", "actions", ["state", "created_at"])
    op.create_table(
        "topics",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("embedding_model", sa.Text, nullable=False),
        sa.Column("centroid", _json, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("updated_at", _instant, nullable=False),
    )
    op.create_table(
        "schedule_runs",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("due_at", _instant, primary_key=True),
        sa.Column("cron", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("started_at", _instant, nullable=False),
        sa.Column("ended_at", _instant),
        sa.Column("outcome", sa.Text, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user_hash", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("content", _json, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("updated_at", _instant, nullable=False),
    )
    op.create_index("ix_erasures_user_hash", "erasures", ["user_hash"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_erasures_user_hash", "erasures")
    op.drop_table("erasures")
    op.drop_table("schedule_runs")
    op.drop_table("topics")
    op.drop_index("ix_actions_state", "actions")
    op.drop_table("actions")
    op.drop_index("ix_reports_created_at", "reports")
    op.drop_table("reports")
    op.drop_index("ix_interactions_origin", "interactions")
    op.drop_index("ix_interactions_created", "interactions")
    with op.batch_alter_table("interactions") as table:
        table.drop_column("asked")
        table.drop_column("origin_id")
        table.drop_column("origin_kind")
