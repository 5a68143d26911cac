"""Interactions and feedback."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_json = sa.JSON().with_variant(JSONB(), "postgresql")
_instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "interactions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("updated_at", _instant, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("standalone", sa.Text, nullable=False),
        sa.Column("experiment", sa.Text),
        sa.Column("arm", sa.Text),
        sa.Column("assigned_hash", sa.Text, nullable=False),
        sa.Column("assigned", _json, nullable=False),
        sa.Column("exposed_hash", sa.Text),
        sa.Column("exposed", _json),
        sa.Column("passages", _json, nullable=False),
        sa.Column("attempts", _json, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("citations", _json, nullable=False),
        sa.Column("invented_citations", sa.Integer, nullable=False),
        sa.Column("refused", sa.Boolean, nullable=False),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("completion_tokens", sa.Integer),
        sa.Column("time_to_first_token", sa.Float),
        sa.Column("total_time", sa.Float),
        sa.Column("cost", sa.Float),
        sa.Column("finish_reason", sa.Text, nullable=False),
        sa.Column("settings_hash", sa.Text, nullable=False),
        sa.Column("index_version", sa.Text, nullable=False),
    )
    op.create_index("ix_interactions_user", "interactions", ["user_id", "created_at"])
    op.create_index("ix_interactions_conversation", "interactions", ["conversation_id", "created_at"])
    op.create_table(
        "feedback",
        sa.Column(
            "interaction_id", sa.Text, sa.ForeignKey("interactions.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("thumb", sa.Integer),
        sa.Column("comment", sa.Text),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("updated_at", _instant, nullable=False),
        sa.CheckConstraint("thumb IN (-1, 0, 1)", name="ck_feedback_thumb"),
    )
    op.create_table(
        "feedback_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column(
            "interaction_id", sa.Text, sa.ForeignKey("interactions.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("thumb", sa.Integer),
        sa.Column("comment", sa.Text),
        sa.Column("created_at", _instant, nullable=False),
    )
    op.create_index("ix_feedback_events_interaction_id", "feedback_events", ["interaction_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("feedback_events")
    op.drop_table("feedback")
    op.drop_table("interactions")
