"""What the page says of Ollama's models."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from melancia.llms.select import configured_ollama, fallback_variants, resolve_variant
from melancia.records import ModelState, ModelStatus, Variant, utc_now
from melancia.settings import Settings, load_settings
from melancia.ui.models_state import configured, is_pulling, models_state, not_ready, who_answers

MODEL = "llama3.1:8b"
HALF = ModelStatus(MODEL, ModelState.PULLING, 2_040_000_000, 4_700_000_000, "baixando")


def settings(**changes: Any) -> Settings:
    """Settings that name one model of Ollama."""
    return load_settings(_env_file=None, **{"variant": f"ollama:{MODEL}", **changes})


def chain(given: Settings) -> list[Variant]:
    """Who is asked, in order."""
    first = resolve_variant(given)
    return [first, *fallback_variants(given, first)]


def said(*statuses: ModelStatus, **changes: Any) -> str:
    """The page's lines."""
    given = settings(**changes)
    return "\n".join(models_state(configured(statuses, given), chain(given), given))


def fresh(status: ModelStatus) -> ModelStatus:
    """It, told just now: the suite may have been collected minutes ago."""
    return replace(status, updated_at=utc_now())


def test_a_pull_shows_percent_size_and_who_answers_meanwhile() -> None:
    wanted = "⏳ Baixando llama3.1:8b: 43 % (2,0 de 4,7 GB). Até lá, responde o modo extrativo."
    assert said(fresh(HALF)) == wanted
    assert is_pulling([HALF])


def test_another_model_that_answers_meanwhile_is_named() -> None:
    assert said(fresh(HALF), fallbacks="openai:gpt-4o-mini").endswith("Até lá, responde openai:gpt-4o-mini.")


def test_a_fallback_that_is_missing_too_does_not_answer() -> None:
    other = ModelStatus("mistral:7b", detail="na fila")
    lines = said(fresh(HALF), fresh(other), fallbacks="ollama:mistral:7b")
    assert "Até lá, responde o modo extrativo" in lines
    assert "⏳ mistral:7b: na fila." in lines
    assert lines.count("Até lá") == 1, "nobody waits for the fallback"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (replace(HALF, detail="conferindo"), "⏳ Baixando llama3.1:8b: conferindo…"),
        (replace(HALF, completed=0, total=0), "começando"),
        (ModelStatus(MODEL, detail="o Ollama ainda não responde"), "⏳ llama3.1:8b: o Ollama ainda não"),
        (
            ModelStatus(MODEL, ModelState.FAILED, error="O disco está cheio. Apague algo."),
            "⚠️ llama3.1:8b não foi baixado: O disco está cheio. Apague algo. Até lá, responde o modo",
        ),
        (
            ModelStatus(MODEL, ModelState.READY, error="Falta memória."),
            "está baixado, mas não responde: Falta memória.",
        ),
    ],
)
def test_each_state_has_its_words(status: ModelStatus, words: str) -> None:
    assert words in said(fresh(status))


def test_a_worker_that_died_is_named_instead_of_a_progress_that_stands() -> None:
    assert "o worker não dá notícias" in said(replace(HALF, updated_at=utc_now() - timedelta(minutes=4)))
    assert "melancia worker" in said(replace(HALF, updated_at=utc_now() - timedelta(minutes=4)))


def test_a_silent_cpu_fallback_is_told_only_where_a_gpu_is_expected() -> None:
    slow = ModelStatus(MODEL, ModelState.READY, gpu_share=0.0, tokens_per_second=6.2)
    assert said(slow) == ""
    assert "⚠️ llama3.1:8b roda na CPU (0 % na GPU, 6,2 tokens/s)" in said(slow, expect_gpu=True)
    assert "em parte na CPU (63 % na GPU" in said(replace(slow, gpu_share=0.634), expect_gpu=True)
    assert said(replace(slow, gpu_share=1.0), expect_gpu=True) == ""
    assert said(replace(slow, gpu_share=None), expect_gpu=True) == ""


def test_nothing_is_said_of_a_ready_model_or_without_rows() -> None:
    ready = ModelStatus(MODEL, ModelState.READY)
    assert said(ready) == ""
    assert said() == ""
    assert not not_ready([ready])
    assert not_ready([ModelStatus(MODEL, ModelState.FAILED)])


def test_rows_of_models_that_are_configured_no_more_are_left_out() -> None:
    assert configured([HALF, ModelStatus("antigo:1b")], settings()) == [HALF]


def test_a_blind_page_names_no_model() -> None:
    everything = (
        HALF,
        replace(HALF, detail="conferindo"),
        ModelStatus(MODEL, ModelState.FAILED, error=f"Sem {MODEL}."),
        ModelStatus(MODEL, ModelState.READY, error=f"Sem {MODEL}."),
        ModelStatus(MODEL, ModelState.READY, gpu_share=0.0),
        ModelStatus(MODEL, detail="na fila"),
    )
    for status in everything:
        line = said(status, blind=True, expect_gpu=True, fallbacks="openai:gpt-4o-mini")
        assert line
        assert MODEL not in line
        assert "gpt" not in line


def test_an_embedding_model_holds_up_the_search_and_not_the_answers() -> None:
    status = ModelStatus("bge-m3", ModelState.PULLING, 1, 2, "baixando")
    line = said(status, embedding_model="ollama:bge-m3")
    assert "Até lá, a busca usa só palavras" in line
    assert "responde" not in line


def test_what_ollama_calls_itself_cannot_become_an_element() -> None:
    assert "<img" not in said(ModelStatus(MODEL, ModelState.FAILED, error="<img src=x>"))


def test_who_answers_skips_what_is_missing() -> None:
    given = settings(fallbacks="ollama:mistral:7b")
    assert who_answers(chain(given), []).model == MODEL
    assert who_answers(chain(given), [HALF]).model == "mistral:7b"
    missing = [HALF, ModelStatus("mistral:7b", ModelState.FAILED)]
    assert who_answers(chain(given), missing).provider == "extractive"


def test_configured_models_come_from_variant_fallbacks_and_embeddings() -> None:
    given = settings(fallbacks="extractive, ollama:mistral:7b,openai:gpt-4o", embedding_model="ollama:bge-m3")
    assert configured_ollama(given) == ("bge-m3", MODEL, "mistral:7b")
    assert configured_ollama(settings(variant="auto")) == ()
    assert configured_ollama(settings(variant="extractive")) == ()
