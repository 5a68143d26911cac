"""Duels of the arena with their votes, and the rankings that were computed from them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_json = sa.JSON().with_variant(JSONB(), "postgresql")
_instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "duels",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("experiment", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("left_hash", sa.Text, nullable=False),
        sa.Column("left_variant", _json, nullable=False),
        sa.Column("right_hash", sa.Text, nullable=False),
        sa.Column("right_variant", _json, nullable=False),
        sa.Column("left_interaction", sa.Text, sa.ForeignKey("interactions.id", ondelete="SET NULL")),
        sa.Column("right_interaction", sa.Text, sa.ForeignKey("interactions.id", ondelete="SET NULL")),
        sa.Column("left_length", sa.Integer),
        sa.Column("right_length", sa.Integer),
        sa.Column("winner", sa.Text),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("updated_at", _instant, nullable=False),
        sa.Column("voted_at", _instant),
        sa.CheckConstraint("winner IN ('left', 'right', 'tie', 'both_bad')", name="ck_duels_winner"),
        sa.CheckConstraint("(state = 'voted') = (winner IS NOT NULL)", name="ck_duels_voted"),
    )
    op.create_index("ix_duels_user", "duels", ["user_id", "created_at"])
    op.create_index("ix_duels_voted", "duels", ["voted_at"])
    op.create_table(
        "rankings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("votes", sa.Integer, nullable=False),
        sa.Column("content", _json, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("rankings")
    op.drop_index("ix_duels_voted", "duels")
    op.drop_index("ix_duels_user", "duels")
    op.drop_table("duels")
