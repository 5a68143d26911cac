"""Drift reports and the actions that their findings led to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from melancia.errors import InputError
from melancia.records import Action, ActionState, DriftReport, Finding, ReportStatus, utc_now
from melancia.store.database import translated
from melancia.store.tables import actions, reports

_WAITING = (ActionState.PLANNED.value, ActionState.FAILED.value)


class ReportStore:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def keep(self, report: DriftReport) -> None:
        """Keep a report; a second time replaces it, but for its findings and gaps."""
        row = _row(report)
        # What an erasure took out of those meanwhile must not come back.
        again = {name: value for name, value in row.items() if name not in ("findings", "gaps")}
        statement = self._insert(reports).values(row)
        with translated(), self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=again))

    def list(self, limit: int = 100) -> Sequence[DriftReport]:
        """The latest reports, newest first."""
        query = sa.select(reports).order_by(reports.c.created_at.desc(), reports.c.id).limit(limit)
        with translated(), self._engine.connect() as connection:
            return [_report(row) for row in connection.execute(query).mappings()]

    def get(self, report_id: str) -> DriftReport:
        """One report. Raises InputError."""
        query = sa.select(reports).where(reports.c.id == report_id)
        with translated(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise InputError("Esse relatório não existe.", "Confira o identificador na aba Saúde.")
        return _report(row)

    def without_run(self, since: datetime, until: datetime) -> Sequence[DriftReport]:
        """Reports of that time that MLflow was not told of, the newest first."""
        query = sa.select(reports).where(
            reports.c.run_id == "", reports.c.created_at >= since, reports.c.created_at <= until
        )
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(reports.c.created_at.desc(), reports.c.id))
            return [_report(row) for row in rows.mappings()]

    def set_run(self, report_id: str, run_id: str, notes: Sequence[str]) -> None:
        """Say which run MLflow has of a report, and its notes from now on; nothing else of it changes."""
        told = reports.update().where(reports.c.id == report_id)
        with translated(), self._engine.begin() as connection:
            connection.execute(told.values(run_id=run_id, notes=list(notes)))

    def unplanned(self, limit: int = 20) -> Sequence[DriftReport]:
        """Reports to which the rules were not applied yet, the oldest first."""
        query = sa.select(reports).where(reports.c.planned_at.is_(None))
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(reports.c.created_at, reports.c.id).limit(limit))
            return [_report(row) for row in rows.mappings()]

    def plan_report(self, report_id: str, planned: Sequence[Action]) -> bool:
        """Write down, whole, what a report leads to, once: False when somebody else did."""
        claim = reports.update().where(reports.c.id == report_id, reports.c.planned_at.is_(None))
        with translated(), self._engine.begin() as connection:
            if connection.execute(claim.values(planned_at=utc_now())).rowcount != 1:
                return False
            for action in planned:
                connection.execute(self._planned(action))
        return True

    def plan(self, action: Action) -> bool:
        """Write an action down before it is done; False when one with its key is there already."""
        with translated(), self._engine.begin() as connection:
            # What an insert says of its row count differs from driver to driver.
            return connection.execute(self._planned(action).returning(actions.c.id)).first() is not None

    def claim(self, action: Action) -> bool:
        """Begin a try at an action, which counts: True for exactly one of those who saw it as it is."""
        attempt = actions.update().where(
            actions.c.id == action.id,
            actions.c.attempts == action.attempts,
            actions.c.state.in_(_WAITING),
        )
        values = {"attempts": action.attempts + 1, "updated_at": utc_now()}
        with translated(), self._engine.begin() as connection:
            return connection.execute(attempt.values(values)).rowcount == 1

    def settle(
        self, action_id: str, state: ActionState, *, error: str = "", detail: Mapping[str, Any]
    ) -> None:
        """Say how a try ended, unless the action was dismissed meanwhile."""
        values = {"state": state.value, "error": error, "detail": dict(detail), "updated_at": utc_now()}
        tried = actions.update().where(actions.c.id == action_id, actions.c.state.in_(_WAITING))
        with translated(), self._engine.begin() as connection:
            connection.execute(tried.values(values))

    def dismiss(self, action_id: str) -> None:
        """Somebody took note of it: it is no longer open, and a hold is lifted. Raises InputError."""
        values = {"state": ActionState.DISMISSED.value, "updated_at": utc_now()}
        with translated(), self._engine.begin() as connection:
            done = connection.execute(actions.update().where(actions.c.id == action_id).values(values))
        if not done.rowcount:
            raise InputError("Essa ação não existe.", "Confira o identificador com `melancia actions list`.")

    def actions(
        self,
        *,
        report_id: str | None = None,
        states: Sequence[ActionState] = (),
        kinds: Sequence[str] = (),
        since: datetime | None = None,
        limit: int | None = 200,
    ) -> Sequence[Action]:
        """The latest actions, newest first: of a report, in some states, of some kinds, since an instant."""
        query = sa.select(actions).order_by(actions.c.created_at.desc(), actions.c.id).limit(limit)
        if report_id is not None:
            query = query.where(actions.c.report_id == report_id)
        if states:
            query = query.where(actions.c.state.in_([state.value for state in states]))
        if kinds:
            query = query.where(actions.c.kind.in_(kinds))
        if since is not None:
            query = query.where(actions.c.created_at >= since)
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(query).mappings()
            return [Action(**{**row, "state": ActionState(row["state"])}) for row in rows]

    def holds(self, experiment: str) -> Sequence[Action]:
        """The holds on the arms of an experiment that nobody has lifted."""
        open_states = [state for state in ActionState if state is not ActionState.DISMISSED]
        found = self.actions(states=open_states, kinds=["hold"], limit=None)
        return [action for action in found if action.detail.get("experiment") == experiment]

    def _planned(self, action: Action) -> Any:
        values = {**asdict(action), "detail": dict(action.detail), "state": action.state.value}
        return self._insert(actions).values(values).on_conflict_do_nothing(index_elements=["key"])

    def _insert(self, table: sa.Table) -> Any:
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        return dialect.insert(table)


def _row(report: DriftReport) -> dict[str, Any]:
    values = report.as_dict()
    since, until = values.pop("reference") or (None, None)
    current = dict(zip(("current_from", "current_to"), values.pop("current"), strict=True))
    return {**values, **current, "reference_from": since, "reference_to": until}


def _report(row: Mapping[Any, Any]) -> DriftReport:
    since, until = row["reference_from"], row["reference_to"]
    return DriftReport(
        id=row["id"],
        created_at=row["created_at"],
        status=ReportStatus(row["status"]),
        current=(row["current_from"], row["current_to"]),
        reference=(since, until) if since is not None and until is not None else None,
        reference_kind=row["reference_kind"],
        sizes=row["sizes"],
        figures=row["figures"],
        findings=tuple(Finding.from_dict(finding) for finding in row["findings"]),
        gaps=tuple(row["gaps"]),
        notes=tuple(row["notes"]),
        file=row["file"],
        run_id=row["run_id"],
    )
