"""A window of the store as a frame: read once, in batches, personal data masked before anything is kept."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from melancia.errors import InputError, JobError
from melancia.mlops.drift.base import Base
from melancia.mlops.drift.frame import Window, typed
from melancia.mlops.drift.grounded import groundedness
from melancia.mlops.drift.rows import NAN, Rows
from melancia.mlops.drift.sampling import embedded
from melancia.settings import Settings
from melancia.store import Store

LIMIT = 100_000
_SPAN = re.compile(r"\s*([0-9]{1,4})\s*([dh])\s*", re.IGNORECASE)
_LONGEST = timedelta(days=3660)

Stop = Callable[[], bool]


def parse_span(text: str) -> timedelta:
    """A length of time as people write it: “7d”, “12h”. Raises InputError."""
    match = _SPAN.fullmatch(text)
    if match:
        hours = int(match[1]) * (24 if match[2].lower() == "d" else 1)
        if timedelta() < timedelta(hours=hours) <= _LONGEST:
            return timedelta(hours=hours)
    raise InputError(f"“{text}” não é um período.", "Escreva dias ou horas, como 7d, 28d ou 12h.")


def read_window(
    store: Store,
    settings: Settings,
    since: datetime,
    until: datetime,
    *,
    embeddings: Embeddings,
    sample: int = 2000,
    scored: int = 300,
    limit: int = LIMIT,
    arm: str | None = None,
    documents: Sequence[str] | None = None,
    stop: Stop = lambda: False,
) -> Window:
    """The interactions of [``since``, ``until``), of an arm or all, oldest first.

    What nobody saw (shadow answers) and the arena's duels are left out. Above ``limit`` they are a random
    sample; ``sample`` questions are embedded, and ``scored`` answers without a stored groundedness are
    measured. Each draw goes by the interactions' ids, so that the same window gives the same frame; the notes
    tell of it. ``documents``: ids of the base; None: those of the index of ``settings``, if there is one.
    ``stop`` is asked between batches.

    Raises StoreError, EmbeddingError, InputError for an empty stretch of time, JobError when stopped.
    """
    if since >= until:
        raise InputError("A janela termina antes de começar.", "Confira as datas.")
    total = store.drift_rows.count(since, until, arm)
    rows = Rows()
    for batch in store.drift_rows.of(since, until, arm=arm, limit=limit if total > limit else None):
        _go_on(stop)
        rows.add(batch)
    columns = rows.columns
    columns["groundedness"], measured = groundedness(
        store,
        ids=columns["id"],
        stored=columns["groundedness"],
        scorable=rows.scorable,
        most=scored,
        go_on=partial(_go_on, stop),
    )
    sampled, vectors = embedded(columns["question"], columns["id"], embeddings, sample, partial(_go_on, stop))
    base = Base.of(settings)
    columns["out_of_scope"] = _out_of_scope(columns, sampled, base.strange(vectors))
    count = len(columns["id"])
    return Window(
        kind="store",
        since=since,
        until=until,
        frame=typed(columns),
        sampled=sampled,
        vectors=vectors,
        total=total,
        retrieved=dict(rows.retrieved),
        documents=base.documents if documents is None else tuple(documents),
        notes=_notes(total, count, len(sampled), measured, sum(rows.scorable)),
    )


def _go_on(stop: Stop) -> None:
    if stop():
        raise JobError("O relatório foi interrompido; nada foi gravado.")


def _out_of_scope(
    columns: Mapping[str, Sequence[Any]], sampled: NDArray[np.int64], strange: NDArray[np.bool_] | None
) -> list[float]:
    """1 for an embedded question that nothing was found for and nothing in the base is near, 0 for the other
    embedded ones, NaN for the rest and while nothing is known of the base.
    """
    values = [NAN] * len(columns["id"])
    for place, far in zip(sampled.tolist(), [] if strange is None else strange.tolist(), strict=False):
        if not columns["cached"][place]:
            values[place] = float(far and columns["unanswered"][place])
    return values


def _notes(total: int, read: int, embedded: int, scored: int, scorable: int) -> tuple[str, ...]:
    """What was sampled, in Portuguese; nothing is said of what was looked at whole."""
    notes = []
    if read < total:
        notes.append(f"A janela tem {total} perguntas; foram lidas {read}, por sorteio.")
    if embedded < read:
        notes.append(f"Assuntos e significado: {embedded} de {read} perguntas, por sorteio.")
    if 0 < scored < scorable:
        notes.append(f"Apoio nas fontes: {scored} de {scorable} respostas, por sorteio.")
    return tuple(notes)
