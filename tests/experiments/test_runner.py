"""How models are asked: the same for all, own ones in turn, failures as records, no more than the budget."""

import asyncio
import itertools
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from melancia.errors import InputError, ProviderRateLimitError, ProviderResponseError
from melancia.experiments.plan import Options, Step
from melancia.experiments.questions import WARM_UP, Question
from melancia.experiments.results import Measured
from melancia.experiments.session import Session
from melancia.records import Turn, Variant
from tests.experiments.conftest import ASKED, OTHER, Begin, Make, run, variants
from tests.standins.ollama import OllamaStandin, RequestRecord
from tests.standins.scripted import Crowd, Scripted

LOCAL = "llama3.2:3b"
CLOUD = Variant("openai", "gpt-4o-mini", context_window=None)
OTHER_CLOUD = Variant("huggingface", "meta-llama/Llama-3.1-8B-Instruct", context_window=None)


def of(session: Session, variant: Variant) -> list[Measured]:
    """A variant's answers."""
    return [answer for answer in session.answers if answer.variant_hash == variant.hash]


class Ended:
    """When each question was answered, by ``time.monotonic``; by the last model, where several were asked."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def watch(self, step: Step) -> bool:
        """Never stop."""
        if step.answer is not None:
            self.at[step.question] = time.monotonic()
        return True


def spoken(answer: Measured) -> float:
    """The seconds of an answer's latency that its model took."""
    assert answer.latency_seconds is not None
    return answer.latency_seconds - (answer.retrieval_seconds or 0)


def chats(ollama: OllamaStandin) -> list[tuple[str, str]]:
    """(model, question) of each chat, in order."""
    bodies = [record.body for record in ollama.requests if record.path == "/api/chat"]
    return [(body["model"], body["messages"][-1]["content"]) for body in bodies]


def test_every_model_gets_the_same_questions_and_nothing_is_recorded(
    make: Make, begin: Begin, calm: OllamaStandin
) -> None:
    runtime = make()
    steps: list[Step] = []
    session = begin(runtime, variants(runtime.settings))
    labels = [variant.label for variant in session.header.variants]
    assert labels == ["extractive:extractive", f"ollama:{LOCAL}", f"ollama:{OTHER}"]

    def watch(step: Step) -> bool:
        steps.append(step)
        return True

    assert run(session, watch) == ""
    assert [(answer.model_name, answer.question_id) for answer in session.answers] == [
        (variant.model, question.id) for variant in session.header.variants for question in ASKED
    ]
    for answer in session.answers:
        assert answer.success, answer.error
        assert (answer.mode, answer.quarantine, answer.tries) == ("hybrid", "", 1)
        assert (answer.latency_seconds or 0) >= (answer.time_to_first_token_seconds or 9) > 0
        assert 0 <= answer.scores["quality"] <= 1
    # The very same passages, found once a question.
    given = {(answer.question_id, answer.passages, answer.retrieval_seconds) for answer in session.answers}
    assert len(given) == len(ASKED)
    assert runtime.store.counts()["interactions"] == 0
    extractive, model = session.answers[0], session.answers[3]
    assert (extractive.tokens, extractive.cost) == (None, 0.0)
    assert (model.answer, model.citations) == ("É o gasto dividido pela receita [1].", (1,))
    assert model.tokens == (model.prompt_tokens or 0) + (model.completion_tokens or 0) > 0
    assert [step.done for step in steps if step.answer] == list(range(1, 10))
    # Each model: a warm-up that is not counted, then the questions; and out of memory before the next.
    asked = [WARM_UP, *(question.text for question in ASKED)]
    assert chats(calm) == [(name, text) for name in (LOCAL, OTHER) for text in asked]
    unloaded = [
        record.body["model"]
        for record in calm.requests
        if record.path == "/api/generate" and record.body.get("keep_alive") == 0
    ]
    assert unloaded == [LOCAL, OTHER]


def test_a_question_brings_its_own_history(make: Make, begin: Begin, calm: OllamaStandin) -> None:
    runtime = make()
    follow_up = Question("d", "e como calculo isso?", (Turn("O que é ACOS?", "É uma razão [1]."),))
    session = begin(runtime, variants(runtime.settings, f"ollama:{LOCAL}"), [follow_up])
    run(session)
    body = [record.body for record in calm.requests if record.path == "/api/chat"][-1]
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    assert session.answers[0].documents[0] == "acos"


def test_repeats_ask_again_with_another_seed(make: Make, begin: Begin, calm: OllamaStandin) -> None:
    runtime = make()
    chosen = variants(runtime.settings, f"ollama:{LOCAL}")
    session = begin(runtime, chosen, ASKED[:1], Options(repeats=3, seed=7))
    run(session)
    assert [answer.repeat for answer in of(session, chosen[1])] == [1, 2, 3]
    bodies = [record.body for record in calm.requests if record.path == "/api/chat"]
    assert [body["options"].get("seed") for body in bodies[1:]] == [7, 8, 9]


def test_a_failure_has_a_reason_and_neither_latency_nor_score(
    make: Make, begin: Begin, calm: OllamaStandin
) -> None:
    calm.faults.set(times=None, missing_model=True)
    runtime = make()
    chosen = variants(runtime.settings)[:2]
    session = begin(runtime, chosen, [*ASKED, Question("d", "Quanto custa o frete?")])
    assert run(session) == ""
    answers = of(session, chosen[1])
    for answer in answers:
        assert not answer.success
        assert answer.error
        assert (answer.latency_seconds, answer.cost, answer.scores, answer.answer) == (None, None, {}, "")
    # After three failures from the start on, it is not asked in vain.
    assert "Não perguntada" in answers[3].error
    assert answers[3].failed_after_seconds is None
    summary = session.report().summaries[1]
    assert (summary.figures["success_rate"], summary.counted) == (0.0, 0)
    assert not {"latency_avg", "quality_avg", "cost_total"} & set(summary.figures)


def test_a_busy_server_is_asked_again_after_the_time_that_it_names(
    make: Make, begin: Begin, calm: OllamaStandin
) -> None:
    calm.faults.set(times=3, http_429=0.2)  # the warm-up, and the first question twice
    runtime = make()
    chosen = variants(runtime.settings, f"ollama:{LOCAL}")
    session = begin(runtime, chosen, ASKED[:2])
    ended = Ended()
    run(session, ended.watch)
    first, second = of(session, chosen[1])
    assert (first.success, first.tries, second.tries) == (True, 3, 1)
    # Waiting for the server is not the model's latency: there was no more time after the last wait.
    refused = [record for record in calm.requests if record.status == 429]
    assert 0 < spoken(first) <= ended.at[first.question] - refused[-1].at - 0.2


def test_a_connection_that_breaks_before_the_answer_loses_no_question(
    make: Make, begin: Begin, calm: OllamaStandin
) -> None:
    calm.faults.set(times=2, drop_connection_after_tokens=0)  # the warm-up, and the first question once
    runtime = make()
    chosen = variants(runtime.settings, f"ollama:{LOCAL}")
    session = begin(runtime, chosen, ASKED[:2])
    run(session)
    first, second = of(session, chosen[1])
    assert (first.success, first.tries) == (True, 2)
    assert (second.success, second.tries) == (True, 1)


def test_a_server_that_asks_for_an_hour_is_not_waited_for(
    make: Make, begin: Begin, calm: OllamaStandin
) -> None:
    calm.faults.set(times=None, http_429=3600.0)
    runtime = make()
    chosen = variants(runtime.settings, f"ollama:{LOCAL}")
    session = begin(runtime, chosen, ASKED[:1])
    run(session)
    (answer,) = of(session, chosen[1])
    assert (answer.success, answer.tries) == (False, 1)


def test_a_model_that_never_speaks_is_cancelled_and_said_so(
    make: Make, begin: Begin, calm: OllamaStandin
) -> None:
    calm.faults.set(times=None, slow_first_token=60)
    runtime = make(first_token_timeout=0.2, total_timeout=0.4)
    chosen = variants(runtime.settings, f"ollama:{LOCAL}")
    session = begin(runtime, chosen)
    run(session)
    answers = of(session, chosen[1])
    assert all("não começou a responder a tempo" in answer.error for answer in answers)
    assert all((answer.failed_after_seconds or 0) >= 0.2 for answer in answers)
    assert calm.wait_for(lambda record: record.disconnected)


def test_a_model_that_stalls_keeps_its_words_and_counts_as_failed(
    make: Make, begin: Begin, calm: OllamaStandin
) -> None:
    calm.faults.set(times=None, stall_after_tokens=3)
    runtime = make(first_token_timeout=1.4, total_timeout=1.5)
    chosen = variants(runtime.settings, f"ollama:{LOCAL}")
    session = begin(runtime, chosen)
    run(session)
    answers = of(session, chosen[1])
    assert {answer.finish_reason for answer in answers} == {"timeout"}
    assert all("tempo total" in answer.error and answer.answer for answer in answers)
    assert {answer.latency_seconds for answer in answers} == {None}


def test_the_warm_up_is_not_measured(make: Make, begin: Begin, calm: OllamaStandin) -> None:
    calm.faults.set(times=1, slow_first_token=1.0)  # the warm-up alone
    runtime = make()
    chosen = variants(runtime.settings, f"ollama:{LOCAL}")
    session = begin(runtime, chosen)
    ended = Ended()
    run(session, ended.watch)
    begun = next(record.at for record in calm.requests if record.path == "/api/chat")
    for answer in of(session, chosen[1]):
        assert 0 < spoken(answer) <= ended.at[answer.question] - begun - 1.0


def test_a_silent_fall_back_to_the_cpu_quarantines_the_answers(
    make: Make, begin: Begin, calm: OllamaStandin
) -> None:
    calm.faults.set(times=None, cpu_fallback=True)
    runtime = make(expect_gpu=True)
    chosen = variants(runtime.settings, f"ollama:{LOCAL}")
    session = begin(runtime, chosen)
    run(session)
    answers = of(session, chosen[1])
    assert all("CPU" in answer.quarantine and answer.gpu_share == 0 for answer in answers)
    assert all(answer.success and not answer.counted for answer in answers)
    summary = session.report().summaries[1]
    assert (summary.counted, summary.figures["quarantined"]) == (0, 3)
    assert "latency_avg" not in summary.figures


def test_a_prompt_that_was_cut_quarantines_the_answer(make: Make, begin: Begin, calm: OllamaStandin) -> None:
    runtime = make(context_window=512)
    long = Question("longa", "O que é ACOS? " + "e o é " * 300)
    chosen = variants(runtime.settings, f"ollama:{LOCAL}")
    session = begin(runtime, chosen, [ASKED[0], long])
    run(session)
    whole, cut = of(session, chosen[1])
    assert (whole.quarantine, "cortado" in cut.quarantine) == ("", True)


def test_own_models_never_speak_at_once_and_a_cloud_does_beside_them(make: Make, begin: Begin) -> None:
    runtime = make()
    local, cloud = Crowd(), Crowd(together=3)

    def model(variant: Variant, _seed: int | None) -> BaseChatModel:
        own = variant.provider in ("extractive", "ollama")
        return Scripted(seconds=0.05, crowd=local if own else cloud, name=variant.model)

    taking = [*variants(runtime.settings), CLOUD]
    questions = [Question(f"q{number}", f"O que é ACOS, parte {number}?") for number in range(8)]
    session = begin(runtime, taking, questions, Options(concurrency=3), make_model=model)
    run(session)
    assert local.most == 1
    assert cloud.most == 3
    assert local.order == [name for name in ("extractive", LOCAL, OTHER) for _ in range(9)]
    assert len(session.answers) == 32


def failing(error: Callable[[], Exception], times: int) -> Callable[[Variant, int | None], BaseChatModel]:
    """A model that fails so many times after its warm-up."""
    left = itertools.count()

    def say(_question: str) -> str:
        if 1 <= next(left) <= times:
            raise error()
        return "Uma resposta [1]."

    return lambda _variant, _seed: Scripted(say=say)


def test_an_unexpected_failure_is_a_record_too(make: Make, begin: Begin) -> None:
    runtime = make()
    session = begin(runtime, [CLOUD], ASKED, make_model=failing(lambda: RuntimeError("oi"), 1))
    assert run(session) == ""
    assert [answer.success for answer in session.answers].count(False) == 1
    broken = next(answer for answer in session.answers if not answer.success)
    assert "oi" not in broken.error


def test_one_failure_lowers_the_success_rate_and_leaves_the_latency_alone(make: Make, begin: Begin) -> None:
    runtime = make()

    def error() -> Exception:
        return ProviderResponseError("openai", "gpt-4o-mini", "Não deu.")

    session = begin(runtime, [CLOUD], ASKED, Options(concurrency=1), make_model=failing(error, 1))
    run(session)
    summary = session.report().summaries[0]
    assert summary.figures["success_rate"] == pytest.approx(2 / 3)
    assert summary.failures == {"Não deu.": 1}
    good = [answer.latency_seconds for answer in session.answers if answer.latency_seconds is not None]
    assert len(good) == 2
    assert summary.figures["latency_avg"] == pytest.approx(sum(good) / 2)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_budget_is_never_exceeded_and_free_models_go_on(
    make: Make, begin: Begin, concurrency: int
) -> None:
    runtime = make()
    session_questions = [Question(f"q{number}", f"O que é ACOS, parte {number}?") for number in range(12)]
    options = Options(budget=0.005, concurrency=concurrency)

    def model(_variant: Variant, _seed: int | None) -> BaseChatModel:
        return Scripted(tokens=(900, 800), seconds=0.01)

    taking = [*variants(runtime.settings)[:1], CLOUD]
    session = begin(runtime, taking, session_questions, options, make_model=model)
    assert run(session) == "orçamento esgotado"
    paid = of(session, CLOUD)
    assert 0 < len(paid) < 12
    assert sum(answer.cost or 0 for answer in paid) <= 0.005
    assert len(of(session, taking[0])) == 12
    report = session.report()
    assert (report.complete, report.stopped) == (False, "orçamento esgotado")


def test_a_budget_without_a_price_is_refused(make: Make, begin: Begin) -> None:
    with pytest.raises(InputError, match="preço de openai:inexistente"):
        begin(make(), [Variant("openai", "inexistente")], ASKED, Options(budget=1.0))
    with pytest.raises(InputError, match="preço de openai:inexistente"):
        begin(make(), [CLOUD], ASKED, Options(budget=0.0, judge="openai:inexistente"))


def test_it_stops_when_it_is_told_to(make: Make, begin: Begin) -> None:
    runtime = make()
    session = begin(runtime, variants(runtime.settings))
    assert run(session, lambda step: step.done < 2) == "interrompido"
    assert len(session.answers) == 2


def test_ctrl_c_in_mid_answer_keeps_what_was_measured(make: Make, begin: Begin, calm: OllamaStandin) -> None:
    runtime = make()
    chosen = variants(runtime.settings)[:2]
    session = begin(runtime, chosen)
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def watch(step: Step) -> bool:
        if step.variant == chosen[1] and step.question == ASKED[1].text and step.answer is None:
            calm.faults.set(times=1, stall_after_tokens=2)
            interrupting.start()
        return True

    def interrupt() -> None:
        def stalled(record: RequestRecord) -> bool:
            asked = record.path == "/api/chat" and record.body and record.body["messages"][-1]["content"]
            return asked == ASKED[1].text and record.tokens_sent == 2

        calm.wait_for(stalled)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(session.measure(watch))
    interrupting.join()
    assert len(session.answers) == 4
    assert all(answer.success for answer in session.answers)
    assert session.report().stopped == "interrompido"
    assert calm.wait_for(lambda record: record.disconnected)


def test_the_pipeline_refuses_where_users_would_be_refused(make: Make, begin: Begin) -> None:
    runtime = make()
    asked = [Question("x", "Quem ganhou a copa de 1970?", answerable=False)]
    crowd = Crowd()

    def model(_variant: Variant, _seed: int | None) -> BaseChatModel:
        return Scripted(crowd=crowd)

    shared = begin(runtime, [CLOUD], asked, make_model=model)
    run(shared)
    assert len(crowd.order) == 2  # its warm-up, and the question: to refuse is the model's to do
    assert not shared.answers[0].refused
    piped = begin(runtime, [CLOUD], asked, Options(pipeline=True), make_model=model)
    run(piped)
    assert len(crowd.order) == 3
    assert (piped.answers[0].success, piped.answers[0].refused) == (True, True)
    assert piped.answers[0].scores["refusal"] == 1.0 > shared.answers[0].scores["refusal"]


@pytest.mark.parametrize(
    "options",
    [
        {"repeats": 0},
        {"concurrency": 65},
        {"seed": -1},
        {"budget": -0.1},
        {"budget": float("nan")},
        {"batch": True, "pipeline": True},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Options(**options)


def test_a_rate_limit_of_a_cloud_is_waited_out(make: Make, begin: Begin) -> None:
    class _LimitedError(Exception):
        status_code = 429

    def limited() -> Exception:
        error = ProviderRateLimitError("openai", "gpt-4o-mini", "Devagar.", retry_after=0.05)
        error.__cause__ = _LimitedError()
        return error

    runtime = make()
    session = begin(runtime, [CLOUD], ASKED[:1], make_model=failing(limited, 2))
    run(session)
    assert (session.answers[0].success, session.answers[0].tries) == (True, 3)
