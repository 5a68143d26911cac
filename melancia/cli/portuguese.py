"""Typer's own words in Portuguese: the headings of a help, what is wrong with the arguments, a question.

Typer has them in English, and of most of them nowhere but in its code.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import typer
from pydantic import ValidationError
from typer._click import exceptions as wrong
from typer._click.core import Command, Context
from typer._click.formatting import HelpFormatter
from typer.core import TyperGroup
from typer.main import get_command

from melancia.validation import reason

_HEADINGS = {"Arguments": "Argumentos", "Options": "Opções", "Commands": "Comandos"}
_KINDS = {"int": "inteiro", "float": "número", "str": "texto", "path": "caminho", "bool": "true|false"}
_KIND = re.compile(rf"<(?:list\[)?({'|'.join(_KINDS)})\]?(?: range)?>")
_NO_COMMAND = re.compile(r"No such command (['\"])(.*)\1\.(?: Did you mean (.*)\?)?$")
_TOO_MANY = re.compile(r"Got unexpected extra argument\(s\) \((.*)\)$")
_EXTRA = re.compile(r"\[[^\[\]]*\]$")  # what Typer adds to an option's help
_YES, _NO = frozenset({"s", "sim"}), frozenset({"", "n", "nao"})


def run(app: typer.Typer) -> int:
    """Run the command line ``app`` and give back its exit code: 2 for arguments that are not valid."""
    command = get_command(app)
    _translate(command)
    try:
        return command(prog_name="melancia", standalone_mode=False) or 0
    except wrong.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except wrong.ClickException as error:
        _show(error)
        return error.exit_code
    except typer.Abort:
        typer.echo("Cancelado.", err=True)
        return 1


def confirm(question: str) -> bool:
    """Whether ``question`` was answered with a yes; an empty answer is a no.

    Raises typer.Abort when there is no answer.
    """
    while True:
        try:
            said = typer.prompt(f"{question} [s/N]", default="", show_default=False)
        except typer.Abort:
            typer.echo(err=True)  # what comes next begins a line
            raise
        plain = unicodedata.normalize("NFD", said.strip().lower()).encode("ascii", "ignore").decode()
        if plain in _YES | _NO:
            return plain in _YES
        typer.echo("Responda sim ou não.", err=True)


class _Formatter(HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or "Uso: ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(_HEADINGS.get(heading, heading))

    def write_dl(self, rows: Sequence[tuple[str, str]], *args: Any, **options: Any) -> None:
        super().write_dl([(_kind(name), _help(text)) for name, text in rows], *args, **options)


class _Context(Context):
    formatter_class = _Formatter


def _translate(command: Command) -> None:
    command.context_class = _Context
    command.options_metavar = "[OPÇÕES]"
    if isinstance(command, TyperGroup):
        command.subcommand_metavar = "COMANDO [ARGUMENTOS]..."
        for inner in command.commands.values():
            _translate(inner)


def _kind(name: str) -> str:
    return _KIND.sub(lambda found: f"<{_KINDS[found[1]]}>", name)


def _help(text: str) -> str:
    if text == "Show this message and exit.":
        return "Mostra esta ajuda."
    return _EXTRA.sub(_extra, text)


def _extra(found: re.Match[str]) -> str:
    said = re.sub(r"(?<=\[)default: ", "padrão: ", found[0])
    return re.sub(r"\brequired\]$", "obrigatório]", said)


def _show(error: wrong.ClickException) -> None:
    message, remedy = _told(error)
    if isinstance(error, wrong.UsageError) and error.ctx is not None:
        typer.echo(f"{error.ctx.get_usage()}\n", err=True)
        remedy += f" Veja `{error.ctx.command_path} --help`."
    typer.echo(f"Erro: {message}", err=True)
    if remedy:
        typer.echo(remedy.strip(), err=True)


def _told(error: wrong.ClickException) -> tuple[str, str]:
    """What is wrong, and what was meant, if that can be guessed."""
    match error:
        case wrong.NoSuchOption():
            return f"A opção {error.option_name} não existe.", _meant(sorted(error.possibilities or ()))
        case wrong.MissingParameter(param=param) if param is not None:
            kind = "a opção" if param.param_type_name == "option" else "o argumento"
            return f"Falta {kind} {_name(error)}.", ""
        case wrong.BadParameter():
            return f"O valor de {_name(error)} {_why(error)}.", ""
        case wrong.BadOptionUsage():
            takes = "precisa de um valor" if "requires" in error.message else "não recebe valor"
            return f"A opção {error.option_name} {takes}.", ""
    said = error.format_message()
    if found := _NO_COMMAND.match(said):
        return f"O comando {found[2]} não existe.", _meant(re.findall(r"'(.*?)'", found[3] or ""))
    if found := _TOO_MANY.match(said):
        return f"Sobram argumentos: {found[1]}.", "Um texto com espaços vai entre aspas."
    return ("Falta o comando." if said == "Missing command." else said), ""


def _name(error: wrong.BadParameter) -> str:
    return error.param.get_error_hint().replace("'", "") if error.param is not None else "um argumento"


def _why(error: wrong.BadParameter) -> str:
    choices = error.param.type_descriptor.choices if error.param is not None else None
    if choices:
        return f"deve ser {_either(list(map(str, choices)))}"
    if isinstance(error.__cause__, ValidationError):
        return reason(error.__cause__.errors(include_input=False, include_url=False)[0])
    return "não vale"


def _meant(near: Sequence[str]) -> str:
    return f"Quis dizer {_either(near)}?" if near else ""


def _either(names: Sequence[str]) -> str:
    return " ou ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
