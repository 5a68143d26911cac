"""The assistant's own overhead: time to first token against the same chain in plain LangChain.

Both use the same retriever over data/knowledge and the same instant scripted model; the assistant also
reads the history, resolves follow-ups, weighs the evidence, checks citations and records everything in
SQLite. The two take turns, round by round, so that the machine's moods fall on both.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from melancia.agent.assistant import Assistant
from melancia.agent.prompt_files import load_prompt
from melancia.agent.router import Route
from melancia.knowledge_base import KnowledgeIndex
from melancia.records import Assignment, Finished, FinishReason, Token, Variant, new_id
from melancia.settings import load_settings
from melancia.store import Store

USERS = (1, 10, 50)
ROUNDS = 40  # at one user; fewer at more users, each with as many questions at once
REPLY = "O ACOS é o gasto em anúncios dividido pela receita atribuída a eles [1]. ".split(" ")
QUESTIONS = (
    "O que é ACOS?",
    "Como ganho a buy box no Mercado Livre?",
    "Meu ACOS subiu, o que eu olho primeiro?",
    "Como funcionam os tipos de correspondência na Amazon?",
    "Vale a pena usar o Full?",
)
VARIANT = Variant("extractive", "bench", context_window=None)


class Instant(BaseChatModel):
    """Says the same words at once."""

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(" ".join(REPLY)))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in REPLY:
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))


Ask = Callable[[str, str], Awaitable[float]]


def plain(index: KnowledgeIndex) -> Ask:
    """The chain as LangChain's own guide writes it; returns seconds to the first token."""

    def sources(documents: list[Document]) -> str:
        return "\n\n".join(f"[{n}] {item.page_content}" for n, item in enumerate(documents, 1))

    prompt = ChatPromptTemplate.from_messages([("system", load_prompt("v1")), ("human", "{question}")])
    chain = {"sources": index.retriever | sources, "question": RunnablePassthrough()} | prompt | Instant()

    async def ask(question: str, _user: str) -> float:
        started, first = time.perf_counter(), 0.0
        async for chunk in chain.astream(question):
            if chunk.text and not first:
                first = time.perf_counter() - started
        return first

    return ask


def ours(index: KnowledgeIndex, store: Store, settings: Any) -> Ask:
    """Assistant.ask; returns seconds to the first token. Raises RuntimeError when an answer fails."""
    assistant = Assistant(
        settings=settings,
        recorder=store,
        retriever=lambda: index.retriever,
        index_version=lambda: index.version,
        route=lambda _wanted, _user: Route(Assignment(VARIANT), (VARIANT,)),
        make_model=lambda _variant: Instant(),
    )

    async def ask(question: str, user: str) -> float:
        started, first = time.perf_counter(), 0.0
        async for event in assistant.ask(question, user=user, conversation=new_id()):
            if isinstance(event, Token) and not first:
                first = time.perf_counter() - started
            elif isinstance(event, Finished):
                answer = event.interaction.answer
                if answer.refused or answer.finish_reason is not FinishReason.STOP:
                    raise RuntimeError(f"bad answer to {question!r}")
        return first

    return ask


async def measure(systems: dict[str, Ask], users: int) -> dict[str, tuple[list[float], int]]:
    """For each system: seconds to the first token of each question, and how many failed."""
    measured: dict[str, tuple[list[float], int]] = {name: ([], 0) for name in systems}
    for round_ in range(max(4, ROUNDS // users)):
        order = list(systems.items())
        for name, ask in order if round_ % 2 else reversed(order):
            batch = [ask(QUESTIONS[(round_ + n) % len(QUESTIONS)], f"u{n}") for n in range(users)]
            for result in await asyncio.gather(*batch, return_exceptions=True):
                times, failures = measured[name]
                if isinstance(result, BaseException):
                    measured[name] = (times, failures + 1)
                else:
                    times.append(result)
    return measured


async def main() -> int:
    """Print the table; 1 when a floor of the issue is missed."""
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(_env_file=None, data_dir=Path(folder))
        index = KnowledgeIndex(settings)
        index.ensure_ingested()
        print(f"Preparando o índice ({index.progress().chunks} trechos)…", flush=True)
        index.compute_vectors()
        store = Store.open(settings.store_url)
        systems = {"LangChain puro": plain(index), "MelâncIA": ours(index, store, settings)}
        await measure(systems, 2)  # warm-up
        print("Tempo até o primeiro token, modelo instantâneo (ms)")
        head = f"{'usuários':>8}  {'sistema':<15} {'p50':>8} {'p95':>8} {'perguntas':>10} {'falhas':>7}"
        print(f"{head} {'razão':>6}")
        for users in USERS:
            measured = await measure(systems, users)
            base = float(np.percentile(measured["LangChain puro"][0], 50))
            for name, (times, failures) in measured.items():
                p50, p95 = (1000 * float(np.percentile(times, q)) for q in (50, 95))
                ratio = p50 / 1000 / base
                row = f"{users:>8}  {name:<15} {p50:>8.1f} {p95:>8.1f} {len(times):>10} {failures:>7}"
                print(f"{row} {ratio:>6.2f}")
                missed += failures > 0 or (users == 1 and ratio > 1.2)
        store.close()
        index.close()
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
