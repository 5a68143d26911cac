"""A new experiment from what an administrator wrote: read as people write, refused in words."""

from pathlib import Path
from typing import Any

import pytest

from melancia.errors import MelanciaError
from melancia.records import PolicyMode
from melancia.settings import load_settings
from melancia.ui.experiment_form import FIELDS, choices, wanted

FILLED: dict[str, Any] = dict.fromkeys(FIELDS, "") | {
    "name": "curto",
    "model_A": "ollama:llama3.2:3b",
    "prompt_A": "v1",
    "temperature_A": "0,3",
    "k_A": "5",
    "weight_A": "70",
    "model_B": "ollama:llama3.2:3b",
    "prompt_B": "v1",
    "temperature_B": "0.7",
    "k_B": "8",
    "weight_B": "30",
    "mode": "sticky",
    "floor": "0,1",
    "error_rate": "0,15",
    "reason": " ver ",
}
SETTINGS = load_settings(_env_file=None)


def test_it_is_read_as_people_write() -> None:
    policy = wanted(FILLED, SETTINGS)
    first, second = policy.arms
    assert (policy.experiment, policy.reason, policy.mode) == ("curto", "ver", PolicyMode.STICKY)
    assert (first.name, first.variant.label, first.weight) == ("A", "ollama:llama3.2:3b", 70.0)
    assert (second.variant.temperature, second.variant.k, second.weight) == (0.7, 8, 30.0)
    assert first.variant.temperature == 0.3
    assert policy.guardrails == {"error_rate": 0.15}


def test_arms_may_differ_in_their_prompt_alone(tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, data_dir=tmp_path)
    same = {"temperature_B": "0,3", "k_B": "5"}
    first, second = (arm.variant for arm in wanted(FILLED | same | {"prompt_B": "v2"}, settings).arms)
    assert (first.prompt_version, second.prompt_version) == ("v1", "v2")
    assert first.hash != second.hash
    settings.prompts_dir.mkdir()
    (settings.prompts_dir / "curto.md").write_text("Uma frase.\n{sources}\n", "utf-8")
    (settings.prompts_dir / "com espaço.md").write_text("{sources}", "utf-8")
    assert wanted(FILLED | {"prompt_B": "curto"}, settings).arms[1].variant.prompt_version == "curto"
    *_, offered = choices(settings)
    assert [value for _, value in offered.choices] == ["v1", "v2", "curto"]


def test_the_least_share_counts_in_adaptive_mode_only() -> None:
    assert wanted(FILLED | {"mode": "adaptive", "floor": "0,25"}, SETTINGS).floor == 0.25
    assert wanted(FILLED | {"floor": "nada"}, SETTINGS).floor == 0.1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("model_A", None, "Falta o modelo do braço A"),
        ("model_B", "sem-provedor", "não diz quem responde"),
        ("model_B", "outro:x", "outro"),
        ("prompt_A", "../v1", "não existe"),
        ("temperature_A", "quente", "Temperatura de A"),
        ("temperature_B", "2,5", "A temperatura vai de 0 a 2"),
        ("temperature_B", "nan", "braço B"),
        ("k_A", "0", "k é um número inteiro de 1 a 20"),
        ("k_A", "muitos", "k é um número inteiro de 1 a 20"),
        ("weight_B", "", "Peso de B"),
        ("mode", "outro", "Esse modo não existe"),
        ("error_rate", "pouca", "taxa de erros"),
        ("reason", "   ", "Falta dizer por quê"),
    ],
)
def test_what_is_wrong_is_said(field: str, value: str | None, said: str) -> None:
    with pytest.raises(MelanciaError) as error:
        wanted(FILLED | {field: value}, SETTINGS)
    assert said in str(error.value)
