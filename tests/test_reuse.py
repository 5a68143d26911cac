"""Answers given again, through the application as it is wired: real index, real cache, real store."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from melancia.app import Runtime
from melancia.records import (
    Arm,
    AskEvent,
    Feedback,
    Finished,
    Interaction,
    OriginKind,
    Policy,
    Retrieved,
    Token,
    Variant,
    new_id,
)
from melancia.settings import load_settings
from melancia.ui import render
from tests.conftest import KNOWLEDGE
from tests.standins.ollama import OllamaStandin

QUESTION = "Como ganho a buy box no Mercado Livre?"
SAME = "como eu ganho a buybox no mercado livre"
OTHER = "Como ganho a buy box na Amazon?"


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaStandin]:
    with OllamaStandin(models=["llama3.2:3b"]) as server:
        server.set_script("A buy box depende de preço e prazo [1].")
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def runtime(folder: Path, ollama: OllamaStandin) -> Iterator[Runtime]:
    made = opened(folder, ollama)
    yield made
    made.close()


def opened(folder: Path, ollama: OllamaStandin, **changes: Any) -> Runtime:
    """The application in ``folder``, its vectors computed."""
    settings = load_settings(
        _env_file=None,
        **{
            "data_dir": folder,
            "knowledge_dir": KNOWLEDGE,
            "variant": "ollama:llama3.2:3b",
            "ollama_base_url": ollama.url,
            **changes,
        },
    )
    made = Runtime.open(settings)
    made.index.ensure_ingested()
    made.index.compute_vectors()
    if made.cache is not None:
        assert made.cache.ready()
    return made


def ask(runtime: Runtime, question: str, **more: Any) -> tuple[Interaction, list[AskEvent]]:
    """The finished interaction and all events. What is kept is kept when this returns."""

    async def collect() -> list[AskEvent]:
        wanted: dict[str, Any] = {"user": "ana", "conversation": new_id()} | more
        async with aclosing(runtime.assistant.ask(question, **wanted)) as events:
            return [event async for event in events]

    events = asyncio.run(collect())
    last = events[-1]
    assert isinstance(last, Finished)
    return last.interaction, events


def test_the_same_question_is_answered_again_without_a_model(runtime: Runtime, ollama: OllamaStandin) -> None:
    first, _ = ask(runtime, QUESTION)
    asked = len(ollama.requests)
    again, events = ask(runtime, f" {QUESTION.lower()} ", user="bia")
    assert len(ollama.requests) == asked
    assert isinstance(events[0], Retrieved)
    assert [event.text for event in events if isinstance(event, Token)] == [first.answer.text]
    assert again.origin is not None
    assert (again.origin.kind, again.origin.interaction_id) == (OriginKind.EXACT, first.id)
    assert (again.user_id, again.passages, again.exposure) == ("bia", first.passages, first.exposure)
    assert (again.answer.text, again.answer.citations) == (first.answer.text, first.answer.citations)
    # Nobody spoke: no time, no token, no cost.
    assert again.answer.cost == 0.0
    assert (again.answer.total_time, again.answer.time_to_first_token) == (None, None)
    assert again.answer.usage.total is None
    assert runtime.store.get(again.id) == again
    assert "reaproveitada" in render.answer_markdown(again, blind=False)


def test_a_question_that_asks_the_same_hits_and_another_marketplace_does_not(runtime: Runtime) -> None:
    ask(runtime, QUESTION)
    same, _ = ask(runtime, SAME)
    assert same.origin is not None
    assert same.origin.kind is OriginKind.SEMANTIC
    other, _ = ask(runtime, OTHER)
    assert other.origin is None


def test_who_wants_a_new_answer_gets_one(runtime: Runtime) -> None:
    ask(runtime, QUESTION)
    assert ask(runtime, QUESTION, reuse=False)[0].origin is None
    wanted = Variant("ollama", "llama3.2:3b", temperature=0.9)
    assert ask(runtime, QUESTION, variant=wanted)[0].origin is None


def test_an_answer_in_a_conversation_is_a_new_one(runtime: Runtime) -> None:
    ask(runtime, QUESTION)
    talk = new_id()
    ask(runtime, "O que é ACOS?", conversation=talk)
    assert ask(runtime, QUESTION, conversation=talk)[0].origin is None


def test_a_thumb_down_on_a_copy_ends_the_original(runtime: Runtime) -> None:
    question = "Qual é a diferença entre ACOS e TACOS?"
    ask(runtime, question)
    again, _ = ask(runtime, question, user="bia")
    assert again.origin is not None
    runtime.store.rate(Feedback(again.id, "bia", thumb=-1))
    third, _ = ask(runtime, question, user="caio")
    assert third.origin is None


def test_reused_answers_are_no_outcomes_of_an_experiment(runtime: Runtime) -> None:
    arms = tuple(
        Arm(name, Variant("ollama", "llama3.2:3b", temperature=value))
        for name, value in (("A", 0.1), ("B", 0.2))
    )
    runtime.store.policies.add(Policy("cache", arms, salt="s", author="teste", reason="teste"), None)
    question = "O que é Retail Media?"
    time.sleep(1.1)  # as long as the running policy is kept
    first, _ = ask(runtime, question, user="dora")
    again, _ = ask(runtime, question, user="dora")
    assert first.assignment.experiment == "cache"
    assert again.origin is not None
    assert again.assignment.arm == first.assignment.arm
    found = [outcome.interaction_id for outcome in runtime.store.outcomes.of("cache")]
    assert found == [first.id]
    assert again.id not in [one.id for one in runtime.store.outcomes.unscored(100)]


def test_kept_answers_outlive_the_process(folder: Path, ollama: OllamaStandin) -> None:
    one = opened(folder, ollama, variant="extractive")
    first, _ = ask(one, "O que é buy box?", user="eva")
    one.close()
    two = opened(folder, ollama, variant="extractive")
    again, _ = ask(two, "O que é buy box?", user="fred")
    two.close()
    assert again.origin is not None
    assert again.origin.interaction_id == first.id


def test_without_the_cache_every_answer_is_a_new_one(folder: Path, ollama: OllamaStandin) -> None:
    without = opened(folder, ollama, cache=False)
    ask(without, QUESTION)
    assert ask(without, QUESTION)[0].origin is None
    without.close()
