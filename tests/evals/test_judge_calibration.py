"""A judge tried on labelled answers: who is asked about, what is counted, and what is not."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from melancia.errors import InputError
from melancia.evals.judge import Judge
from melancia.evals.judge_calibration import Calibration, Share, calibrate, sample
from melancia.evals.labelled_answers import FOLDER, LabelledAnswer, read_labelled
from melancia.llms import create_chat_model
from melancia.settings import Settings
from tests.evals.judges import CASE, LABEL, Reply, ScriptedJudge, StatusError, judgement
from tests.standins.ollama import OllamaStandin

WRONG_KINDS = ("wrong-number", "negated", "empty")


def labelled(questions: int = 20) -> list[LabelledAnswer]:
    """Of each question a right answer and a wrong one of each kind, whose texts say what they are."""
    return [
        LabelledAnswer(f"q{n}", kind, kind == "right", replace(CASE, question=f"q{n}?", answer=f"é {kind}"))
        for n in range(questions)
        for kind in ("right", *WRONG_KINDS)
    ]


def answer_in(messages: Sequence[BaseMessage]) -> str:
    return str(messages[1].content).partition("<resposta>\n")[2].partition("\n</resposta>")[0]


def knowing(messages: Sequence[BaseMessage]) -> str:
    """A judge that is never wrong."""
    return judgement("right", 1) if answer_in(messages) == "é right" else judgement("wrong", 0)


def run(*replies: Reply, limit: int = 40, **options: Any) -> tuple[ScriptedJudge, Calibration]:
    model = ScriptedJudge(replies=list(replies))
    chosen = {"seed": 7, "concurrency": 4, "first_pause": 0.0, **options}
    return model, asyncio.run(calibrate(Judge(model, LABEL), labelled(), limit=limit, **chosen))


def test_a_judge_that_is_never_wrong_is_fit() -> None:
    _, found = run(knowing)
    assert (found.agreement.kappa, found.asked, found.failures) == (1.0, 40, ())
    assert found.fit is True
    assert found.kinds["right"] == Share(20, 20)
    assert sum(found.kinds[kind].judged for kind in WRONG_KINDS) == 20
    assert all(share.seen == share.judged for share in found.kinds.values())
    assert "o juiz serve" in found.note
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_judge_that_likes_everything_is_unfit_and_sees_no_error() -> None:
    _, found = run(judgement("right", 0.9))
    assert found.agreement.kappa == 0
    assert found.fit is False
    assert found.kinds["right"] == Share(20, 20)
    assert all(found.kinds[kind].seen == 0 for kind in WRONG_KINDS)


def test_partly_right_is_not_right() -> None:
    _, found = run(judgement("partial", 0.5))
    assert found.kinds["right"].seen == 0
    assert all(found.kinds[kind].seen == found.kinds[kind].judged for kind in WRONG_KINDS)


def test_failures_are_listed_and_never_count_as_disagreement() -> None:
    def halting(messages: Sequence[BaseMessage]) -> str:
        return "Não sei julgar." if "é empty" in answer_in(messages) else knowing(messages)

    _, found = run(halting)
    assert found.agreement.kappa == 1
    assert {failure.kind for failure in found.failures} == {"empty"}
    assert all("julgamento válido" in failure.reason for failure in found.failures)
    assert found.agreement.pairs == 40 - len(found.failures)
    assert "empty" not in found.kinds
    assert f"Sem julgamento: {len(found.failures)} de 40." in found.note


def test_when_nothing_was_judged_there_is_no_kappa() -> None:
    _, found = run(StatusError(500))
    assert found.agreement.kappa is None
    assert found.fit is None
    assert len(found.failures) == 40
    json.dumps(found.as_dict(), allow_nan=False)


def test_after_a_failure_for_good_nothing_more_is_asked() -> None:
    model, found = run(knowing, knowing, StatusError(401), concurrency=1)
    assert len(model.asked) == 3
    assert found.agreement.pairs == 2
    assert len({failure.reason for failure in found.failures}) == 1
    assert "chave" in found.failures[0].reason or "acesso" in found.failures[0].reason


def test_a_failure_that_passes_is_tried_again() -> None:
    model, found = run(StatusError(503), StatusError(429), knowing, concurrency=1)
    assert not found.failures
    assert len(model.asked) == 42


def test_progress_is_told_after_each_answer() -> None:
    told: list[tuple[int, int]] = []
    run(knowing, limit=10, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 10) for done in range(1, 11)]


class Counting(ScriptedJudge):
    """Knows how many requests were open at once."""

    open: int = 0
    most: int = 0

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        finally:
            self.open -= 1


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_are_asked_at_once_than_allowed(concurrency: int) -> None:
    model = Counting(replies=[knowing])
    asyncio.run(calibrate(Judge(model, LABEL), labelled(), limit=20, seed=1, concurrency=concurrency))
    assert model.most == concurrency


def test_blind_hides_what_is_known_of_a_right_answer() -> None:
    seeing, _ = run(knowing, limit=2)
    blind, _ = run(knowing, limit=2, blind=True)
    assert all(CASE.reference in asked and "Sabe-se" in asked for asked in seeing.read)
    assert not any(CASE.reference in asked or "Sabe-se" in asked for asked in blind.read)


def test_the_sample_is_balanced_seeded_and_spread() -> None:
    pool = labelled()
    chosen = sample(pool, 24, seed=3)
    kinds = Counter(answer.kind for answer in chosen)
    assert kinds == {"right": 12, "wrong-number": 4, "negated": 4, "empty": 4}
    assert chosen == sample(pool, 24, seed=3)
    drawn = [{answer.question_id for answer in sample(pool, 6, seed)} for seed in range(4)]
    assert len(set().union(*drawn)) > 6, "another seed, other questions"
    assert max(Counter(answer.question_id for answer in chosen).values()) == 2, "24 answers of 20 questions"
    assert len({id(answer) for answer in chosen}) == 24


def test_the_sample_is_balanced_even_where_one_side_is_short() -> None:
    pool = [answer for answer in labelled() if answer.right or answer.question_id in ("q1", "q2")]
    chosen = sample(pool, 1000, seed=3)
    assert Counter(answer.right for answer in chosen) == {True: 6, False: 6}


@pytest.mark.parametrize("limit", [-1, 0, 1])
def test_too_small_a_sample_is_refused(limit: int) -> None:
    with pytest.raises(InputError, match="ao menos uma resposta certa e uma errada"):
        sample(labelled(), limit, seed=3)


def test_no_requests_at_once_is_refused() -> None:
    with pytest.raises(InputError, match="por vez"):
        run(knowing, concurrency=0)


def test_cancelling_closes_the_connections() -> None:
    with OllamaStandin(models=["llama3.1:8b"]) as ollama:
        ollama.faults.set(slow_first_token=60)

        async def leave() -> None:
            settings = Settings(_env_file=None, ollama_base_url=ollama.url)
            judge = Judge(create_chat_model("ollama", "llama3.1:8b", settings), "ollama:llama3.1:8b")
            task = asyncio.create_task(calibrate(judge, labelled(), limit=10, seed=1, concurrency=1))
            await asyncio.to_thread(ollama.wait_for, lambda request: request.path == "/api/chat")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(ollama.wait_for, lambda request: request.disconnected)

        asyncio.run(leave())


def test_the_labelled_answers_are_read_whole() -> None:
    found = read_labelled(FOLDER / "design.jsonl")
    lines = [json.loads(line) for line in (FOLDER / "design.jsonl").read_text("utf-8").splitlines()]
    assert len(found) == sum(len(line["answers"]) for line in lines)
    assert {answer.kind for answer in found if answer.right} == {"right", "refusal"}
    first, line = found[0], lines[0]
    assert (first.question_id, first.case.question, first.case.answer) == (
        line["id"],
        line["question"],
        line["answers"][0]["text"],
    )
    assert [source.text for source in first.case.sources] == [one["text"] for one in line["passages"]]
    assert all(
        answer.case.answerable == (answer.kind not in ("refusal", "answered")) or not answer.case.answer
        for answer in found
    )


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"id": "a", "passages": [], "history": [], "answers": [{"kind": "novo", "text": ""}]}',
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"\n{line}\n", "utf-8")
    with pytest.raises(InputError, match="linha 2"):
        read_labelled(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nada\.jsonl"):
        read_labelled(tmp_path / "nada.jsonl")
