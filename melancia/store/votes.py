"""Duels of the arena and their votes. The draw is kept before anybody answers; a vote is final."""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from melancia.errors import ConflictError, InputError, NotOwnerError
from melancia.records import Interaction, Variant, new_id, utc_now
from melancia.store.database import translated
from melancia.store.duels import Duel, DuelState, Winner, duel_from, export_row, measured
from melancia.store.tables import duels, interactions, rankings

_BATCH = 500
_VOTED = duels.c.state == DuelState.VOTED.value


class VoteStore:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def begin(
        self, user_id: str, question: str, left: Variant, right: Variant, experiment: str | None = None
    ) -> Duel:
        """Keep a draw. Raises ValueError for a variant against itself."""
        if left == right:
            raise ValueError("a variant does not meet itself")
        now = utc_now()
        row = {
            "id": new_id(),
            "user_id": user_id,
            "question": question,
            "topic": "",
            "experiment": experiment,
            "state": DuelState.DRAWN.value,
            "reason": "",
            "left_hash": left.hash,
            "left_variant": left.as_dict(),
            "right_hash": right.hash,
            "right_variant": right.as_dict(),
            "created_at": now,
            "updated_at": now,
        }
        with translated(), self._engine.begin() as connection:
            made = connection.execute(duels.insert().values(row).returning(*duels.c)).mappings().one()
        return duel_from(made)

    def get(self, duel_id: str, user_id: str) -> Duel:
        """A user's duel. Raises InputError when there is none, NotOwnerError when it is another user's."""
        with translated(), self._engine.connect() as connection:
            return self._own(connection, duel_id, user_id)

    def claim(self, duel_id: str, user_id: str) -> Duel:
        """Begin to answer a drawn duel; only once. Raises InputError, NotOwnerError, ConflictError."""
        with translated(), self._engine.begin() as connection:
            made = self._move(
                connection, duel_id, [DuelState.DRAWN], DuelState.ANSWERING, {}, user_id=user_id
            )
            if made is None:
                self._own(connection, duel_id, user_id)
        if made is None:
            raise ConflictError("Esse duelo já foi respondido.", "Faça outra pergunta.")
        return made

    def answered(self, duel_id: str, left: Interaction, right: Interaction) -> Duel:
        """Both sides have answered: it can be voted on. Raises ConflictError when it is void by now."""
        best = next(iter((*left.passages, *right.passages)), None)
        values = {
            "topic": best.topic if best else "",
            "left_interaction": left.id,
            "left_length": len(left.answer.text),
            "right_interaction": right.id,
            "right_length": len(right.answer.text),
        }
        with translated(), self._engine.begin() as connection:
            made = self._move(connection, duel_id, [DuelState.ANSWERING], DuelState.ANSWERED, values)
        if made is None:
            raise ConflictError("Esse duelo foi anulado.", "Faça outra pergunta.")
        return made

    def void(self, duel_id: str, reason: str) -> None:
        """Nothing to vote on, and why; a duel that was answered already stays as it is."""
        before = [DuelState.DRAWN, DuelState.ANSWERING]
        with translated(), self._engine.begin() as connection:
            self._move(connection, duel_id, before, DuelState.VOID, {"reason": reason})

    def vote(self, duel_id: str, user_id: str, winner: str) -> Duel:
        """Keep the vote. The same vote again changes nothing.

        Raises InputError (no such vote, no such duel, not answered), NotOwnerError, and ConflictError for
        another vote on a duel that was voted on.
        """
        if winner not in [known.value for known in Winner]:
            raise InputError("Esse voto não existe.", "Vote em A, B, empate ou ambas ruins.")
        values = {"winner": winner, "voted_at": utc_now()}
        with translated(), self._engine.begin() as connection:
            # The update comes first: of two votes at once the second finds the first.
            made = self._move(
                connection, duel_id, [DuelState.ANSWERED], DuelState.VOTED, values, user_id=user_id
            )
            present = made or self._own(connection, duel_id, user_id)
        if present.state is DuelState.VOID:
            raise InputError("Esse duelo foi anulado e não aceita voto.", "Faça outra pergunta.")
        if present.state is not DuelState.VOTED:
            raise InputError("As respostas ainda não terminaram.", "Vote quando as duas estiverem completas.")
        if present.winner != winner:
            raise ConflictError("Seu voto neste duelo já foi dado e não muda.", "Faça outra pergunta.")
        return present

    def open(self, user_id: str) -> Duel | None:
        """The user's newest duel, if it waits for their vote."""
        query = (
            sa.select(duels)
            .where(duels.c.user_id == user_id, duels.c.state != DuelState.VOID.value)
            .order_by(duels.c.created_at.desc(), duels.c.id)
            .limit(1)
        )
        with translated(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return duel_from(row) if row is not None and row["state"] == DuelState.ANSWERED.value else None

    def count(self) -> int:
        """How many votes there are."""
        query = sa.select(sa.func.count()).select_from(duels).where(_VOTED)
        with translated(), self._engine.connect() as connection:
            return connection.execute(query).scalar() or 0

    def voted(self) -> Iterator[Duel]:
        """The duels that were voted on, oldest vote first, streamed."""
        query = sa.select(duels).where(_VOTED).order_by(duels.c.voted_at, duels.c.id)
        with translated(), self._engine.connect() as connection:
            for row in connection.execute(query.execution_options(yield_per=_BATCH)).mappings():
                yield duel_from(row)

    def export(self) -> Iterator[dict[str, Any]]:
        """The votes with both answers, oldest vote first, streamed; plain values."""
        left, right = interactions.alias("l"), interactions.alias("r")
        query = (
            sa.select(duels, *measured(left, "left"), *measured(right, "right"))
            .outerjoin(left, left.c.id == duels.c.left_interaction)
            .outerjoin(right, right.c.id == duels.c.right_interaction)
            .where(_VOTED)
            .order_by(duels.c.voted_at, duels.c.id)
            .execution_options(yield_per=_BATCH)
        )
        with translated(), self._engine.connect() as connection:
            for row in connection.execute(query).mappings():
                yield export_row(row)

    def keep_ranking(self, votes: int, content: Mapping[str, Any]) -> None:
        """Keep a ranking of the first ``votes`` votes; it takes the place of those before."""
        row = {"votes": votes, "content": dict(content), "created_at": utc_now()}
        with translated(), self._engine.begin() as connection:
            kept = connection.execute(rankings.insert().values(row).returning(rankings.c.id)).scalar_one()
            connection.execute(rankings.delete().where(rankings.c.id < kept))

    def ranking(self) -> Mapping[str, Any] | None:
        """The newest ranking: the table's columns; None when none was computed."""
        query = sa.select(rankings).order_by(rankings.c.id.desc()).limit(1)
        with translated(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return dict(row) if row is not None else None

    def _own(self, connection: sa.Connection, duel_id: str, user_id: str) -> Duel:
        row = connection.execute(sa.select(duels).where(duels.c.id == duel_id)).mappings().first()
        if row is None:
            raise InputError("Esse duelo não existe.", "Faça outra pergunta.")
        if row["user_id"] != user_id:
            raise NotOwnerError("Só é possível votar nos próprios duelos.", "Faça uma pergunta sua.")
        return duel_from(row)

    def _move(
        self,
        connection: sa.Connection,
        duel_id: str,
        before: list[DuelState],
        after: DuelState,
        values: Mapping[str, Any],
        *,
        user_id: str | None = None,
    ) -> Duel | None:
        """Change the state in one statement; None when it was not one of ``before``, or not this user's."""
        where = [duels.c.id == duel_id, duels.c.state.in_([state.value for state in before])]
        if user_id is not None:
            where.append(duels.c.user_id == user_id)
        changed = connection.execute(
            duels.update()
            .where(*where)
            .values(state=after.value, updated_at=utc_now(), **values)
            .returning(*duels.c)
        )
        row = changed.mappings().first()
        return duel_from(row) if row is not None else None
