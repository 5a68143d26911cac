"""What a benchmark asks: the guide's three questions, or the answerable ones of the test split."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from melancia.errors import InputError
from melancia.records import Turn
from melancia.settings import PROJECT_DIR

Mode = Literal["quick", "full"]
FOLDER = PROJECT_DIR / "data" / "questions"
QUICK = (
    "O que é Retail Media?",
    "Quais são as principais métricas de performance?",
    "Como funciona o ACOS no Mercado Livre?",
)
# None of those that are measured: its answer would still be warm in the model's prompt cache.
WARM_UP = "Qual é a diferença entre ACOS e TACOS?"


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the turns that come before it, the same for every model. ``id`` is unique in a run."""

    id: str
    text: str
    history: tuple[Turn, ...] = ()


def questions(mode: Mode, limit: int | None = None, folder: Path = FOLDER) -> list[Question]:
    """The questions of ``mode``, at most ``limit``. Raises InputError when the file is missing or broken."""
    if mode == "quick":
        found = [Question(f"quick-{number}", text) for number, text in enumerate(QUICK, 1)]
    else:
        found = _answerable(folder / "test.jsonl")
    if not found:
        raise InputError("Não há perguntas com resposta no conjunto test.", f"Confira {folder}.")
    return found[:limit]


def _answerable(path: Path) -> list[Question]:
    try:
        items = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        return [
            Question(item["id"], item["question"], tuple(_turn(turn) for turn in item["history"]))
            for item in items
            if item["gold"]
        ]
    except OSError as error:
        raise InputError(
            f"As perguntas em {path} não puderam ser lidas.", "Use --mode quick ou restaure o arquivo."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"O arquivo {path} tem uma linha malformada.", "Restaure-o ou use --mode quick."
        ) from error


def _turn(value: dict[str, str]) -> Turn:
    return Turn(value["question"], value["answer"])
