"""Asks every model the same questions, the way users ask, and measures.

Each question goes through the assistant itself: search, prompt, generation. No fallback speaks for a model,
nothing is recorded among the interactions of users, and no question remembers another. A model is warmed up
first, which is not counted: loading it is not its latency.
"""

import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from melancia.agent.assistant import Assistant
from melancia.agent.generator import Generation, MakeModel, generate
from melancia.agent.prompt import build_messages
from melancia.agent.retriever import HybridRetriever
from melancia.errors import MelanciaError
from melancia.experiments.questions import WARM_UP, Question
from melancia.experiments.results import Measured, failed, measured
from melancia.llms import ModelCard, list_models, resolve_variant
from melancia.llms.ollama import is_cloud
from melancia.records import AskEvent, Finished, Interaction, Retrieved, Turn, Variant, new_id
from melancia.settings import Settings

_NOBODY = "benchmark"
_ORDER = ("extractive", "ollama", "openai", "huggingface")  # the control, own machines, what costs money

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """Where a benchmark stands: before ``question`` of ``questions`` is asked (0: warming the model up), or
    after it, with its ``answer``. ``done`` of ``total`` answers are there, over all models.
    """

    variant: Variant
    question: int
    questions: int
    done: int
    total: int
    answer: Measured | None = None


Watch = Callable[[Step], bool]
"""Told of each step; says whether to go on."""


def candidates(settings: Settings) -> list[ModelCard]:
    """Every known model, usable or not, by provider, the control first; asks the servers what they have.

    Models that Ollama runs on its cloud are left out: nobody chose to send the questions there.
    """
    cards = [card for card in list_models(settings) if card.provider != "ollama" or not is_cloud(card.model)]
    return sorted(cards, key=lambda card: _ORDER.index(card.provider))


def variant_of(card: ModelCard, settings: Settings) -> Variant:
    """The variant in which users would meet the model."""
    return resolve_variant(settings.model_copy(update={"variant": card.label}))


class Benchmark:
    """One run. ``answers`` grows as it goes, so that an interruption keeps what was measured."""

    def __init__(
        self,
        *,
        settings: Settings,
        retriever: Callable[[], HybridRetriever],
        index_version: Callable[[], str],
        make_model: MakeModel,
    ) -> None:
        self._settings = settings
        self._retriever = retriever
        self._index_version = index_version
        self._make_model = make_model
        self.answers: list[Measured] = []

    async def run(self, variants: Sequence[Variant], questions: Sequence[Question], watch: Watch) -> bool:
        """Ask every variant every question, in order; False when ``watch`` said to stop.

        A model's failure is a record, never an exception.
        """
        total = len(variants) * len(questions)
        for variant in variants:
            if not watch(Step(variant, 0, len(questions), len(self.answers), total)):
                return False
            await self._warm_up(variant)
            for number, question in enumerate(questions, 1):
                if not watch(Step(variant, number, len(questions), len(self.answers), total)):
                    return False
                answer = await self._ask(variant, question)
                self.answers.append(answer)
                if not watch(Step(variant, number, len(questions), len(self.answers), total, answer)):
                    return False
        return True

    async def _warm_up(self, variant: Variant) -> None:
        """Load what a first question loads, up to the first token. A failure will show in the questions."""
        # Loading a large model may take longer than any first token should.
        patient = self._settings.model_copy(update={"first_token_timeout": self._settings.total_timeout})
        try:
            passages = self._retriever().search(WARM_UP, variant.k).passages
            messages = build_messages(variant.prompt_version, WARM_UP, passages, [])
            stream = generate(Generation(), messages, [variant], self._make_model, patient)
            async with aclosing(stream) as events:
                async for _ in events:
                    break
        except MelanciaError as error:
            logger.warning("warm-up of %s failed: %s", variant.label, error)
        except Exception:
            logger.warning("warm-up of %s failed", variant.label, exc_info=True)

    async def _ask(self, variant: Variant, question: Question) -> Measured:
        begun = time.monotonic()
        assistant = Assistant(
            settings=self._settings,
            recorder=_Unrecorded(question.history),
            retriever=self._retriever,
            index_version=self._index_version,
            choose=lambda _wanted: [variant],
            make_model=self._make_model,
        )
        asking = assistant.ask(question.text, user=_NOBODY, conversation=new_id())
        try:
            interaction, mode = await _end_of(asking)
        except MelanciaError as error:
            return failed(variant, question.id, question.text, str(error), time.monotonic() - begun)
        except Exception as error:
            logger.exception("%s failed on %s", variant.label, question.id)
            reason = f"Falha inesperada ({type(error).__name__}); veja os registros."
            return failed(variant, question.id, question.text, reason, time.monotonic() - begun)
        return measured(variant, question.id, interaction, mode, time.monotonic() - begun)


async def _end_of(asking: AsyncGenerator[AskEvent, None]) -> tuple[Interaction, str]:
    mode = ""
    async with aclosing(asking) as events:
        async for event in events:
            if isinstance(event, Retrieved):
                mode = event.mode
            elif isinstance(event, Finished):
                return event.interaction, mode
    raise RuntimeError("the assistant ended without its last event")


class _Unrecorded:
    """A recorder that keeps nothing and remembers only the turns that a question comes with."""

    def __init__(self, history: Sequence[Turn]) -> None:
        self._history = history

    def start(self, interaction: Interaction) -> None:
        """Nothing: users' interactions are not mixed with a benchmark's."""

    def checkpoint(self, interaction_id: str, partial_text: str) -> None:
        """Nothing."""

    def finish(self, interaction: Interaction) -> None:
        """Nothing."""

    def turns(self, conversation_id: str, user_id: str, limit: int) -> list[Turn]:
        """The question's own history."""
        return list(self._history)[-limit:]
