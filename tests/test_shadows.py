"""Shadow mode as the application has it: real index, real store, models behind real HTTP.

No user is slowed, nothing of a user's is lost, and what nobody saw is nowhere to be seen.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from melancia import shadows
from melancia.agent.beside import CONVERSATION
from melancia.app import Runtime
from melancia.errors import InteractionNotFoundError
from melancia.mlops import policies
from melancia.mlops.decide.verdict import decide
from melancia.records import (
    Arm,
    Feedback,
    Finished,
    FinishReason,
    Interaction,
    OriginKind,
    Policy,
    PolicyMode,
    Variant,
    new_id,
    utc_now,
)
from melancia.shadows import Shadows
from tests.standins.ollama import Message, OllamaStandin, Outcome
from tests.standins.ollama.backends import Scripted
from tests.two_models import NAMES, QUESTION, A, B, open_two

SHORT = "Preço e prazo [1]."
# 40 s at the server's pace, which nobody waits for: whoever interrupts it may be held up for long.
WORDS = 2000
LONG = "palavra " * WORDS + "[1]."


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaStandin]:
    """Both models on one server, at 50 words a second."""
    with OllamaStandin(Scripted(token_delay=0.02), models=list(NAMES)) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def runtime(
    folder: Path,
    tmp_path: Path,
    ollama: OllamaStandin,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Runtime]:
    """The application with shadows at work, its store fresh."""
    monkeypatch.setattr(shadows, "_QUIET", 0.05)
    ollama.reset()
    ollama.set_script(SHORT)
    made = open_two(folder, tmp_path, ollama, cache=False, total_timeout=120)
    made.start_experiments()
    yield made
    ollama.faults.clear()
    made.close()


def begun(runtime: Runtime, **changes: Any) -> Policy:
    """A shows, B answers out of sight."""
    whole = Policy("sombra", (Arm("A", A), Arm("B", B)), "", mode=PolicyMode.SHADOW, reason="ver")
    return policies.create(runtime.store, replace(whole, **changes))


async def asking(runtime: Runtime, question: str = QUESTION, **more: Any) -> Interaction:
    wanted: dict[str, Any] = {"user": "ana", "conversation": new_id()} | more
    async with aclosing(runtime.assistant.ask(question, **wanted)) as events:
        async for event in events:
            if isinstance(event, Finished):
                return event.interaction
    raise AssertionError("no last event")


def ask(runtime: Runtime, question: str = QUESTION, **more: Any) -> Interaction:
    return asyncio.run(asking(runtime, question, **more))


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def of_b(runtime: Runtime) -> list[Interaction]:
    """What B said, oldest first."""
    rows = runtime.store.outcomes.of("sombra")
    return [runtime.store.get(row.interaction_id) for row in rows if row.arm == "B"]


def requests(ollama: OllamaStandin, model: str | None = None) -> list[Any]:
    """Those for an answer, of one model or of both."""
    found = [one for one in ollama.requests if one.path == "/api/chat"]
    return [one for one in found if model in (None, (one.body or {}).get("model"))]


def test_the_other_arm_answers_the_same_question_from_the_same_passages(runtime: Runtime) -> None:
    begun(runtime)
    shown = ask(runtime)
    until(lambda: runtime.shadows.counts.answered == 1)
    (made,) = of_b(runtime)
    assert made.origin is not None
    assert (made.origin.kind, made.origin.interaction_id) == (OriginKind.SHADOW, shown.id)
    assert (made.question, made.user_id, made.passages) == (QUESTION, "ana", shown.passages)
    assert (made.assignment.arm, made.assignment.policy) == ("B", shown.assignment.policy)
    assert (made.exposure, made.answer.text, made.asked) == (B, SHORT, False)
    # The search that it was spared is in its time, as in the other one's.
    assert made.retrieval_time == shown.retrieval_time
    assert (made.answer.total_time or 0) > (shown.retrieval_time or 0)
    comparison = decide(policies.newest(runtime.store, "sombra"), runtime.store.outcomes.of("sombra"))
    assert (comparison.comparisons[0].pairs, comparison.comparisons[0].asked) == (1, 1)
    assert shown.id not in [one.id for one in runtime.store.outcomes.unscored(1)] or made.id


def test_what_nobody_saw_is_in_no_conversation_and_cannot_be_rated(runtime: Runtime) -> None:
    begun(runtime)
    shown = ask(runtime)
    until(lambda: runtime.shadows.counts.answered == 1)
    (made,) = of_b(runtime)
    store = runtime.store
    assert made.conversation_id.startswith(CONVERSATION)
    assert store.latest_conversation("ana") == shown.conversation_id
    assert [one.id for one, _ in store.conversation(shown.conversation_id, "ana")] == [shown.id]
    assert len(store.turns(shown.conversation_id, "ana", 5)) == 1
    assert store.counts()["interactions"] == 1
    usage = store.document_usage(utc_now() - timedelta(days=1))
    assert {count for count, _ in usage.values()} == {1}
    with pytest.raises(InteractionNotFoundError):
        store.rate(Feedback(made.id, "ana", thumb=1))
    assert list(store.export_feedback()) == []


def test_a_user_who_comes_is_not_slowed_by_a_shadow(runtime: Runtime, ollama: OllamaStandin) -> None:
    """B is in the middle of a long answer on the one server when Bia asks: it makes way, and begins anew."""
    begun(runtime)
    ollama.set_script(LONG, model="b:1b")
    ask(runtime)
    until(lambda: any(one.tokens_sent for one in requests(ollama, "b:1b")))
    ollama.set_script(SHORT, model="b:1b")  # from the next answer on
    bia = ask(runtime, "O que é ACOS?", user="bia")
    first = requests(ollama, "b:1b")[0]
    until(lambda: first.disconnected)
    assert first.tokens_sent < WORDS
    assert bia.answer.finish_reason is FinishReason.STOP
    until(lambda: runtime.shadows.counts.answered == 2)
    assert runtime.shadows.counts.interrupted == 1
    # One row for each question, none for what was cut short.
    assert sorted(made.user_id for made in of_b(runtime)) == ["ana", "bia"]
    assert all(made.answer.finish_reason is FinishReason.STOP for made in of_b(runtime))


def test_a_shadow_never_begins_while_somebody_waits(runtime: Runtime, ollama: OllamaStandin) -> None:
    begun(runtime)

    async def busy() -> None:
        """Twelve users one upon the other: somebody is always being answered."""

        async def later(number: int) -> None:
            await asyncio.sleep(0.06 * number)
            await asking(runtime, user=f"u{number}")

        await asyncio.gather(*(later(number) for number in range(12)))

    under_way: list[int] = []

    def said(_messages: Sequence[Message]) -> str:
        """When a shadow begins, how many users' answers are under way."""
        under_way.append(sum(one.outcome is Outcome.PENDING for one in requests(ollama, "a:1b")))
        return SHORT

    ollama.set_script(said, model="b:1b")
    asyncio.run(busy())
    until(lambda: runtime.shadows.counts.answered == 12)
    # In the order of their coming: after the last user the first shadow may begin before we look.
    assert [one.body["model"] for one in requests(ollama)[:12]] == ["a:1b"] * 12
    assert set(under_way) == {0}
    assert {made.user_id for made in of_b(runtime)} == {f"u{number}" for number in range(12)}


def test_a_silent_challenger_is_a_failure_of_its_own(runtime: Runtime, ollama: OllamaStandin) -> None:
    begun(runtime)
    # Time enough for the user's answer however busy the machine is, and little for the silent one.
    hurried = runtime.settings.model_copy(update={"total_timeout": 3.0})
    runtime.shadows._beside._settings = hurried
    with runtime.shadows.answering():  # it cannot begin before the fault is there
        shown = ask(runtime)
        ollama.faults.set(stall_after_tokens=2, times=1)
    until(lambda: runtime.shadows.counts.answered == 1, 30)
    outcomes = {row.arm: row for row in runtime.store.outcomes.of("sombra")}
    assert (outcomes["A"].failed, outcomes["B"].failed) == (False, True)
    assert of_b(runtime)[0].answer.finish_reason is FinishReason.TIMEOUT
    assert runtime.store.get(shown.id) == shown


def test_a_broken_challenger_has_no_fallback_and_keeps_no_provider_from_users(
    runtime: Runtime, ollama: OllamaStandin
) -> None:
    begun(runtime, arms=(Arm("A", A), Arm("B", Variant("ollama", "ausente:1b"))))
    for number in range(8):
        assert ask(runtime, user=f"u{number}").exposure == A
        until(lambda done=number + 1: runtime.shadows.counts.answered == done)  # type: ignore[misc]
    made = of_b(runtime)
    assert len(made) == 8
    assert all((one.exposure, one.answer.finish_reason) == (None, FinishReason.ERROR) for one in made)
    assert all(row.failed for row in runtime.store.outcomes.of("sombra") if row.arm == "B")


def test_an_arm_that_reads_more_searches_for_itself(runtime: Runtime) -> None:
    begun(runtime, arms=(Arm("A", A), Arm("B", replace(B, k=2))))
    shown = ask(runtime)
    until(lambda: runtime.shadows.counts.answered == 1)
    assert (len(shown.passages), len(of_b(runtime)[0].passages)) == (5, 2)


def test_a_question_without_evidence_is_refused_by_both_and_no_model_is_asked(
    runtime: Runtime, ollama: OllamaStandin
) -> None:
    begun(runtime)
    shown = ask(runtime, "Qual é a capital da Mongólia?")
    until(lambda: runtime.shadows.counts.answered == 1)
    assert (shown.answer.refused, of_b(runtime)[0].answer.refused) == (True, True)
    assert requests(ollama, "b:1b") == []


def test_it_is_told_what_had_been_said_before(runtime: Runtime, ollama: OllamaStandin) -> None:
    begun(runtime)
    talk = new_id()
    with runtime.shadows.answering():  # else the second question may cut short the first one's shadow
        ask(runtime, conversation=talk)
        ask(runtime, "E na Amazon?", conversation=talk)
    until(lambda: runtime.shadows.counts.answered == 2)
    first, second = (
        [(one["role"], one["content"]) for one in request.body["messages"][1:]]
        for request in requests(ollama, "b:1b")
    )
    assert first == [("user", QUESTION)]
    assert second == [("user", QUESTION), ("assistant", SHORT), ("user", "E na Amazon?")]


def test_questions_that_find_the_backlog_full_are_dropped_and_counted(
    runtime: Runtime, ollama: OllamaStandin, caplog: pytest.LogCaptureFixture
) -> None:
    begun(runtime)
    small = Shadows(
        runtime.settings, runtime.store, runtime.routes.challengers, runtime._beside(None), backlog=2
    )
    in_hand = threading.Event()
    whole = small._when_alone

    async def taken(task: Any) -> bool:
        in_hand.set()
        return await whole(task)

    small._when_alone = taken  # type: ignore[method-assign]
    small.start()
    runtime.assistant._watcher = small
    try:
        with small.answering():  # somebody waits for the whole time
            answers = [ask(runtime, user="u0")]
            assert in_hand.wait(60)
            answers += [ask(runtime, user=f"u{number}") for number in range(1, 6)]
            # One is in hand, two wait.
            until(lambda: small.counts.dropped == 3)
        until(lambda: small.counts.answered == 3)
    finally:
        small.close()
    assert all(answer.answer.finish_reason is FinishReason.STOP for answer in answers)
    assert {made.user_id for made in of_b(runtime)} == {"u0", "u1", "u2"}
    assert "dropped" in caplog.text


@pytest.fixture
def noon() -> Iterator[datetime]:
    """It is noon, so that no day ends in the middle of a test."""
    moment = utc_now().replace(hour=12, minute=0, second=0, microsecond=0)
    with time_machine.travel(moment):
        yield moment


def test_an_arm_that_has_spent_its_day_answers_no_more(runtime: Runtime, noon: datetime) -> None:
    policy = begun(runtime, guardrails={"daily_spend": 0.5})
    first = ask(runtime)
    until(lambda: runtime.shadows.counts.answered == 1)
    (made,) = of_b(runtime)
    yesterday = replace(
        made,
        id=new_id(),
        created_at=utc_now() - timedelta(days=1, minutes=1),
        answer=replace(made.answer, cost=7.0),
    )
    runtime.store.finish(yesterday)
    midnight = noon.replace(hour=0)
    assert runtime.store.outcomes.spent("sombra", "B", midnight) == 0.0
    ask(runtime, user="bia")
    until(lambda: runtime.shadows.counts.answered == 2)
    runtime.store.finish(replace(made, id=new_id(), answer=replace(made.answer, cost=0.6)))
    assert runtime.store.outcomes.spent("sombra", "B", midnight) == pytest.approx(0.6)
    ask(runtime, user="caio")
    until(lambda: runtime.shadows.counts.dropped == 1)
    assert runtime.shadows.counts.answered == 2
    assert first.assignment.policy == policy.hash


def test_a_paused_arm_and_other_modes_have_no_shadow(
    runtime: Runtime, ollama: OllamaStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melancia.routes._LASTS", -1.0)
    begun(runtime)
    policies.pause(runtime.store, "sombra", "ana", "cara", "B")
    ask(runtime)
    policies.promote(runtime.store, "sombra", "ana", "boa", "A")
    ask(runtime)
    policies.end(runtime.store, "sombra", "ana", "fim")
    ask(runtime)
    time.sleep(0.4)
    assert requests(ollama, "b:1b") == []


def test_what_the_user_stopped_has_no_shadow(runtime: Runtime, ollama: OllamaStandin) -> None:
    begun(runtime)
    ollama.set_script(LONG)

    async def leave() -> None:
        async with aclosing(runtime.assistant.ask(QUESTION, user="ana", conversation="c")) as events:
            async for event in events:
                if not isinstance(event, Finished) and requests(ollama, "a:1b"):
                    break

    asyncio.run(leave())
    (stopped,) = [one for one, _ in runtime.store.conversation("c", "ana")]
    assert stopped.answer.finish_reason is FinishReason.CANCELLED
    time.sleep(0.3)
    assert requests(ollama, "b:1b") == []


def test_closing_cancels_what_is_under_way_and_leaves_no_trace(
    runtime: Runtime, ollama: OllamaStandin
) -> None:
    begun(runtime)
    ollama.set_script(LONG, model="b:1b")
    ask(runtime)
    until(lambda: any(one.tokens_sent for one in requests(ollama, "b:1b")))
    runtime.shadows.close()
    until(lambda: requests(ollama, "b:1b")[0].disconnected)
    assert of_b(runtime) == []
    # A door that is closed takes no more, and harms nobody.
    assert ask(runtime, user="bia").answer.finish_reason is FinishReason.STOP
    assert len(requests(ollama, "b:1b")) == 1


def test_without_a_start_nothing_answers_out_of_sight(
    folder: Path, tmp_path: Path, ollama: OllamaStandin
) -> None:
    """As a command does, which ends with its answer."""
    made = open_two(folder, tmp_path, ollama, cache=False)
    try:
        begun(made)
        ollama.reset()
        ollama.set_script(SHORT)
        assert ask(made).assignment.arm == "A"
        time.sleep(0.2)
        assert requests(ollama, "b:1b") == []
    finally:
        made.close()
