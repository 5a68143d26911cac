"""Ingests that are asked for on the page: one at a time, in a thread, with a status to look at."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from melancia.errors import InputError, MelanciaError
from melancia.knowledge.ingest import IngestReport
from melancia.knowledge_base import KnowledgeIndex

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IngestStatus:
    """The last ingest that was started in the background: what it does now, or how it ended.

    ``stage`` is "waiting", "reading", "vectors" or "done"; ``done`` of ``total`` items of that stage.
    """

    stage: str
    item: str = ""
    done: int = 0
    total: int = 0
    report: IngestReport | None = None
    error: str | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.stage != "done"


class IngestRunner:
    """Runs ingests over ``index`` in the background. Close it before the index."""

    def __init__(self, index: KnowledgeIndex) -> None:
        self._index = index
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._status: IngestStatus | None = None

    @property
    def status(self) -> IngestStatus | None:
        """The last ingest; None when there was none since the start."""
        return self._status

    def start(self, roots: Sequence[Path | str] | None = None) -> None:
        """Ingest ``roots`` (None: all that was ever ingested, addresses too); ``status`` tells how far it is.

        Raises InputError while another ingest goes on.
        """
        with self._starting:
            self._refuse_second()
            self._status = IngestStatus("waiting")
            wanted = self._index.roots() if roots is None else list(roots)
            self._thread = threading.Thread(
                target=self._run, args=(wanted,), name="melancia-ingest", daemon=True
            )
            self._thread.start()

    def visit(self, address: str) -> None:
        """Ingest a page or sitemap. Raises InputError for what is no web address."""
        if not address.lower().startswith(("http://", "https://")):
            raise InputError("Isso não é um endereço da web.", "Comece com https:// ou http://.")
        self.start([address])

    def take(self, sent: Sequence[Path]) -> None:
        """Keep files that were sent through the page and ingest them.

        Raises InputError for none, for a kind that cannot be read, or while another ingest goes on;
        DocumentError when a file itself cannot be read. Those before it are kept and ingested all the same.
        """
        if not sent:
            raise InputError("Nenhum arquivo foi enviado.", "Escolha ao menos um.")
        self._refuse_second()
        kept = 0
        try:
            for file in sent:
                self._index.keep_upload(file)
                kept += 1
        finally:
            if kept:
                self.start([self._index.uploads_dir])

    def close(self) -> None:
        """Wait for the running ingest; the index's own ``close`` tells it to be short."""
        if self._thread is not None:
            self._thread.join()

    def _refuse_second(self) -> None:
        if self._status is not None and self._status.running:
            raise InputError("Já há uma indexação em andamento.", "Espere que ela termine.")

    def _run(self, roots: Sequence[Path | str]) -> None:
        report: IngestReport | None = None
        error: str | None = None

        def reading(item: str, done: int, total: int) -> None:
            self._status = IngestStatus("reading", item, done, total)

        def embedding(done: int, total: int) -> None:
            self._status = IngestStatus("vectors", "", done, total, report)

        try:
            report = self._index.ingest(roots, reading)
            self._index.discard_refused(report)
            self._status = IngestStatus("vectors", report=report)
            self._index.compute_vectors(embedding)
        except MelanciaError as failure:
            error = str(failure)
        except Exception as failure:
            logger.exception("an ingest asked for on the page failed")
            error = f"A indexação falhou ({type(failure).__name__}); veja os registros."
        self._status = IngestStatus("done", report=report, error=error)
