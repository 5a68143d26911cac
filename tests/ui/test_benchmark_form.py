"""What the form's fields become: parameters that the jobs' catalog takes, or a refusal in words."""

from pathlib import Path
from typing import Any

import pytest

from melancia.errors import InputError
from melancia.jobs.catalog import parameters as checked
from melancia.settings import load_settings
from melancia.ui import benchmark_form
from melancia.ui.benchmark_form import FIELDS, parameters
from tests.standins.ollama import OllamaStandin

UNTOUCHED: dict[str, Any] = {
    "mode": "quick",
    "models": [],
    "categories": [],
    "limit": "",
    "repeats": "1",
    "seed": "0",
    "budget": "",
    "judge": "",
    "pipeline": False,
    "batch": False,
}


def test_the_fields_are_parameters_of_the_job() -> None:
    assert set(FIELDS) == set(UNTOUCHED)
    assert set(FIELDS) <= set(checked("benchmark", {}).model_dump())


def test_an_untouched_form_asks_for_nothing_special() -> None:
    assert parameters(UNTOUCHED) == {"mode": "quick"}


def test_all_that_was_chosen_reaches_the_job() -> None:
    given = {
        "mode": "full",
        "models": ["ollama:phi3:mini"],
        "categories": ["how-to"],
        "limit": " 5 ",
        "repeats": "3",
        "seed": "7",
        "budget": "0,50",
        "judge": "openai:gpt-4o",
        "pipeline": True,
    }
    found = parameters(UNTOUCHED | given)
    assert found == given | {"limit": 5, "repeats": 3, "seed": 7, "budget": 0.5}
    assert checked("benchmark", found).arguments() == (
        "benchmark --mode full --models ollama:phi3:mini --categories how-to --limit 5 --repeats 3 --seed 7 "
        "--budget 0.5 --judge openai:gpt-4o --pipeline"
    ).split(" ")


def test_categories_of_a_mode_that_has_none_are_not_sent() -> None:
    assert parameters(UNTOUCHED | {"categories": ["how-to"]}) == {"mode": "quick"}


def test_a_budget_of_nothing_is_a_budget() -> None:
    assert parameters(UNTOUCHED | {"budget": "0"}) == {"mode": "quick", "budget": 0.0}


@pytest.mark.parametrize(
    ("field", "written", "said"),
    [
        *(("limit", text, "limite.*de 1 a 1000") for text in ("0", "-1", "1001", "1.5", "dez", "²", "1e3")),
        ("repeats", "101", "repetições.*de 1 a 100"),
        ("seed", str(2**31), "semente"),
        *(("budget", text, "orçamento") for text in ("-1", "1e3", "nan", "inf", "0,5,5", "R$ 1", ",5", "1.")),
    ],
)
def test_what_is_no_number_is_refused_in_words(field: str, written: str, said: str) -> None:
    with pytest.raises(InputError, match=f"(?i){said}"):
        parameters(UNTOUCHED | {field: written})


def test_a_batch_through_the_users_way_is_refused() -> None:
    with pytest.raises(InputError, match="lote"):
        parameters(UNTOUCHED | {"batch": True, "pipeline": True})


def test_only_what_can_be_used_is_offered(tmp_path: Path) -> None:
    with OllamaStandin(models=["llama3.2:3b"]) as ollama:
        settings = load_settings(_env_file=None, data_dir=tmp_path, ollama_base_url=ollama.url)
        models, categories, judges = benchmark_form.choices(settings)
    assert [value for _, value in models.choices] == ["ollama:llama3.2:3b"]
    assert ("como fazer", "how-to") in categories.choices
    assert [value for _, value in judges.choices] == ["", "ollama:llama3.2:3b"]


def test_without_any_server_it_says_so(tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, data_dir=tmp_path, ollama_base_url="http://127.0.0.1:9")
    models, _, judges = benchmark_form.choices(settings)
    assert models.choices == []
    assert "melancia doctor" in models.info
    assert [value for _, value in judges.choices] == [""]
