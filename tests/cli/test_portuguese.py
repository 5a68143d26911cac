"""What the command line says of its arguments, in a process of its own: none of it in Typer's English."""

import re
from pathlib import Path

import pytest

from tests.cli.test_cli import melancia

_ENGLISH = re.compile(
    r"Usage|Options|Commands|Arguments|OPTIONS|COMMAND \[ARGS\]|Error|Try |Missing|Invalid|Input should|"
    r"No such|Show this|default|required|range|<(str|int|float|path|list)[ >[]|Aborted|Did you mean"
    r"|unexpected"
)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nada",), "O comando nada não existe."),
        (("serv",), "Quis dizer serve ou search?"),
        (("benchmark", "--modell", "ui"), "A opção --modell não existe."),
        (("benchmark", "--modell", "ui"), "Quis dizer --mode ou --models?"),
        (("benchmark", "--mode", "x"), "O valor de --mode deve ser quick, full ou ui."),
        (("benchmark", "--mode"), "A opção --mode precisa de um valor."),
        (("benchmark", "--batch=sim"), "A opção --batch não recebe valor."),
        (("benchmark", "--limit", "0"), "O valor de --limit deve ser no mínimo 1."),
        (("benchmark", "--limit", "dez"), "O valor de --limit deve ser um número inteiro."),
        (("benchmark", "--repeats", "101"), "O valor de --repeats deve ser no máximo 100."),
        (("benchmark", "--budget", "x"), "O valor de --budget deve ser um número."),
        (("experiment", "create", "m", "--reason", "r"), "Falta a opção --arm."),
        (("experiment", "create"), "Falta o argumento NOME."),
        (("ask", "o", "que", "é"), "Sobram argumentos: que é."),
        (("ask",), "Veja `melancia ask --help`."),
    ],
)
def test_what_is_wrong_with_the_arguments(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = melancia(*arguments, data=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Erro: " in done.stderr
    assert not _ENGLISH.search(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--help",),
            ("Uso: melancia [OPÇÕES] COMANDO", "Opções:", "Comandos:", "Mostra esta ajuda."),
        ),
        (("benchmark", "--help"), ("[padrão: 0; x>=0]", "--limit <inteiro>", "--budget <número>")),
        (("experiment", "create", "--help"), ("Argumentos:", "NOME <texto>", "[obrigatório]")),
        (("experiment", "promote", "--help"), ("{NOME} {BRAÇO}",)),
        (("search", "--help"), ("{TEXTO}",)),
    ],
)
def test_the_help(tmp_path: Path, arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    done = melancia(*arguments, data=tmp_path)
    assert done.returncode == 0
    assert all(one in done.stdout for one in said)
    assert not _ENGLISH.search(done.stdout)


def test_a_group_without_a_command_shows_its_help(tmp_path: Path) -> None:
    done = melancia("experiment", data=tmp_path)
    assert done.returncode == 2
    assert "Comandos:" in done.stderr
    assert not _ENGLISH.search(done.stderr)
