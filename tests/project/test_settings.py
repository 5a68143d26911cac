"""Settings: the example holds every variable with its default; the unknown is refused; secrets stay so."""

import itertools
import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from melancia.errors import SettingsError
from melancia.settings import Settings, known_variables, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def compose_defaults() -> dict[str, str]:
    """The variables of the compose files that are not the application's → their defaults."""
    text = "".join(path.read_text("utf-8") for path in sorted(EXAMPLE.parent.glob("compose*.yaml")))
    found = dict(re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)\}", text))
    return {name: value for name, value in found.items() if name not in known_variables()}


def test_the_example_names_every_variable_and_no_other() -> None:
    given = dotenv_values(EXAMPLE)
    assert set(given) == set(known_variables()) | set(compose_defaults()) | {"COMPOSE_FILE"}
    assert {name: given[name] for name in compose_defaults()} == compose_defaults()


def test_each_variable_is_explained_in_one_sentence() -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    for before, line in itertools.pairwise(lines):
        name = line.partition("=")[0]
        if name in compose_defaults():
            assert before.startswith("# ")
        if name in known_variables():
            assert before == f"# {known_variables()[name]}"


def test_the_example_is_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE.parent)
    assert Settings(_env_file=EXAMPLE) == Settings(_env_file=None)


def test_an_unknown_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELANCIA_FALLBACK", "x")
    with pytest.raises(SettingsError, match="MELANCIA_FALLBACKS"):
        load_settings()


def test_an_unknown_variable_in_the_env_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("MELANCIA_PORTA=1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="MELANCIA_PORT"):
        load_settings()


def test_a_first_token_may_not_take_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELANCIA_TOTAL_TIMEOUT", "60")
    with pytest.raises(SettingsError, match=r"MELANCIA_FIRST_TOKEN_TIMEOUT \(60\).*arquivo \.env"):
        load_settings(_env_file=None)
    monkeypatch.setenv("MELANCIA_FIRST_TOKEN_TIMEOUT", "59.5")
    assert load_settings(_env_file=None).first_token_timeout == 59.5


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HUGGINGFACE_API_TOKEN", "MELANCIA_AUTH", "MELANCIA_SECRET_KEY"):
        monkeypatch.setenv(name, "ana:segredo")
    settings = load_settings(_env_file=None)
    assert "segredo" not in repr(settings) + str(settings) + settings.model_dump_json()
