"""A whole drift report: read the windows, test, draw, keep, and tell MLflow."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from melancia.embeddings import create_embeddings
from melancia.errors import InputError, JobError, TrackingError
from melancia.mlops.drift import evidently_report, missed, tracking
from melancia.mlops.drift.frame import Window
from melancia.mlops.drift.gaps import gaps
from melancia.mlops.drift.references import read_benchmark, read_file
from melancia.mlops.drift.report import build
from melancia.mlops.drift.summary import page
from melancia.mlops.drift.topics import assign_topics
from melancia.mlops.drift.windows import parse_span, read_window
from melancia.mlops.local_store import tracked
from melancia.records import DriftReport, ReportStatus, utc_now
from melancia.settings import Settings
from melancia.store import Store

BENCHMARK = "benchmark"
# Share done, what comes now; False: somebody ended the job.
Progress = Callable[[float, str], bool]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A report that was kept, and MLflow's page of it ("" without)."""

    report: DriftReport
    url: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the windows hold. ``topics``: id → label; ``gaps``: questions that the base cannot answer."""

    current: Window
    reference: Window
    topics: Mapping[int, str]
    gaps: Sequence[Mapping[str, Any]] = ()


def run_session(
    store: Store,
    settings: Settings,
    *,
    current: str,
    reference: str,
    seed: int = 0,
    now: datetime | None = None,
    embeddings: Embeddings | None = None,
    progress: Progress = lambda *_: True,
) -> Kept:
    """The report of the last ``current`` (7d, 12h) against ``reference``: the stretch before it (28d),
    “benchmark”, or a file.

    ``embeddings``: those of the settings unless given. Raises InputError, StoreError, EmbeddingError, and
    JobError when ``progress`` said to stop; nothing is kept then.
    """
    until = now or utc_now()
    since = until - parse_span(current)
    vectors = embeddings or create_embeddings(settings.embedding_model, settings)
    read = partial(read_window, store, settings, embeddings=vectors)
    _go_on(progress, 0.0, "Lendo a janela recente…")
    recent = read(since, until, stop=lambda: not progress(0.0, "Lendo a janela recente…"))
    going_on = partial(_go_on, progress, 0.2, "Lendo a referência…")
    going_on()
    if reference == BENCHMARK:
        before = read_benchmark(embeddings=vectors, go_on=going_on)
    elif _is_span(reference):
        before = read(
            since - parse_span(reference), since, stop=lambda: not progress(0.2, "Lendo a referência…")
        )
    else:
        before = read_file(Path(reference), embeddings=vectors, go_on=going_on)
    _go_on(progress, 0.4, "Agrupando as perguntas…")
    before, recent, topics = assign_topics(store, before, recent, settings.embedding_model)
    unanswered = gaps(
        recent, embeddings=vectors, go_on=partial(_go_on, progress, 0.4, "Agrupando as perguntas…")
    )
    found = Found(recent, before, {topic.id: topic.label for topic in topics}, unanswered)
    kept = finish(store, settings, found, seed=seed, progress=progress)
    store.privacy.forget_gone(kept.report.id)
    return replace(kept, report=store.reports.get(kept.report.id))


def _is_span(text: str) -> bool:
    """Whether ``text`` is a stretch of time, rather than a file."""
    if Path(text).is_file():
        return False
    try:
        parse_span(text)
    except InputError:
        if Path(text).suffix:
            return False
        raise
    return True


def finish(
    store: Store, settings: Settings, found: Found, *, seed: int = 0, progress: Progress = lambda *_: True
) -> Kept:
    """Test, draw, keep, tell MLflow. That MLflow is away fails nothing: a note of the report says so.

    Interrupted, there is either a whole report or none. Raises StoreError, InputError when the page cannot be
    written, JobError when the job was ended from outside.
    """
    current, reference = found.current, found.reference
    _go_on(progress, 0.5, "Comparando as janelas…")
    report = build(current, reference, found.topics, gaps=found.gaps, seed=seed)
    picture = evidently_report.Picture("", {}, ())
    if report.status is not ReportStatus.TOO_LITTLE:
        _go_on(progress, 0.7, "Desenhando o relatório…")
        picture = evidently_report.draw(current, reference, found.topics, seed)
        if picture.left_out:
            note = f"Sem medidas bastantes para o desenho: {', '.join(picture.left_out)}."
            report = replace(report, notes=(*report.notes, note))
    report = replace(report, file=f"{report.id}.html")
    html = page(report, picture.html)
    _go_on(progress, 0.9, "Gravando o relatório…")
    path = settings.drift_dir / report.file
    _write(path, html)
    try:
        store.reports.keep(report)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    windows = {"atual": current, "referencia": reference}
    ids = {name: [str(one) for one in window.frame["id"]] for name, window in windows.items()}
    return _tracked(store, settings, report, tracking.Documents(html, picture.data, ids), seed)


def _tracked(
    store: Store, settings: Settings, report: DriftReport, documents: tracking.Documents, seed: int
) -> Kept:
    """Tell MLflow, or its local folder, and keep the run's id or why there is none."""
    try:
        recorded = tracking.record(tracked(settings), report, documents, {"seed": seed})
    except TrackingError as error:
        later = bool(settings.mlflow_url)  # with none, it was our own folder that failed
        if later:
            _keep_for_later(settings, report, documents, seed)
        report = replace(report, notes=(*report.notes, missed.note(error, later=later)))
        store.reports.keep(report)
        return Kept(report, "")
    report = replace(report, run_id=recorded.run_id)
    store.reports.keep(report)
    return Kept(report, recorded.url)


def _keep_for_later(
    settings: Settings, report: DriftReport, documents: tracking.Documents, seed: int
) -> None:
    try:
        missed.keep(settings.drift_dir, report.id, missed.Kept(documents.data, {"seed": seed}))
    except OSError as error:
        logger.warning("Evidently's data of report %s is not kept: %s", report.id, error)


def _go_on(progress: Progress, share: float, message: str) -> None:
    if not progress(share, message):
        raise JobError("O relatório foi interrompido; nada foi gravado.")


def _write(path: Path, text: str) -> None:
    """All of it, or nothing. Raises InputError."""
    fresh = path.with_suffix(f".{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_text(text, "utf-8")
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"O relatório não pôde ser gravado em {path.parent} ({error.strerror}).",
            "Confira as permissões e o espaço em disco.",
        ) from error
