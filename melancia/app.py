"""Wires the parts together. The doors (CLI, page) get a ``Runtime`` and nothing else."""

import asyncio
import threading
import time
from typing import Self
from weakref import WeakKeyDictionary

from langchain_core.language_models import BaseChatModel

from melancia.agent.assistant import Assistant
from melancia.agent.beside import Beside
from melancia.agent.cache import AnswerCache, open_cache
from melancia.embeddings.later import LaterEmbeddings
from melancia.finals import Finals
from melancia.ingest_runner import IngestRunner
from melancia.jobs import JobControl, job_control
from melancia.knowledge_base import KnowledgeIndex
from melancia.llms import capabilities, create_chat_model, fallback_variants, resolve_variant, variant_options
from melancia.llms.breaker import Breaker
from melancia.llms.extractive import ExtractiveChatModel
from melancia.masking.providers import masked_providers
from melancia.mlops.seeding import seed
from melancia.records import Interaction, Variant
from melancia.routes import Routes
from melancia.settings import Settings
from melancia.shadows import Shadows
from melancia.store import Store
from melancia.telemetry.observer import Telemetry

_CHOICE_LASTS = 30.0  # seconds that an automatic choice of model is kept: it asks the network


class Models:
    """Which variant answers, and the chat models that speak for them."""

    def __init__(self, settings: Settings, index: KnowledgeIndex) -> None:
        self._settings = settings
        self._index = index
        self._choosing = threading.Lock()
        self._chosen: tuple[float, Variant] | None = None
        # A provider's client belongs to the event loop in which it opened its connections.
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, BaseChatModel]] = (
            WeakKeyDictionary()
        )

    def current(self) -> Variant:
        """Who answers now. May ask Ollama; the reply is kept for half a minute."""
        with self._choosing:
            if self._chosen is None or time.monotonic() - self._chosen[0] > _CHOICE_LASTS:
                self._chosen = (time.monotonic(), resolve_variant(self._settings))
            return self._chosen[1]

    def chain(self) -> list[Variant]:
        """Who answers outside experiments, then the fallbacks; the extractive answerer is always the last."""
        first = self.current()
        return [first, *fallback_variants(self._settings, first)]

    def make(self, variant: Variant, seed: int | None = None) -> BaseChatModel:
        """The chat model of ``variant``, one a loop; with ``seed`` where its provider takes one."""
        if variant.provider == "extractive":
            hybrid = self._index.retriever.vectors is not None
            # The last reserve asks no server: it would fail with the one whose failure it makes up for.
            near = hybrid and self._index.embedding_model.startswith("local:")
            return ExtractiveChatModel(embeddings=self._index.embeddings if near else None)
        made = self._made.setdefault(asyncio.get_running_loop(), {})
        options = variant_options(variant)
        if seed is not None and "seed" in capabilities(variant.provider).options:
            options["seed"] = seed
        key = f"{variant.hash}:{options.get('seed')}"
        if key not in made:
            made[key] = create_chat_model(variant.provider, variant.model, self._settings, **options)
        return made[key]


class Runtime:
    """Everything that a door needs, opened once a process."""

    def __init__(self, settings: Settings, store: Store, index: KnowledgeIndex) -> None:
        self.settings = settings
        self.store = store
        self.index = index
        self.ingests = IngestRunner(index)
        self.models = Models(settings, index)
        self.breaker = Breaker()
        self.telemetry = Telemetry(settings)
        self.routes = Routes(settings, store, self.models.current)
        self._starting_jobs = threading.Lock()
        self._jobs: JobControl | None = None
        self.cache = self._open_cache() if settings.cache else None
        self.finals = Finals(store, self.routes.final, self._beside(self.breaker))
        # A failure that nobody sees must not keep a provider away from users: no breaker.
        self.shadows = Shadows(settings, store, self.routes.challengers, self._beside(None))
        self.assistant = Assistant(
            settings=settings,
            recorder=self.telemetry.watch(store),
            retriever=lambda: index.retriever,
            index_version=lambda: index.version,
            route=self.routes.route,
            make_model=self.models.make,
            breaker=self.breaker,
            cache=self.cache,
            watcher=self.shadows,
        )

    @classmethod
    def open(cls, settings: Settings, *, index_in_background: bool = False) -> Self:
        """Open the store and the index; read the documents if none was read yet.

        With ``index_in_background`` the documents are brought up to date and the vectors computed in a
        thread, while lexical search answers. Raises StoreError, KnowledgeError; SettingsError when
        MELANCIA_MASK_PROVIDERS names no provider.
        """
        masked_providers(settings)  # now, not at the first question
        store = Store.open(settings.store_url)
        try:
            index = KnowledgeIndex(settings)
            if index_in_background:
                index.start_updating()
            elif not index.progress().documents:
                index.ensure_ingested()
        except BaseException:
            store.close()
            raise
        return cls(settings, store, index)

    def _beside(self, breaker: Breaker | None) -> Beside:
        """What lets an arm answer what another one answered."""
        return Beside(
            settings=self.settings,
            recorder=self.telemetry.watch(self.store),
            retriever=lambda: self.index.retriever,
            index_version=lambda: self.index.version,
            make_model=self.models.make,
            breaker=breaker,
        )

    def _open_cache(self) -> AnswerCache:
        settings, index = self.settings, self.index
        return open_cache(
            settings.answers_dir,
            settings.embedding_model,
            LaterEmbeddings(lambda: index.embeddings),
            self._servable,
            server=settings.chroma_url,
        )

    def _servable(self, interaction_id: str) -> Interaction | None:
        """An answer that may be given again: nobody's thumb is down on it."""
        return None if self.store.disliked(interaction_id) else self.store.get(interaction_id)

    def start_experiments(self) -> None:
        """Begin the experiment that the settings name, if there never was one; from now on, shadows answer.

        Raises SettingsError, InputError, StoreError.
        """
        seed(self.settings, self.store)
        self.shadows.start()

    def start_jobs(self) -> None:
        """See to the jobs that an earlier process left behind, instead of at first use. Raises JobError."""
        _ = self.jobs

    @property
    def jobs(self) -> JobControl:
        """Whoever starts jobs, made on first use: a command that starts none has none. Raises JobError."""
        with self._starting_jobs:
            if self._jobs is None:
                self._jobs = job_control(self.settings, self.store)
            return self._jobs

    def close(self) -> None:
        """Stop the background work, release the index and the store."""
        self.shadows.close()
        if self._jobs is not None:
            self._jobs.close()
        self.index.stop()
        self.ingests.close()
        if self.cache is not None:
            self.cache.close()
        self.index.close()
        self.store.close()
        self.telemetry.close()
