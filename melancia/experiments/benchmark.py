"""The guide's door to a benchmark: give it a retriever, add models, run, print, save."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.language_models import BaseChatModel

from melancia.agent.memory import ConversationMemory
from melancia.agent.retriever import HybridRetriever
from melancia.embeddings.local import LocalEmbeddings
from melancia.errors import InputError
from melancia.evals.evaluate import Evaluator
from melancia.experiments import files, report_text
from melancia.experiments.plan import Options, Step
from melancia.experiments.questions import Question
from melancia.experiments.results import COLUMNS, Measured, Report
from melancia.experiments.session import Parts, Session
from melancia.experiments.variants import variant_of
from melancia.llms.extractive import ExtractiveChatModel
from melancia.llms.select import EXTRACTIVE, parse_label
from melancia.records import Variant
from melancia.settings import Settings, get_settings

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class ModelBenchmark:
    """Compares chat models on the same questions, with the extractive answerer as control.

    Each question is asked with fresh memory: ``memory`` is taken, as the guide gives it, and its conversation
    is neither read nor changed.
    """

    def __init__(
        self,
        retriever: HybridRetriever,
        memory: ConversationMemory,
        *,
        settings: Settings | None = None,
        options: Options | None = None,
        control: bool = True,
    ) -> None:
        """``control=False`` leaves the extractive answerer out."""
        self.memory = memory
        self._retriever = retriever
        self._settings = settings or get_settings()
        self._options = options or Options()
        self._models: dict[Variant, BaseChatModel] = {}
        self._report: Report | None = None
        self._stop = threading.Event()
        if control:
            embeddings = retriever.embeddings if retriever.vectors is not None else None
            self.add_model(EXTRACTIVE, EXTRACTIVE, ExtractiveChatModel(embeddings=embeddings))

    def add_model(self, provider: str, model: str, llm: BaseChatModel) -> None:
        """Take part with ``llm``. Raises InputError for one that is there already or a name that is none,
        UnknownProviderError.
        """
        label = ":".join(parse_label(f"{provider}:{model}"))
        variant = variant_of(label, self._settings)
        variant = Variant.from_dict({**variant.as_dict(), **_told(llm)})
        if variant in self._models:
            raise InputError(f"{variant.label} já participa.", "Acrescente cada modelo uma vez.")
        self._models[variant] = llm

    def run(self, questions: Sequence[str | Question]) -> list[Measured]:
        """Ask every model every question; what was measured, also saved to ``data/experiments``.

        Ctrl-C keeps what was measured. Raises InputError without models, questions or documents, or on a
        full disk.
        """
        if not self._models:
            raise InputError("Não há modelos a comparar.", "Acrescente um com add_model.")
        asked = [
            Question(f"pergunta-{number}", item) if isinstance(item, str) else item
            for number, item in enumerate(questions, 1)
        ]
        if not asked or not all(question.text.strip() for question in asked):
            raise InputError("Não há perguntas, ou uma está vazia.", "Passe uma lista de textos.")
        if not self._retriever.catalog.documents():
            raise InputError("A base está vazia.", "Rode `melancia ingest` antes.")
        folder = files.folder_of(self._settings)
        session = Session.begin(
            self._parts(),
            folder,
            mode="full",
            variants=list(self._models),
            questions=asked,
            options=self._options,
        )
        self._stop.clear()
        try:
            self._finish(session.measure(self._go_on))
            self._report = session.report()
            files.write(self._report, report_text.results(self._report), folder)
            files.draw(self._report, folder)
        finally:
            session.close()
        return session.answers

    @property
    def report(self) -> Report:
        """The last run. Raises InputError before there is one."""
        if self._report is None:
            raise InputError("Nada foi medido ainda.", "Chame run(perguntas) antes.")
        return self._report

    def print_report(self) -> None:
        """Print the last run, as ``melancia benchmark`` does. Raises InputError before there is one."""
        import typer

        typer.echo(report_text.results(self.report))

    def generate_report(self) -> "pd.DataFrame":
        """The last run, a row an answer, in the columns of the CSV. Raises InputError before there is one."""
        import pandas as pd

        return pd.DataFrame([answer.row() for answer in self.report.answers], columns=list(COLUMNS))

    def _parts(self) -> Parts:
        return Parts(
            settings=self._settings,
            searcher=lambda: self._retriever,
            index_version=lambda: str(self._retriever.catalog.version),
            make_model=lambda variant, _seed: self._models[variant],
            evaluator=Evaluator(LocalEmbeddings(), self._retriever.idf),
        )

    def _go_on(self, _step: Step) -> bool:
        return not self._stop.is_set()

    def _finish(self, work: Coroutine[Any, Any, T]) -> None:
        """Run ``work`` to its end, or until Ctrl-C; in a thread where a loop runs, as in a notebook."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            try:
                asyncio.run(work)
            except KeyboardInterrupt:
                return
            return
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(asyncio.run, work)
            try:
                running.result()
            except KeyboardInterrupt:
                self._stop.set()
                running.result()


def _told(llm: BaseChatModel) -> dict[str, Any]:
    """The fields of a variant that ``llm`` itself says, under the names of its provider's class."""
    # Where only max_tokens is understood, LangChain's own name of the limit is not sent (see llms.factory).
    sent = getattr(llm, "extra_body", None) or {}
    said = {
        "temperature": getattr(llm, "temperature", None),
        "max_tokens": _first(
            getattr(llm, "max_tokens", None), getattr(llm, "num_predict", None), sent.get("max_tokens")
        ),
        "context_window": getattr(llm, "num_ctx", None),
    }
    return {name: value for name, value in said.items() if value is not None}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
