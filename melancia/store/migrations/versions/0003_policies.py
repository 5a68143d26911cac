"""Versions of experiments, who gave whom which arm with what chance, and the ledger of verdicts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_json = sa.JSON().with_variant(JSONB(), "postgresql")
_instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.add_column("interactions", sa.Column("policy", sa.Text))
    op.add_column("interactions", sa.Column("propensity", sa.Float))
    op.create_index("ix_interactions_experiment", "interactions", ["experiment", "created_at"])
    op.create_table(
        "policies",
        sa.Column("experiment", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("content", _json, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
    )
    op.create_table(
        "scores",
        sa.Column(
            "interaction_id", sa.Text, sa.ForeignKey("interactions.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("value", sa.Float),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
    )
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("experiment", sa.Text, nullable=False),
        sa.Column("policy_version", sa.Integer, nullable=False),
        sa.Column("until", _instant, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("content", _json, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
    )
    op.create_index("ix_verdicts_experiment", "verdicts", ["experiment", "id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("verdicts")
    op.drop_table("scores")
    op.drop_table("policies")
    op.drop_index("ix_interactions_experiment", "interactions")
    op.drop_column("interactions", "propensity")
    op.drop_column("interactions", "policy")
