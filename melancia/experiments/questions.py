"""What a benchmark asks: the guide's three questions, the test split's, a file's, or a drift report's."""

import json
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from melancia.errors import InputError, InteractionNotFoundError
from melancia.masking import mask
from melancia.records import Turn
from melancia.settings import PROJECT_DIR
from melancia.text import fold, normalise

if TYPE_CHECKING:
    from melancia.store import Store

Mode = Literal["quick", "full"]
FOLDER = PROJECT_DIR / "data" / "questions"
QUICK = (
    "O que é Retail Media?",
    "Quais são as principais métricas de performance?",
    "Como funciona o ACOS no Mercado Livre?",
)
# None of those that are measured: its answer would still be warm in the model's prompt cache.
WARM_UP = "Qual é a diferença entre ACOS e TACOS?"
_HOW = "O formato está em docs/benchmark.md."


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the turns that come before it, the same for every model. ``id`` is unique in a run.

    ``reference``, ``key_facts`` and ``gold`` (document ids) say what a right answer is, where that is known;
    ``answerable`` is None where it is not.
    """

    id: str
    text: str
    history: tuple[Turn, ...] = ()
    category: str = ""
    reference: str = ""
    key_facts: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()
    answerable: bool | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``asdict``. Raises KeyError, TypeError on something else."""
        lists = {name: tuple(values[name]) for name in ("key_facts", "gold")}
        return cls(**{**values, **lists, "history": tuple(Turn(**turn) for turn in values["history"])})


def questions(
    mode: Mode,
    *,
    file: Path | None = None,
    categories: Sequence[str] = (),
    limit: int | None = None,
    seed: int = 0,
    folder: Path = FOLDER,
) -> list[Question]:
    """The questions of ``file``, or of ``mode``, in their order; only of ``categories`` when some are given.

    Of more than ``limit``, a sample by ``seed``, except of the guide's, whose first ones are taken. Raises
    InputError when the file is missing or broken, a category unknown, or nothing is left.
    """
    source = file or folder / "test.jsonl"
    quick = mode == "quick" and file is None
    found = _quick() if quick else read(source)
    if categories:
        found = _of(found, categories, quick=quick)
    if not found:
        raise InputError(f"O arquivo {source} não tem perguntas.", _HOW)
    return found[:limit] if quick else _sample(found, limit, seed)


def of_report(
    store: "Store", report_id: str, topic: str | None = None, *, limit: int | None = None, seed: int = 0
) -> list[Question]:
    """What users asked, masked, where a drift report found a change: the examples of its findings, or of
    those on ``topic``. Each stands by itself, once, and nothing is known of a right answer.

    Of more than ``limit``, a sample by ``seed``. Raises InputError for no such report, or without questions.
    """
    report = store.reports.get(report_id)
    named = [one for one in report.drifted if topic is None or one.topic == topic]
    found: dict[str, Question] = {}
    for example in dict.fromkeys(example for finding in named for example in finding.examples):
        with suppress(InteractionNotFoundError):  # erased since, at its user's wish
            asked = store.get(example)
            text = mask(normalise(asked.standalone or asked.question))
            found.setdefault(fold(text), Question(asked.id, text))
    if not found:
        topics = ", ".join(dict.fromkeys(one.topic for one in report.drifted if one.topic and one.examples))
        raise InputError(
            f"O relatório {report_id} não guarda perguntas{f' do assunto {topic}' if topic else ''}.",
            f"Há dos assuntos: {topics}." if topics else "Escolha outro em `melancia actions list`.",
        )
    return _sample(list(found.values()), limit, seed)


def read(path: Path) -> list[Question]:
    """The questions of ``path``: JSON Lines (``.jsonl``), or a question a line (any other name).

    Raises InputError naming the file and the line.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"As perguntas em {path} não puderam ser lidas.", "Confira o caminho e se o texto está em UTF-8."
        ) from error
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if path.suffix != ".jsonl":
        return [Question(f"linha-{number}", line) for number, line in numbered]
    found = [_parsed(path, number, line) for number, line in numbered]
    seen: set[str] = set()
    for (number, _), question in zip(numbered, found, strict=True):
        if question.id in seen:
            raise InputError(f"{path}, linha {number}: o id “{question.id}” se repete.", _HOW)
        seen.add(question.id)
    return found


def _sample(found: list[Question], limit: int | None, seed: int) -> list[Question]:
    if limit is None or limit >= len(found):
        return found
    chosen = set(random.Random(seed).sample(range(len(found)), limit))  # noqa: S311 (no secret)
    return [question for place, question in enumerate(found) if place in chosen]


def _quick() -> list[Question]:
    return [Question(f"quick-{number}", text) for number, text in enumerate(QUICK, 1)]


def _of(found: Sequence[Question], categories: Sequence[str], *, quick: bool) -> list[Question]:
    known = sorted({question.category for question in found} - {""})
    unknown = [name for name in categories if name not in known]
    if quick or unknown:
        named = ", ".join(unknown or categories)
        hint = "As três do guia não têm categoria: use --mode full." if quick else f"Há: {', '.join(known)}."
        raise InputError(f"Nenhuma pergunta é da categoria {named}.", hint)
    return [question for question in found if question.category in categories]


def _parsed(path: Path, number: int, line: str) -> Question:
    try:
        item = json.loads(line)
        return _question(item, number)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}, linha {number}: não é uma pergunta.", _HOW) from error


def _question(item: Mapping[str, Any], number: int) -> Question:
    text = _text(item["question"])
    if not text.strip():
        raise ValueError("a question without text")
    gold, category, reference = (item.get(name) for name in ("gold", "category", "reference"))
    return Question(
        id=str(item.get("id") or f"linha-{number}"),
        text=text,
        history=tuple(
            Turn(_text(turn["question"]), _text(turn["answer"])) for turn in item.get("history") or ()
        ),
        category="" if category is None else _text(category),
        reference="" if reference is None else _text(reference),
        key_facts=_texts(item.get("key_facts")),
        gold=_texts(gold),
        answerable=None if gold is None else bool(gold),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("not a list of texts")
    return tuple(value)
