"""Versions of experiments. A version is written once; a change is another version."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from melancia.errors import ConflictError
from melancia.records import Arm, Policy, PolicyMode, PolicyState
from melancia.store.database import translated
from melancia.store.tables import policies


class PolicyStore:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, policy: Policy, after: int | None) -> Policy:
        """Keep ``policy`` as the version after ``after`` of its experiment (None: as the first one).

        Raises ConflictError when that is not the newest any more: somebody else was faster.
        """
        numbered = replace(policy, version=(after or 0) + 1)
        with translated(), self._engine.begin() as connection:
            try:
                connection.execute(policies.insert().values(_row(numbered)))
            except sa.exc.IntegrityError as error:
                raise _changed(policy.experiment) from error
        return numbered

    def newest(self, experiment: str) -> Policy | None:
        """The newest version of an experiment; None when there is none."""
        return next(iter(self.history(experiment, 1)), None)

    def history(self, experiment: str, limit: int = 1000) -> Sequence[Policy]:
        """The versions of an experiment, the newest first."""
        query = (
            sa.select(policies)
            .where(policies.c.experiment == experiment)
            .order_by(policies.c.version.desc())
            .limit(limit)
        )
        return self._read(query)

    def list(self) -> Sequence[Policy]:
        """The newest version of each experiment, the latest change first."""
        newest = sa.select(policies.c.experiment, sa.func.max(policies.c.version).label("version")).group_by(
            policies.c.experiment
        )
        last = newest.subquery()
        both = sa.and_(policies.c.experiment == last.c.experiment, policies.c.version == last.c.version)
        return self._read(sa.select(policies).join(last, both).order_by(policies.c.created_at.desc()))

    def running(self) -> Policy | None:
        """The experiment that takes part in routing; None when there is none."""
        return next((policy for policy in self.list() if policy.state is PolicyState.RUNNING), None)

    def _read(self, query: sa.Select[Any]) -> Sequence[Policy]:
        with translated(), self._engine.connect() as connection:
            return [_policy(row) for row in connection.execute(query).mappings()]


def _row(policy: Policy) -> dict[str, Any]:
    return {
        "experiment": policy.experiment,
        "version": policy.version,
        "state": policy.state.value,
        "hash": policy.hash,
        "content": {
            "arms": [arm.as_dict() for arm in policy.arms],
            "salt": policy.salt,
            "mode": policy.mode.value,
            "primary_metric": policy.primary_metric,
            "guardrails": dict(policy.guardrails),
            "floor": policy.floor,
            "forced": policy.forced,
        },
        "author": policy.author,
        "reason": policy.reason,
        "created_at": policy.created_at,
    }


def _policy(row: Mapping[Any, Any]) -> Policy:
    content = dict(row["content"])
    return Policy(
        experiment=row["experiment"],
        arms=tuple(Arm.from_dict(arm) for arm in content.pop("arms")),
        mode=PolicyMode(content.pop("mode")),
        state=PolicyState(row["state"]),
        version=row["version"],
        author=row["author"],
        reason=row["reason"],
        created_at=row["created_at"],
        **content,
    )


def _changed(experiment: str) -> ConflictError:
    return ConflictError(
        f"O experimento {experiment} mudou enquanto isso.", "Veja como ele está e tente de novo."
    )
