"""Half-price batches inside a benchmark, against a stand-in of OpenAI's Batch API."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from melancia.app import Runtime
from melancia.errors import InputError
from melancia.evals.evaluate import Evaluator
from melancia.experiments import batching, journal
from melancia.experiments.plan import Options, Step
from melancia.experiments.session import Session
from melancia.llms.batch_prices import batch_cost
from melancia.llms.openai_batch import OpenAIBatch
from melancia.records import Usage, Variant
from tests.experiments.conftest import ASKED, Begin, Make, go_on, parts_of, run, variants
from tests.standins.openai_batch import OpenAIBatchStandin
from tests.standins.scripted import Crowd, Scripted

MINI = Variant("openai", "gpt-4o-mini", context_window=None)


@pytest.fixture(scope="module")
def running() -> Iterator[OpenAIBatchStandin]:
    """A running stand-in."""
    with OpenAIBatchStandin() as server:
        yield server


@pytest.fixture
def server(running: OpenAIBatchStandin, monkeypatch: pytest.MonkeyPatch) -> OpenAIBatchStandin:
    """The stand-in without faults; batches are looked at without delay."""
    running.reset()
    monkeypatch.setattr(batching, "POLL", 0.01)
    return running


def test_a_batch_answers_all_at_once_and_its_latency_is_not_compared(
    make: Make, begin: Begin, server: OpenAIBatchStandin
) -> None:
    runtime = make(openai_base_url=server.url, openai_api_key="sk-teste")
    taking = [*variants(runtime.settings, "extractive"), MINI]
    session = begin(runtime, taking, ASKED, Options(batch=True, repeats=2, seed=3))
    assert run(session) == ""
    paid = [answer for answer in session.answers if answer.provider == "openai"]
    assert [(answer.question_id, answer.repeat) for answer in paid] == [
        (question.id, repeat) for repeat in (1, 2) for question in ASKED
    ]
    assert all(answer.success and not answer.comparable_latency and answer.latency_seconds for answer in paid)
    assert all(answer.citations == (1,) and "quality" in answer.scores for answer in paid)
    assert [{line["body"]["seed"] for line in upload} for upload in server.uploads] == [{3}, {4}]
    # The very same prompt as when asked at once: the passages are in it.
    assert "investimento dividido pela receita" in str(server.uploads[0][0]["body"]["messages"])
    summary = session.report().summaries[1]
    assert "latency_avg" not in summary.figures
    assert summary.figures["success_rate"] == 1.0


def cancelled_while_it_is_sent(
    session: Session, monkeypatch: pytest.MonkeyPatch, submit: Callable[..., str]
) -> None:
    """Measure, and be cancelled while ``submit`` sends the batch."""
    sending, sent = threading.Event(), threading.Event()

    def slowly(*given: Any) -> str:
        sending.set()
        assert sent.wait(60)
        return submit(*given)

    async def measured() -> None:
        measuring = asyncio.create_task(session.measure(go_on))
        await asyncio.to_thread(sending.wait, 60)
        measuring.cancel()
        await asyncio.sleep(0.1)
        assert not measuring.done()  # what is being sent is waited for
        sent.set()
        await measuring

    monkeypatch.setattr(OpenAIBatch, "submit", slowly)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(measured())


def finishes_without_another_upload(
    runtime: Runtime, evaluator: Evaluator, folder: Path, server: OpenAIBatchStandin
) -> None:
    """The newest run of ``folder``, resumed, gets its answers from the batch that was sent."""
    again = Session.resume(parts_of(runtime, evaluator), folder / "experiments", "")
    assert run(again) == ""
    again.close()
    assert len(server.uploads) == 1
    assert [answer.success for answer in again.answers] == [True] * 3


def test_an_interrupted_wait_goes_on_with_the_same_batch(
    make: Make, begin: Begin, server: OpenAIBatchStandin, evaluator: Evaluator, tmp_path: Path
) -> None:
    server.faults.looks_a_state = 1000
    runtime = make(openai_base_url=server.url, openai_api_key="sk-teste")
    session = begin(runtime, [MINI], ASKED, Options(batch=True))
    looks = iter(range(100))
    assert run(session, lambda _step: next(looks) < 3) != ""
    session.close()
    assert session.answers == []
    server.faults.looks_a_state = 1
    finishes_without_another_upload(runtime, evaluator, tmp_path, server)


def test_a_run_cancelled_while_its_batch_is_sent_does_not_send_it_again(
    make: Make,
    begin: Begin,
    server: OpenAIBatchStandin,
    evaluator: Evaluator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = make(openai_base_url=server.url, openai_api_key="sk-teste")
    session = begin(runtime, [MINI], ASKED, Options(batch=True))
    cancelled_while_it_is_sent(session, monkeypatch, OpenAIBatch.submit)
    session.close()
    finishes_without_another_upload(runtime, evaluator, tmp_path, server)


def test_a_cancelled_run_whose_batch_is_refused_ends_all_the_same(
    make: Make, begin: Begin, server: OpenAIBatchStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = make(openai_base_url=server.url, openai_api_key="sk-teste")
    session = begin(runtime, [MINI], ASKED, Options(batch=True))

    def refused(*_: Any) -> str:
        raise InputError("O lote foi recusado.")

    cancelled_while_it_is_sent(session, monkeypatch, refused)
    assert session.answers == []


def test_what_expired_is_a_failure_with_its_reason(
    make: Make, begin: Begin, server: OpenAIBatchStandin
) -> None:
    server.faults.expire_after = 1
    runtime = make(openai_base_url=server.url, openai_api_key="sk-teste")
    session = begin(runtime, [MINI], ASKED, Options(batch=True))
    assert run(session) == ""
    assert [answer.success for answer in session.answers] == [True, False, False]
    assert "expirou" in session.answers[1].error
    assert session.answers[1].latency_seconds is None


def test_a_server_without_batches_says_so(make: Make, begin: Begin, server: OpenAIBatchStandin) -> None:
    runtime = make(openai_base_url="http://127.0.0.1:9", openai_api_key="sk-teste")
    session = begin(runtime, [MINI], ASKED[:1], Options(batch=True))
    run(session)
    assert not session.answers[0].success
    assert session.answers[0].error


def test_a_budget_that_a_batch_may_exceed_sends_nothing(
    make: Make, begin: Begin, server: OpenAIBatchStandin
) -> None:
    runtime = make(openai_api_key="sk-teste")
    session = begin(runtime, [MINI], ASKED, Options(batch=True, budget=0.000001))
    assert run(session) == "orçamento esgotado"
    assert server.uploads == []
    half = batch_cost(MINI, Usage(1000, 1000), runtime.settings)
    assert half is not None
    assert half > 0


class Waiting(Crowd):
    """Whoever speaks says nothing before something is ``there``."""

    def __init__(self) -> None:
        super().__init__()
        self.there = threading.Event()

    async def gather(self) -> None:
        await asyncio.to_thread(self.there.wait, 60)


def test_a_batch_at_its_server_is_still_reserved_when_a_run_goes_on(
    make: Make,
    begin: Begin,
    server: OpenAIBatchStandin,
    evaluator: Evaluator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.origin)  # a server that costs money, as far as anybody knows
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server.faults.looks_a_state = 1000
    runtime = make(openai_base_url="http://lote.openai.azure.com/v1", openai_api_key="sk-teste")
    other = Variant("huggingface", "Qwen/Qwen3-32B:groq", context_window=None)
    crowd = Waiting()
    parts = {"make_model": lambda _variant, _seed: Scripted(crowd=crowd)}
    session = begin(runtime, [MINI, other], ASKED, Options(batch=True, concurrency=1, budget=0.1), **parts)

    def watch(step: Step) -> bool:
        if step.variant == MINI:
            crowd.there.set()
        return not crowd.there.is_set()  # once the batch is there: the other model has its questions left

    assert run(session, watch) == "interrompido"
    session.close()
    folder = tmp_path / "experiments"
    left = journal.Journal.resume(journal.find(folder, ""))
    spent, reserved = left.spent, left.reserved
    left.close(done=False)
    assert reserved > 0
    asked = len(crowd.order)
    # What the other model may cost is there only if the batch is forgotten.
    again = Session.resume(parts_of(runtime, evaluator, **parts), folder, "", spent + reserved + 1e-9)
    server.faults.looks_a_state = 1
    assert run(again) == "orçamento esgotado"
    again.close()
    assert len(crowd.order) == asked
    assert [answer.success for answer in again.answers if answer.provider == "openai"] == [True] * 3
    ended = journal.Journal.resume(journal.find(folder, ""))
    ended.close(done=False)
    paid = sum(answer.cost or 0.0 for answer in again.answers if answer.provider == "openai")
    assert ended.reserved == 0
    assert ended.spent == pytest.approx(spent + paid)
    assert 0 < paid < reserved


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("gpt-4o-mini", "preço de lote"),
        ("gpt-3.5-turbo-0301", "a metade, em lote: https://developers.openai"),
    ],
)
def test_the_price_that_is_recorded_is_the_one_that_was_counted(
    make: Make, begin: Begin, model: str, source: str
) -> None:
    runtime = make(openai_api_key="sk-teste")
    variant = Variant("openai", model, context_window=None)
    (price,) = begin(runtime, [variant], ASKED, Options(batch=True)).report().prices
    for usage, rate in ((Usage(1000, 0), "input_per_million"), (Usage(0, 1000), "output_per_million")):
        assert price[rate] / 1000 == pytest.approx(batch_cost(variant, usage, runtime.settings))
    assert source in price["source"]
    (whole,) = begin(runtime, [variant], ASKED).report().prices
    assert whole["input_per_million"] == pytest.approx(2 * price["input_per_million"])
    assert "lote" not in whole["source"]
