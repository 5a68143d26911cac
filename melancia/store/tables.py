"""The tables, as SQLAlchemy Core. Portable between SQLite and PostgreSQL."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB


class Instant(sa.TypeDecorator[datetime]):
    """A timezone-aware instant; SQLite, which knows no zones, keeps it in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """To UTC. Raises ValueError for an instant without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = sa.JSON().with_variant(JSONB(), "postgresql")

metadata = sa.MetaData()

interactions = sa.Table(
    "interactions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("standalone", sa.Text, nullable=False),
    sa.Column("experiment", sa.Text),
    sa.Column("arm", sa.Text),
    sa.Column("assigned_hash", sa.Text, nullable=False),
    sa.Column("assigned", Json, nullable=False),
    sa.Column("exposed_hash", sa.Text),
    sa.Column("exposed", Json),
    sa.Column("passages", Json, nullable=False),
    sa.Column("attempts", Json, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("citations", Json, nullable=False),
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
    sa.Column("retrieval_time", sa.Float),
    sa.Column("policy", sa.Text),
    sa.Column("propensity", sa.Float),
    sa.Column("origin_kind", sa.Text, nullable=False, server_default=""),
    sa.Column("origin_id", sa.Text),
    sa.Column("asked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_interactions_created", "created_at"),
    sa.Index("ix_interactions_origin", "origin_id"),
    sa.Index("ix_interactions_experiment", "experiment", "created_at"),
    sa.Index("ix_interactions_user", "user_id", "created_at"),
    sa.Index("ix_interactions_conversation", "conversation_id", "created_at"),
)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column(
        "interaction_id", sa.Text, sa.ForeignKey("interactions.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("thumb", sa.Integer),
    sa.Column("comment", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.CheckConstraint("thumb IN (-1, 0, 1)", name="ck_feedback_thumb"),
)

feedback_events = sa.Table(
    "feedback_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column(
        "interaction_id",
        sa.Text,
        sa.ForeignKey("interactions.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("thumb", sa.Integer),
    sa.Column("comment", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
)

# What MLflow has been told. The outbox is what it has not: see ``exports.py``.
exports = sa.Table(
    "exports",
    metadata,
    sa.Column(
        "interaction_id", sa.Text, sa.ForeignKey("interactions.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("trace_id", sa.Text),
    sa.Column("exported_at", Instant),
    sa.Column("feedback_at", Instant),
    sa.Column("assessments", Json, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("retry_at", Instant),
    sa.Column("error", sa.Text, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("progress", sa.Float),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("log_tail", sa.Text, nullable=False),
    sa.Column("result", Json),
    sa.Column("run_id", sa.Text),
    sa.Column("exit_code", sa.Integer),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("handle", sa.Text, nullable=False),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Index("ix_jobs_state", "state", "created_at"),
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("completed", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("gpu_share", sa.Float),
    sa.Column("tokens_per_second", sa.Float),
    sa.Column("updated_at", Instant, nullable=False),
)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("experiment", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("content", Json, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

# A failure to measure has a reason and no value: it is never a 0.
scores = sa.Table(
    "scores",
    metadata,
    sa.Column(
        "interaction_id", sa.Text, sa.ForeignKey("interactions.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("value", sa.Float),
    sa.Column("failure", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("experiment", sa.Text, nullable=False),
    sa.Column("policy_version", sa.Integer, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("content", Json, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_verdicts_experiment", "experiment", "id"),
)

# A duel of the arena: drawn here before anybody answers, and the user's vote on it.
duels = sa.Table(
    "duels",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("experiment", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("left_hash", sa.Text, nullable=False),
    sa.Column("left_variant", Json, nullable=False),
    sa.Column("right_hash", sa.Text, nullable=False),
    sa.Column("right_variant", Json, nullable=False),
    sa.Column("left_interaction", sa.Text, sa.ForeignKey("interactions.id", ondelete="SET NULL")),
    sa.Column("right_interaction", sa.Text, sa.ForeignKey("interactions.id", ondelete="SET NULL")),
    sa.Column("left_length", sa.Integer),
    sa.Column("right_length", sa.Integer),
    sa.Column("winner", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("voted_at", Instant),
    sa.CheckConstraint("winner IN ('left', 'right', 'tie', 'both_bad')", name="ck_duels_winner"),
    sa.CheckConstraint("(state = 'voted') = (winner IS NOT NULL)", name="ck_duels_voted"),
    sa.Index("ix_duels_user", "user_id", "created_at"),
    sa.Index("ix_duels_voted", "voted_at"),
)

rankings = sa.Table(
    "rankings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("votes", sa.Integer, nullable=False),
    sa.Column("content", Json, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("created_at", Instant, nullable=False, index=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("current_from", Instant, nullable=False),
    sa.Column("current_to", Instant, nullable=False),
    sa.Column("reference_from", Instant),
    sa.Column("reference_to", Instant),
    sa.Column("reference_kind", sa.Text, nullable=False),
    sa.Column("sizes", Json, nullable=False),
    sa.Column("figures", Json, nullable=False),
    sa.Column("findings", Json, nullable=False),
    sa.Column("gaps", Json, nullable=False),
    sa.Column("notes", Json, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("planned_at", Instant),  # when the rules were applied to it; once
)

actions = sa.Table(
    "actions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("report_id", sa.Text, sa.ForeignKey("reports.id", ondelete="CASCADE")),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("detail", Json, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_actions_state", "state", "created_at"),
)

# What people ask about, found by clustering; a new report finds the same topics again by their centroids.
topics = sa.Table(
    "topics",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("embedding_model", sa.Text, nullable=False),
    sa.Column("centroid", Json, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

# One row for each time that something was due: whoever writes it first does it.
schedule_runs = sa.Table(
    "schedule_runs",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("due_at", Instant, primary_key=True),
    sa.Column("cron", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("outcome", sa.Text, nullable=False),
)

# What was erased for a user, without saying who: ``user_hash`` finds it again for whoever knows the name.
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_hash", sa.Text, nullable=False, index=True),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("content", Json, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)
