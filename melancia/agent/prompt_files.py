"""The prompts: those that ship, in the package's ``prompts/``, and one's own, ``<name>.md`` in a folder."""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from melancia.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SHIPPED = re.compile(r"v\d+", re.IGNORECASE)  # those of later versions too
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


@lru_cache(maxsize=32)
def load_prompt(name: str, folder: Path | None = None) -> str:
    """The text of a prompt. One's own is read once a process: an experiment's text does not change under it.

    ``folder`` need not exist. Raises InputError when there is no such prompt, or one's own cannot be used.
    """
    shipped = _shipped()
    if name in shipped:
        return files("melancia.agent").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    if folder is None or name not in _own(folder):
        known = [*shipped, *_own(folder)]
        where = f" Os seus ficam em {folder}, como nome.md." if folder else ""
        raise InputError(f"O prompt “{name}” não existe.", f"Existem: {', '.join(known)}.{where}")
    return _read(folder / f"{name}.md")


def prompt_names(folder: Path | None = None) -> Sequence[str]:
    """The prompts that there are: those that ship, then one's own, by name."""
    return [*_shipped(), *_own(folder)]


def check_prompt(name: str, folder: Path) -> None:
    """Whether an arm may have the prompt ``name``.

    Raises InputError when ``load_prompt`` does, and for a name that ships while ``folder`` has a file of that
    name, which is never read.
    """
    file = folder / f"{name}.md"
    if _SHIPPED.fullmatch(name) and file.exists():
        raise InputError(
            f"O arquivo {file} não é lido: v1, v2… são os nomes dos prompts que vêm com a MelâncIA.",
            "Dê-lhe outro nome, como curto.md.",
        )
    load_prompt(name, folder)


def _shipped() -> list[str]:
    folder = files("melancia.agent").joinpath("prompts")
    return sorted(item.name.removesuffix(".md") for item in folder.iterdir() if item.name.endswith(".md"))


def _own(folder: Path | None) -> list[str]:
    names = [file.stem for file in folder.glob("*.md")] if folder else []
    return sorted(name for name in names if _NAME.fullmatch(name) and not _SHIPPED.fullmatch(name))


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"O prompt em {file} não pôde ser lido.", "Confira as permissões e salve-o em UTF-8."
        ) from error
    wanted = dict.fromkeys(_PLACEHOLDER.findall(load_prompt("v1")))
    missing = [placeholder for placeholder in wanted if placeholder not in text]
    if missing:
        raise InputError(
            f"No prompt em {file} falta {' e '.join(missing)}.",
            "Escreva isso onde as fontes devem entrar, como em melancia/agent/prompts/v1.md.",
        )
    return text
