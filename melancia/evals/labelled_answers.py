"""The labelled answers of ``data/labelled`` as cases, each with its kind and whether it is right."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melancia.errors import InputError
from melancia.evals.case import Case, Source
from melancia.records import Turn
from melancia.settings import PROJECT_DIR

FOLDER = PROJECT_DIR / "data" / "labelled"
RIGHT_KINDS = frozenset({"right", "refusal"})
KINDS = RIGHT_KINDS | {
    "wrong-number",
    "unsupported",
    "negated",
    "english",
    "other-answer",
    "undue-refusal",
    "answered",
    "empty",
}


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """One answer to the question ``question_id``, of a ``kind`` (see ``data/labelled/README.md``)."""

    question_id: str
    kind: str
    right: bool
    case: Case


def read_labelled(path: Path = FOLDER / "heldout.jsonl") -> list[LabelledAnswer]:
    """The answers of ``path``, in its order. Raises InputError naming the file and the line."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"As respostas rotuladas em {path} não puderam ser lidas.",
            "Confira o caminho e se o texto está em UTF-8.",
        ) from error
    found: list[LabelledAnswer] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found += _answers(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}, linha {number}: não é uma pergunta com respostas rotuladas.",
                "O formato está em data/labelled/README.md.",
            ) from error
    return found


def _answers(item: Mapping[str, Any]) -> Iterator[LabelledAnswer]:
    sources = tuple(
        Source(one["document_id"], one["title"], one["section"], one["text"])
        for one in sorted(item["passages"], key=lambda one: one["rank"])
    )
    history = tuple(Turn(turn["question"], turn["answer"]) for turn in item["history"])
    for answer in item["answers"]:
        if answer["kind"] not in KINDS:
            raise ValueError(answer["kind"])
        yield LabelledAnswer(
            item["id"],
            answer["kind"],
            answer["kind"] in RIGHT_KINDS,
            Case(
                question=item["question"],
                answer=answer["text"],
                sources=sources,
                history=history,
                reference=item["reference"],
                key_facts=tuple(item["key_facts"]),
                gold=tuple(item["gold"]),
                answerable=bool(item["gold"]),
            ),
        )
