"""A judge's choice between a model's answers and the control's: both orders, kept, within the budget."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.language_models import BaseChatModel

from melancia.evals.case import Case
from melancia.evals.evaluate import Evaluator
from melancia.evals.labelled_answers import LabelledAnswer
from melancia.experiments import documents, report_text
from melancia.experiments.plan import Options, Step
from melancia.experiments.results import JudgeReport
from melancia.experiments.session import Session
from melancia.records import Variant
from tests.experiments.conftest import ASKED, Begin, Make, go_on, parts_of, run
from tests.standins.scripted import Scripted

JUDGE = "openai:gpt-4o"
CONTROL = Variant("extractive", "extractive")
ASKED_OF = Variant("openai", "gpt-4o-mini", context_window=None)
LABELLED = [
    LabelledAnswer("q", kind, kind == "right", Case("O que é ACOS?", text))
    for kind, text in (("right", "A razão."), ("negated", "Uma fruta."))
]
OWN = "A resposta do modelo."


class Bench:
    """The model that answers, and a judge that prefers the model's answer, the first one, or nothing."""

    def __init__(self, prefers: str = "model") -> None:
        self.compared: list[str] = []
        self.scored = 0
        self._prefers = prefers

    def model(self, variant: Variant, _seed: int | None) -> BaseChatModel:
        """The model of ``variant``."""
        if variant.label == JUDGE:
            return Scripted(say=self._say, tokens=(400, 50))
        said = "A resposta do controle." if variant == CONTROL else OWN
        return Scripted(say=lambda _question: said)

    def _say(self, prompt: str) -> str:
        if "<primeira>" not in prompt:
            self.scored += 1
            return json.dumps({"reason": "Sim.", "verdict": "right", "score": 1.0})
        self.compared.append(prompt)
        if self._prefers == "nothing":
            return "não sei"
        own_first = OWN in prompt.partition("<primeira>")[2].partition("</primeira>")[0]
        wanted = {"model": own_first, "control": not own_first, "first": True}
        preference = "tie" if self._prefers == "tie" else ("first" if wanted[self._prefers] else "second")
        return json.dumps({"reason": "Por isso.", "preference": preference})


def judged(session: Session) -> JudgeReport:
    """Let it judge to the end."""
    return asyncio.run(session.judge(LABELLED, [], go_on))


@pytest.mark.parametrize(
    ("prefers", "outcome", "counted"),
    [
        ("model", "win", "wins"),
        ("control", "loss", "losses"),
        ("tie", "tie", "ties"),
        ("first", "inconsistent", "inconsistent"),
        ("nothing", "failed", "failures"),
    ],
)
def test_each_answer_is_compared_with_the_control_s_in_both_orders(
    make: Make, begin: Begin, prefers: str, outcome: str, counted: str
) -> None:
    runtime, bench = make(), Bench(prefers)
    session = begin(runtime, [CONTROL, ASKED_OF], ASKED, Options(judge=JUDGE), make_model=bench.model)
    run(session)
    before = {(answer.provider, answer.question_id): answer.scores for answer in session.answers}
    found = judged(session)
    own = [answer for answer in session.answers if answer.provider == "openai"]
    assert {answer.judge_pair for answer in own} == {outcome}
    assert all(answer.judge_pair_reason for answer in own)
    assert {answer.judge_pair for answer in session.answers if answer.provider != "openai"} == {""}
    assert all(answer.judge_score == 1 for answer in session.answers)
    assert {(one.provider, one.question_id): one.scores for one in session.answers} == before

    pairs = dict(found.pairs[own[0].variant_hash])
    assert list(found.pairs) == [own[0].variant_hash]
    assert pairs.pop("win_share") == {"win": 1.0, "failed": None}.get(outcome, 0.0)
    assert pairs.pop("interval") is None  # three questions are too few
    assert pairs == {
        name: len(own) if name == counted else 0
        for name in ("wins", "losses", "ties", "inconsistent", "failures")
    }
    if outcome != "failed":
        assert len(bench.compared) == 2 * len(own)


def test_it_is_in_the_report_and_the_document_with_its_interval(make: Make, begin: Begin) -> None:
    runtime, bench = make(), Bench()
    options = Options(judge=JUDGE, repeats=2)
    asked = [replace(question, id=f"q{number}") for number, question in enumerate(ASKED * 3)]
    session = begin(runtime, [CONTROL, ASKED_OF], asked, options, make_model=bench.model)
    run(session)
    report = session.report(judged(session))
    assert report.judge is not None
    (pairs,) = report.judge.pairs.values()
    assert (pairs["wins"], pairs["win_share"]) == (18, 1.0)
    # Wilson's for 9 of 9: repeats of a question are one observation.
    assert pairs["interval"] == {"low": pytest.approx(0.7009, abs=1e-3), "high": 1.0}
    said = " ".join(report_text.results(report).split())
    assert "vence em 18 (100 % [70 %; 100 %]), perde em 0, empata em 0, muda com a ordem em 0" in said
    kept = json.loads(json.dumps(documents.document(report)))
    assert documents.report_of(kept).judge == report.judge
    assert {answer["judge_pair"] for answer in kept["answers"]} == {"", "win"}


def test_stopped_it_compares_only_what_is_left(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime, bench = make(), Bench()
    options = Options(judge=JUDGE, concurrency=1)
    session = begin(runtime, [CONTROL, ASKED_OF], ASKED, options, make_model=bench.model)
    run(session)

    def watch(_step: Step) -> bool:
        return len(bench.compared) < 2

    asyncio.run(session.judge(LABELLED, [], watch))
    assert session.stopped == "interrompido"
    session.close()
    again = Session.resume(
        parts_of(runtime, evaluator, make_model=bench.model), tmp_path / "experiments", session.header.id
    )
    scored = bench.scored
    assert run(again) == ""
    (pairs,) = judged(again).pairs.values()
    assert (pairs["wins"], len(bench.compared), bench.scored) == (3, 6, scored)
    assert again.stopped == ""
    again.close()


def test_the_budget_holds_for_comparisons_too(make: Make, begin: Begin) -> None:
    runtime = make()
    dear = begin(
        runtime, [CONTROL, ASKED_OF], ASKED, Options(judge=JUDGE, budget=100), make_model=Bench().model
    )
    run(dear)
    whole = judged(dear)
    assert whole.cost is not None
    answered = sum(answer.cost or 0.0 for answer in dear.answers)
    bench = Bench()
    # Enough for the answers and the scores, and for some of the comparisons at most.
    options = Options(judge=JUDGE, budget=answered + whole.cost)
    tight = begin(runtime, [CONTROL, ASKED_OF], ASKED, options, make_model=bench.model)
    run(tight)
    judged(tight)
    assert tight.stopped == "orçamento esgotado"
    assert len(bench.compared) < 6
