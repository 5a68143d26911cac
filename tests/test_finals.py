"""Hybrid mode as the application has it: a draft, its final answer, and what is remembered of both."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from melancia.agent.draft import Fault
from melancia.app import Runtime
from melancia.errors import InputError
from melancia.mlops import policies
from melancia.mlops.decide.verdict import decide
from melancia.records import (
    Arm,
    AskEvent,
    Feedback,
    Filters,
    Finished,
    FinishReason,
    Interaction,
    Policy,
    PolicyMode,
    Retrieved,
    Token,
    new_id,
)
from melancia.ui import follow_up, render
from tests.standins.ollama import OllamaStandin
from tests.two_models import NAMES, QUESTION, A, B, open_two

DRAFT, FINAL = "Preço e prazo [1].", "Preço final, prazo e reputação [1][2]."


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaStandin]:
    with OllamaStandin(models=list(NAMES)) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def runtime(folder: Path, tmp_path: Path, ollama: OllamaStandin) -> Iterator[Runtime]:
    """The application with a hybrid experiment."""
    ollama.reset()
    ollama.set_script(DRAFT)
    ollama.set_script(FINAL, model="b:1b")
    made = open_two(folder, tmp_path, ollama, rating_prompt=1.0)
    arms = (Arm("A", A), Arm("B", B))
    policies.create(made.store, Policy("dois", arms, "", mode=PolicyMode.HYBRID, reason="ver"))
    yield made
    made.close()


def events_of(asking: Any) -> list[AskEvent]:
    async def collect() -> list[AskEvent]:
        async with aclosing(asking) as events:
            return [event async for event in events]

    return asyncio.run(collect())


def last(events: list[AskEvent]) -> Interaction:
    assert isinstance(events[-1], Finished)
    return events[-1].interaction


def ask(runtime: Runtime, question: str = QUESTION, **more: Any) -> Interaction:
    wanted: dict[str, Any] = {"user": "ana", "conversation": "c", "prompted": True, "reuse": False} | more
    return last(events_of(runtime.assistant.ask(question, **wanted)))


def finish(runtime: Runtime, draft: Interaction) -> Interaction:
    return last(events_of(runtime.finals.ask(draft, Filters())))


def test_the_final_answer_follows_its_draft_in_the_same_conversation(
    runtime: Runtime, ollama: OllamaStandin
) -> None:
    draft = ask(runtime)
    assert (draft.assignment.arm, draft.answer.text) == ("A", DRAFT)
    assert runtime.finals.is_draft(draft)
    events = events_of(runtime.finals.ask(draft, Filters()))
    final = last(events)
    assert isinstance(events[0], Retrieved)
    assert sum(isinstance(event, Token) for event in events) > 3
    assert final.origin is not None
    assert (final.origin.kind.value, final.origin.interaction_id) == ("final", draft.id)
    assert (final.assignment.arm, final.exposure, final.answer.text) == ("B", B, FINAL)
    assert (final.conversation_id, final.question, final.passages) == ("c", QUESTION, draft.passages)
    assert runtime.store.get(final.id) == final
    assert not runtime.finals.is_draft(final)
    said = [one.body["messages"][1:] for one in ollama.requests if one.path == "/api/chat"]
    assert [len(messages) for messages in said] == [1, 1], "the final answer was told its own draft"


def test_later_questions_are_told_the_final_answer_instead_of_the_draft(
    runtime: Runtime, ollama: OllamaStandin
) -> None:
    final = finish(runtime, ask(runtime))
    assert [turn.answer for turn in runtime.store.turns("c", "ana", 5)] == [final.answer.text]
    second = ask(runtime, "E na Amazon?")
    told = next(reversed([one for one in ollama.requests if one.path == "/api/chat"])).body["messages"]
    assert [one["content"] for one in told[1:]] == [QUESTION, FINAL, "E na Amazon?"]
    # A second one to the same draft takes its place; a broken one does not.
    finish(runtime, second)
    again = finish(runtime, second)
    runtime.store.finish(
        replace(
            again, id=new_id(), answer=replace(again.answer, text="X", finish_reason=FinishReason.TIMEOUT)
        )
    )
    assert [turn.answer for turn in runtime.store.turns("c", "ana", 5)] == [FINAL, FINAL]
    assert [turn.question for turn in runtime.store.turns("c", "ana", 1)] == ["E na Amazon?"]


@pytest.mark.parametrize(
    ("says", "found"),
    [
        ("Não cito nada.", Fault.UNCITED),
        ("Não encontrei isso na base.", Fault.REFUSED),
        (DRAFT, None),
    ],
)
def test_a_draft_that_will_not_do_is_due_for_its_final_answer(
    runtime: Runtime, ollama: OllamaStandin, says: str, found: Fault | None
) -> None:
    ollama.set_script(says, model="a:1b")
    assert runtime.finals.due(ask(runtime)) is found


def test_a_draft_model_that_is_down_gives_way_to_the_final_answer(
    runtime: Runtime, ollama: OllamaStandin
) -> None:
    ollama.faults.set(http_500=True, times=1)
    draft = ask(runtime)
    assert draft.fell_back
    assert runtime.finals.due(draft) is Fault.FAILED


def test_a_final_answer_that_fails_leaves_the_draft_and_can_be_asked_for_again(
    runtime: Runtime, ollama: OllamaStandin
) -> None:
    draft = ask(runtime)
    ollama.faults.set(http_500=True, times=1)
    failed = finish(runtime, draft)
    assert (failed.exposure, failed.answer.finish_reason) == (None, FinishReason.ERROR)
    items = runtime.store.conversation("c", "ana")
    assert follow_up.last_draft(items) == draft
    assert [turn.answer for turn in runtime.store.turns("c", "ana", 5)] == [DRAFT]
    assert finish(runtime, draft).answer.text == FINAL
    assert follow_up.last_draft(runtime.store.conversation("c", "ana")) is None


def test_other_modes_and_what_has_no_evidence_have_no_final_answer(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melancia.routes._LASTS", -1.0)
    refused = ask(runtime, "Qual é a capital da Mongólia?")
    assert not runtime.finals.is_draft(refused)
    assert runtime.finals.due(refused) is None
    draft = ask(runtime)
    assert runtime.finals.is_draft(draft)
    policies.pause(runtime.store, "dois", "ana", "cara", "B")
    assert not runtime.finals.is_draft(draft)
    with pytest.raises(InputError, match="não tem mais"):
        finish(runtime, draft)


def test_both_are_rated_apart_and_the_verdict_names_no_winner(runtime: Runtime) -> None:
    draft = ask(runtime)
    final = finish(runtime, draft)
    ask(runtime, "O que é ACOS?", user="bia", conversation="d")
    runtime.store.rate(Feedback(draft.id, "ana", thumb=-1))
    runtime.store.rate(Feedback(final.id, "ana", thumb=1))
    found = decide(policies.newest(runtime.store, "dois"), runtime.store.outcomes.of("dois"))
    assert found.status == "described"
    assert (found.comparisons[0].pairs, found.comparisons[0].asked) == (1, 2)
    assert {arm.arm: (arm.questions, arm.up, arm.ratings) for arm in found.arms} == {
        "A": (1, 0, 1),
        "B": (1, 1, 1),
    }


def test_the_conversation_shows_both_and_says_which_is_which(runtime: Runtime) -> None:
    draft = ask(runtime)
    finish(runtime, draft)
    runtime.store.rate(Feedback(draft.id, "ana", thumb=-1))
    items = runtime.store.conversation("c", "ana")
    messages, thumbs = render.conversation(items, blind=False)
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant"]
    assert messages[2]["content"] == render.FINAL_WANTED
    assert "Rascunho de ollama:a:1b" in messages[1]["content"]
    assert "Resposta final de ollama:b:1b" in messages[3]["content"]
    assert thumbs == ["Dislike", None]
    blind = render.conversation(items, blind=True)[0]
    assert "ollama" not in str([message["content"] for message in blind])
    assert ("Rascunho" in blind[1]["content"], "Resposta final" in blind[3]["content"]) == (True, True)
    assert all(render.is_final_message(messages[place]["content"]) is (place == 2) for place in (0, 2))


def test_what_the_rule_asked_for_is_said_to_be_automatic(runtime: Runtime, ollama: OllamaStandin) -> None:
    ollama.set_script("Não cito nada.", model="a:1b")
    finish(runtime, ask(runtime))
    messages, _ = render.conversation(runtime.store.conversation("c", "ana"), blind=False)
    assert messages[2]["content"] == "Resposta final automática: o rascunho não citou fontes."


def test_who_is_asked_for_a_rating_is_recorded_with_the_answer(runtime: Runtime) -> None:
    """All of them here: the share is 1."""
    asked = ask(runtime)
    assert runtime.store.get(asked.id).asked
    assert follow_up.prompted(runtime.store.conversation("c", "ana")) == asked
    (outcome,) = runtime.store.outcomes.of("dois")
    assert outcome.asked
    # Whoever does not show the prompt did not ask.
    assert not ask(runtime, prompted=False, conversation="d").asked
    # What was given before has no part in the statistics, and nobody is asked about it.
    ask(runtime, "O que é ACOS?", conversation="e", reuse=True)
    again = ask(runtime, "O que é ACOS?", conversation="f", reuse=True)
    assert again.origin is None or not again.asked
    runtime.store.rate(Feedback(asked.id, "ana", thumb=1))
    assert follow_up.prompted(runtime.store.conversation("c", "ana")) is None
