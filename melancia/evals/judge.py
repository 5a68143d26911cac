"""An optional judge: a chat model of any provider that says how good an answer is, or which of two is better.

Its word is kept beside the metrics and never mixed into them, and is worth what ``agreement`` finds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from melancia.errors import InputError, ProviderError, ProviderResponseError
from melancia.evals.case import Case
from melancia.evals.judge_prompt import PromptTooLongError, again, choice_messages, judgement_messages
from melancia.evals.judge_reply import Choice, Judgement, UnusableReplyError, read, schema
from melancia.llms import translate_error
from melancia.records import Usage

__all__ = ["Judge", "Judgement", "Preference"]

# What servers answer to a request for JSON that they cannot honour; a true fault fails without it too.
_REFUSED = frozenset({400, 415, 422, 501})
_ABOUT_JSON = re.compile(r"format|grammar|schema", re.I)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two answers is better. Not ``consistent``: the choice changed with the order, hence a tie."""

    winner: Literal["a", "b", "tie"]
    consistent: bool
    reason: str


class Judge:
    """Asks ``model``, named ``label`` (``provider:model``), at most ``attempts`` times for one judgement.

    ``context_window`` in tokens; where it is not given, what the model itself says (``num_ctx`` of Ollama),
    else sources are never cut. JSON is asked for in the provider's own way until a server refuses that. One
    judge may be asked concurrently. Raises InputError for bad arguments and for the extractive answerer,
    which cannot judge.
    """

    def __init__(
        self, model: BaseChatModel, label: str, *, attempts: int = 3, context_window: int | None = None
    ) -> None:
        if attempts < 1:
            raise InputError("O juiz precisa de ao menos uma tentativa.", "Informe 1 ou mais.")
        if model._llm_type == "extractive":
            raise InputError(
                "O respondedor extrativo não julga respostas.",
                "Escolha um modelo de linguagem como juiz; veja `melancia models`.",
            )
        self.model = model
        self.label = label
        self.attempts = attempts
        self.context_window = context_window or getattr(model, "num_ctx", None)
        self.usage = Usage()
        """Tokens of all that was asked so far, tries that were in vain included."""
        provider, _, name = label.partition(":")
        self._who = (provider, name or provider)
        self._plain = False

    async def score(self, case: Case) -> Judgement:
        """How good the answer of ``case`` is.

        Raises a ProviderError: as the provider failed, or ProviderResponseError when no valid judgement came
        in ``attempts`` or the case does not fit the context window.
        """
        try:
            messages = judgement_messages(case, self.context_window)
        except PromptTooLongError as error:
            raise self._too_long() from error
        return await self._ask(messages, Judgement)

    async def compare(self, case_a: Case, case_b: Case) -> Preference:
        """Which of two answers to one question is better. Asked twice, the second time in the other order:
        models favour a place (Zheng et al. 2023, arXiv 2306.05685). Raises as ``score``, and InputError when
        the questions differ.
        """
        if (case_a.question, case_a.history) != (case_b.question, case_b.history):
            raise InputError("O juiz só compara respostas à mesma pergunta.", "Confira os pares.")
        try:
            orders = [
                choice_messages(first, second, self.context_window)
                for first, second in ((case_a, case_b), (case_b, case_a))
            ]
        except PromptTooLongError as error:
            raise self._too_long() from error
        # One after the other: a local model answers one question at a time.
        straight, swapped = [await self._ask(messages, Choice) for messages in orders]
        names: dict[str, Literal["a", "b", "tie"]] = {"first": "a", "second": "b", "tie": "tie"}
        other = {"first": "second", "second": "first", "tie": "tie"}
        if straight.preference == other[swapped.preference]:
            return Preference(names[straight.preference], True, straight.reason)
        return Preference(
            "tie", False, f"Mudou com a ordem. Antes: {straight.reason} Depois: {swapped.reason}"
        )

    async def _ask(self, messages: Sequence[BaseMessage], shape: type[T]) -> T:
        talk, problem = messages, ""
        for _ in range(self.attempts):
            reply = await self._reply(talk, shape)
            try:
                return read(reply, shape)
            except UnusableReplyError as error:
                problem = str(error)
                talk = again(messages, reply, problem)
        tries = "1 tentativa" if self.attempts == 1 else f"{self.attempts} tentativas"
        raise ProviderResponseError(
            *self._who,
            f"O juiz {self.label} não deu um julgamento válido em {tries}: {problem}.",
            "Escolha um modelo maior como juiz.",
        )

    async def _reply(self, talk: Sequence[BaseMessage], shape: type[Any]) -> str:
        """The model's text: as JSON in the provider's way, or plainly where that was refused before."""
        options = {} if self._plain else _json_options(self.model, shape)
        try:
            return await self._invoke(talk, options)
        except ProviderError as error:
            if not options or not _refuses_json(error):
                raise
        text = await self._invoke(talk, {})
        self._plain = True
        return text

    async def _invoke(self, talk: Sequence[BaseMessage], options: dict[str, Any]) -> str:
        try:
            message = await self.model.ainvoke(list(talk), **options)
        except ProviderError:
            raise
        except Exception as error:
            completion = _cut_completion(error)
            if completion is None:
                raise translate_error(*self._who, error) from error
            self._count(
                completion.usage and (completion.usage.prompt_tokens, completion.usage.completion_tokens)
            )
            return completion.choices[0].message.content or ""
        counted = message.usage_metadata
        self._count(counted and (counted["input_tokens"], counted["output_tokens"]))
        return str(message.text)

    def _count(self, tokens: tuple[int, int] | None) -> None:
        if tokens:
            known = (self.usage.prompt_tokens or 0, self.usage.completion_tokens or 0)
            self.usage = Usage(known[0] + tokens[0], known[1] + tokens[1])

    def _too_long(self) -> ProviderResponseError:
        return ProviderResponseError(
            *self._who,
            f"A resposta a julgar não cabe na janela de contexto do juiz {self.label}, nem sem as fontes.",
            "Escolha um juiz de janela maior.",
        )


def _json_options(model: BaseChatModel, shape: type[Any]) -> dict[str, Any]:
    """How this kind of model is asked for JSON; {} where there is no way. Classes are known by name, so that
    no provider's library is loaded for this.
    """
    names = {kind.__name__ for kind in type(model).__mro__}
    if "ChatOllama" in names:
        return {"format": schema(shape)}
    if "BaseChatOpenAI" in names:
        wanted = {"name": shape.__name__, "schema": schema(shape), "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": wanted}}
    return {}


def _refuses_json(error: ProviderError) -> bool:
    cause = error.__cause__
    status = getattr(cause, "status_code", None)
    return status in _REFUSED or (status == 500 and bool(_ABOUT_JSON.search(str(cause))))


def _cut_completion(error: Exception) -> Any:
    """The answer up to the token limit, which OpenAI's client calls an error when JSON was asked for."""
    return getattr(error, "completion", None) if type(error).__name__ == "LengthFinishReasonError" else None
