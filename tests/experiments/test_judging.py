"""A judge inside a benchmark: tried once, beside the metrics, within the budget, and never silently."""

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest
from langchain_core.language_models import BaseChatModel

from melancia.errors import MelanciaError
from melancia.evals.case import Case
from melancia.evals.evaluate import Evaluator
from melancia.evals.labelled_answers import LabelledAnswer
from melancia.experiments.judging import RATED, Rated, rated_cases
from melancia.experiments.plan import Options, Step
from melancia.experiments.results import JudgeReport
from melancia.experiments.session import Session
from melancia.records import Answer, Assignment, Feedback, FinishReason, Interaction, Variant
from melancia.store import Store
from tests.experiments.conftest import ASKED, Begin, Make, go_on, parts_of, run
from tests.standins.scripted import Scripted

JUDGE = "openai:gpt-4o"
ASKED_OF = Variant("openai", "gpt-4o-mini", context_window=None)
RIGHT, WRONG = "O ACOS é a razão.", "O ACOS é uma fruta."
LABELLED = [
    LabelledAnswer(f"q{number}", kind, kind == "right", Case(f"O que é ACOS, {number}?", text))
    for number in range(40)
    for kind, text in (("right", RIGHT), ("negated", WRONG))
]


class Bench:
    """The model that answers, and one that judges: by what the answer says, until it is told to fail."""

    def __init__(self, fails_on: str = "nunca") -> None:
        self.asked = 0
        self._fails_on = fails_on
        self._failing = 0

    def model(self, variant: Variant, _seed: int | None) -> BaseChatModel:
        """The model of ``variant``."""
        if variant.label == JUDGE:
            return Scripted(say=self._judgement, tokens=(400, 50))
        return Scripted(say=lambda question: WRONG if "frete" in question else RIGHT)

    def _judgement(self, prompt: str) -> str:
        self.asked += 1
        if self._fails_on in prompt:
            self._failing = 3  # its two other tries have another prompt
        if self._failing:
            self._failing -= 1
            return "não sei"
        good = WRONG not in prompt
        verdict, score = ("right", 1.0) if good else ("wrong", 0.0)
        return json.dumps({"reason": "Porque sim.", "verdict": verdict, "score": score})


def two_answers(step: Step) -> bool:
    """Stop once two answers are judged, of three."""
    return step.question == "calibração" or step.done < 2


def judged(session: Session, rated: list[Rated] | None = None) -> JudgeReport:
    """Let it judge to the end."""
    return asyncio.run(session.judge(LABELLED, rated or [], go_on))


def test_it_is_tried_once_and_stands_beside_the_metrics(
    make: Make, begin: Begin, evaluator: Evaluator
) -> None:
    runtime, bench = make(), Bench()
    session = begin(runtime, [ASKED_OF], ASKED, Options(judge=JUDGE), make_model=bench.model)
    run(session)
    before = {answer.question_id: answer.scores for answer in session.answers}
    found = judged(session)
    assert (found.fit, found.judged, found.failures) == (True, 3, 0)
    assert found.agreement["labelled"]["agreement"]["kappa"] == pytest.approx(1)
    assert found.agreement["thumbs"] is None
    assert found.cost is not None
    assert found.cost > 0
    assert bench.asked == len(LABELLED) + 3
    assert {answer.question_id: answer.judge_score for answer in session.answers} == {"a": 1, "b": 0, "c": 1}
    assert {answer.question_id: answer.scores for answer in session.answers} == before
    report = session.report(found)
    assert report.complete
    assert report.summaries[0].figures["judge_avg"] == pytest.approx(2 / 3)
    # Another benchmark with the same judge asks only about its own answers.
    again = begin(runtime, [ASKED_OF], ASKED[:1], Options(judge=JUDGE), make_model=bench.model)
    run(again)
    assert judged(again).fit
    assert bench.asked == len(LABELLED) + 4


def test_what_it_cannot_judge_has_a_reason_and_no_score(make: Make, begin: Begin) -> None:
    runtime, bench = make(), Bench(fails_on="aumenta a conversão?")
    options = Options(judge=JUDGE, concurrency=1)
    session = begin(runtime, [ASKED_OF], ASKED, options, make_model=bench.model)
    run(session)
    found = judged(session)
    (failed,) = (answer for answer in session.answers if answer.judge_score is None)
    assert (failed.question_id, found.failures) == ("b", 1)
    assert "julgamento válido" in failed.judge_failure
    assert session.report(found).summaries[0].figures["judge_avg"] == 1.0


def test_stopped_it_says_so_and_goes_on_where_it_was(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime, bench = make(), Bench()
    options = Options(judge=JUDGE, concurrency=1)
    session = begin(runtime, [ASKED_OF], ASKED, options, make_model=bench.model)
    run(session)

    asyncio.run(session.judge(LABELLED, [], two_answers))
    assert session.stopped == "interrompido"
    session.close()
    again = Session.resume(
        parts_of(runtime, evaluator, make_model=bench.model), tmp_path / "experiments", session.header.id
    )
    asked = bench.asked
    assert run(again) == ""
    judged(again)
    assert bench.asked == asked + 1
    assert again.stopped == ""
    assert all(answer.judge_score is not None for answer in again.answers)
    again.close()


def test_the_budget_holds_for_the_judge_too(make: Make, begin: Begin) -> None:
    runtime, bench = make(), Bench()
    session = begin(runtime, [ASKED_OF], ASKED, Options(judge=JUDGE, budget=0.01), make_model=bench.model)
    run(session)
    found = judged(session)
    assert (bench.asked, found.fit, session.stopped) == (0, None, "orçamento esgotado")
    assert "não foi posto à prova" in found.note


def test_what_it_cost_is_remembered_by_a_run_that_goes_on(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime, bench = make(), Bench()
    options = Options(judge=JUDGE, budget=10.0)
    session = begin(runtime, [ASKED_OF], ASKED, options, make_model=bench.model)
    run(session)

    found = asyncio.run(session.judge(LABELLED, [], two_answers))
    session.close()
    assert found.cost is not None
    # As much as the judge has cost already: nothing is left for the last answer.
    parts = parts_of(runtime, evaluator, make_model=bench.model)
    again = Session.resume(parts, tmp_path / "experiments", "", found.cost)
    asked = bench.asked
    run(again)
    judged(again)
    again.close()
    assert (again.stopped, bench.asked) == ("orçamento esgotado", asked)


@pytest.mark.parametrize("label", ["extractive", "gpt-4o", "opena:gpt-4o"])
def test_who_cannot_judge_is_refused(make: Make, begin: Begin, label: str) -> None:
    session = begin(make(), [ASKED_OF], ASKED[:1], Options(judge=label), make_model=Bench().model)
    run(session)
    with pytest.raises(MelanciaError, match=r"julga|provedor"):
        judged(session)


def test_peoples_thumbs_are_compared_with_it(make: Make, begin: Begin, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'polegares.db'}")
    for number in range(RATED + 5):
        good = number % 2 == 0
        interaction = Interaction(
            user_id="ana",
            conversation_id="c",
            question=f"O que é ACOS, {number}?",
            assignment=Assignment(ASKED_OF),
            exposure=ASKED_OF,
            answer=Answer(RIGHT if good else WRONG, finish_reason=FinishReason.STOP),
        )
        store.start(interaction)
        store.finish(interaction)
        store.rate(Feedback(interaction.id, "ana", thumb=1 if good else -1))
    rated = rated_cases(store)
    store.close()
    assert len(rated) == RATED
    assert rated[-1].case.question == f"O que é ACOS, {RATED + 4}?"
    runtime, bench = make(), Bench()
    session = begin(runtime, [ASKED_OF], ASKED[:1], Options(judge=JUDGE), make_model=bench.model)
    run(session)
    found = judged(session, rated)
    assert found.agreement["thumbs"]["kappa"] == pytest.approx(1)
    assert found.agreement["thumbs"]["pairs"] == RATED
    assert "polegares" in found.note
    turned = [dataclasses.replace(one, thumb=-one.thumb) for one in rated]
    again = begin(runtime, [ASKED_OF], ASKED[:1], Options(judge=JUDGE), make_model=bench.model)
    run(again)
    assert judged(again, turned).agreement["thumbs"]["kappa"] == pytest.approx(-1)
