"""What an administrator chooses of a benchmark, and the job's parameters that it becomes."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from melancia.errors import InputError
from melancia.experiments import words
from melancia.experiments.questions import FOLDER, read
from melancia.experiments.variants import candidates
from melancia.llms.select import EXTRACTIVE
from melancia.settings import Settings

_MODES = [("Rápido: as três perguntas do guia", "quick"), ("Completo: as perguntas de teste", "full")]
_MAX_LIMIT, _MAX_REPEATS, _MAX_SEED = 1000, 100, 2**31 - 1
FIELDS = (
    "mode",
    "models",
    "categories",
    "limit",
    "repeats",
    "seed",
    "budget",
    "judge",
    "pipeline",
    "batch",
)
"""The names of the form's fields, which are those of the job's parameters."""
_NO_JUDGE = ("sem juiz", "")
_MODELS = "Vazio: todos os disponíveis. O extrativo entra sempre, como controle."
_NO_MODELS = "Só o extrativo está disponível; `melancia doctor` diz por quê."


class Form:
    """The fields, laid out where it is made."""

    def __init__(self) -> None:
        with gr.Row():
            self.mode = gr.Radio(_MODES, value="quick", label="Perguntas", elem_id="bench-modo")
            # Not a Number: an empty one sends 0.
            self.limit = gr.Textbox(
                label="No máximo tantas perguntas (opcional)",
                placeholder="todas",
                max_length=6,
                elem_id="bench-limite",
            )
        self.models = gr.Dropdown(
            [], value=[], multiselect=True, label="Modelos", info=_MODELS, elem_id="bench-modelos"
        )
        self.categories = gr.Dropdown(
            [],
            value=[],
            multiselect=True,
            label="Categorias de pergunta",
            info="Vazio: todas.",
            visible=False,
            elem_id="bench-categorias",
        )
        with gr.Accordion("Mais opções", open=False, elem_id="bench-opcoes"):
            with gr.Row():
                self.repeats = gr.Textbox(
                    label="Vezes que cada pergunta é feita", value="1", max_length=3, elem_id="bench-vezes"
                )
                self.seed = gr.Textbox(label="Semente", value="0", max_length=10, elem_id="bench-semente")
                self.budget = gr.Textbox(
                    label="Orçamento em US$ (opcional)",
                    placeholder="sem limite",
                    max_length=12,
                    elem_id="bench-orcamento",
                )
            self.judge = gr.Dropdown(
                [_NO_JUDGE],
                value="",
                label="Juiz",
                info="Um modelo que também dá nota às respostas, à parte da qualidade.",
                elem_id="bench-juiz",
            )
            self.pipeline = gr.Checkbox(
                label="Caminho inteiro dos usuários: cada modelo com sua própria busca e recusa",
                elem_id="bench-caminho",
            )
            self.batch = gr.Checkbox(
                label="Modelos da OpenAI em lote: metade do preço, em até um dia", elem_id="bench-lote"
            )
        self.mode.input(
            lambda mode: gr.Dropdown(visible=mode == "full"),
            [self.mode],
            [self.categories],
            queue=False,
            api_visibility="private",
            show_progress="hidden",
        )

    @property
    def fields(self) -> list[Any]:
        """In the order of ``FIELDS``."""
        return [getattr(self, name) for name in FIELDS]

    @property
    def read_late(self) -> list[Any]:
        """What ``choices`` fills."""
        return [self.models, self.categories, self.judge]


def choices(settings: Settings) -> tuple[Any, Any, Any]:
    """Usable models, categories, judges. Asks the servers what they have: seconds when one is away."""
    usable = [
        card.label
        for card in candidates(settings)
        if card.availability.usable and card.provider != EXTRACTIVE
    ]
    try:
        known = sorted({question.category for question in read(FOLDER / "test.jsonl")} - {""})
    except InputError:
        known = []  # without the file, the job itself says what is missing
    named = sorted((words.category(name), name) for name in known)
    return (
        gr.Dropdown(choices=usable, info=_MODELS if usable else _NO_MODELS),
        gr.Dropdown(choices=named),
        gr.Dropdown(choices=[_NO_JUDGE, *((label, label) for label in usable)]),
    )


def parameters(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of the job, without those left as they are, of the values of ``FIELDS``.

    Raises InputError naming the field.
    """
    if given["batch"] and given["pipeline"]:
        raise InputError(
            "Um lote não passa pelo caminho inteiro dos usuários.", "Escolha só uma das duas opções."
        )
    found = {
        **given,
        "categories": given["categories"] if given["mode"] == "full" else None,
        "limit": _whole(given["limit"], "O limite de perguntas", 1, _MAX_LIMIT),
        "repeats": _whole(given["repeats"], "O número de repetições", 1, _MAX_REPEATS),
        "seed": _whole(given["seed"], "A semente", 0, _MAX_SEED),
        "budget": money(given["budget"]),
    }
    # A budget of 0 is one; whatever else is empty, or as it would be anyway, is left out.
    usual = {"repeats": 1, "seed": 0}
    return {
        name: value
        for name, value in found.items()
        if value is not None and (value or name == "budget") and value != usual.get(name)
    }


def money(written: str | None) -> float | None:
    """US$ as people write them, with a comma or a point; None for nothing. Raises InputError."""
    said = (written or "").strip().replace(",", ".")
    if not said:
        return None
    whole, _, cents = said.partition(".")
    if not (said.isascii() and whole.isdigit() and (cents.isdigit() or "." not in said)):
        raise InputError("O orçamento não vale.", "Escreva um valor em US$, como 0,50, ou deixe-o vazio.")
    return float(said)


def _whole(written: str | None, what: str, low: int, high: int) -> int | None:
    said = (written or "").strip()
    if not said:
        return None
    # isascii: a superscript is a digit, too, and no number.
    if not (said.isascii() and said.isdigit() and low <= int(said) <= high):
        raise InputError(f"{what} não vale.", f"Escreva um número inteiro de {low} a {high} ou deixe vazio.")
    return int(said)
