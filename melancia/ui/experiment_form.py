"""The form for a new experiment, and the policy that it becomes."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from pydantic import ValidationError

from melancia.agent.prompt_files import check_prompt, prompt_names
from melancia.errors import InputError
from melancia.experiments.variants import candidates
from melancia.llms import parse_label, resolve_variant
from melancia.mlops.policies import GUARDRAILS
from melancia.records import Arm, Policy, PolicyMode, Variant
from melancia.settings import Settings
from melancia.ui.experiment_words import MODES

_ARMS = ("A", "B")
_ARM_FIELDS = ("model", "prompt", "temperature", "k", "weight")
_OFFERED = (PolicyMode.STICKY, PolicyMode.ADAPTIVE, PolicyMode.SHADOW, PolicyMode.HYBRID)
FIELDS = (
    "name",
    *(f"{field}_{arm}" for arm in _ARMS for field in _ARM_FIELDS),
    "mode",
    "floor",
    *GUARDRAILS,
    "reason",
)
"""The names of the form's fields, in order."""


class Form:
    """The fields, laid out where it is made."""

    def __init__(self, settings: Settings) -> None:
        made: dict[str, Any] = {}
        made["name"] = gr.Textbox(
            label="Nome",
            placeholder="prompt-curto",
            info="Letras minúsculas sem acento, números e hífens.",
            max_length=40,
            elem_id="exp-nome",
        )
        for arm in _ARMS:
            made |= _arm_fields(arm, settings)
        with gr.Row():
            made["mode"] = gr.Dropdown(
                modes(),
                value=PolicyMode.STICKY.value,
                label="Modo",
                elem_id="exp-modo",
            )
            made["floor"] = gr.Textbox(
                label="Parte mínima de um braço (0 a 0,5)",
                value="0,1",
                max_length=6,
                visible=False,
                elem_id="exp-piso",
            )
        with gr.Accordion("Proteções (vazio: sem limite)", open=False, elem_id="exp-protecoes"), gr.Row():
            for name, told in GUARDRAILS.items():
                made[name] = gr.Textbox(
                    label=_capital(told), max_length=12, min_width=220, elem_id=f"exp-limite-{name}"
                )
        made["reason"] = gr.Textbox(
            label="Motivo do experimento",
            max_length=300,
            elem_id="exp-motivo-novo",
            info="Fica no histórico.",
        )
        self.fields: list[Any] = [made[name] for name in FIELDS]
        self.reason = made["reason"]
        self.choices: list[Any] = [made[f"{field}_{arm}"] for field in ("model", "prompt") for arm in _ARMS]
        made["mode"].input(
            lambda mode: gr.Textbox(visible=mode == PolicyMode.ADAPTIVE.value),
            [made["mode"]],
            [made["floor"]],
            queue=False,
            api_visibility="private",
            show_progress="hidden",
        )


def choices(settings: Settings) -> list[Any]:
    """The usable models for each arm, then the prompts. Asks the servers what they have: seconds when one is
    away.
    """
    usable = [card.label for card in candidates(settings) if card.availability.usable]
    prompts = prompt_names(settings.prompts_dir)
    return [gr.Dropdown(choices=list(offered)) for offered in (usable, prompts) for _ in _ARMS]


def wanted(given: Mapping[str, Any], settings: Settings) -> Policy:
    """The experiment that the values of ``FIELDS`` ask for, yet without author. Raises InputError."""
    chosen = mode(given["mode"])
    bounds = {name: number(given[name], GUARDRAILS[name]) for name in GUARDRAILS if _said(given[name])}
    return Policy(
        _said(given["name"]),
        tuple(_arm(name, given, settings) for name in _ARMS),
        "",
        mode=chosen,
        guardrails=bounds,
        floor=number(given["floor"], "Parte mínima de um braço") if chosen is PolicyMode.ADAPTIVE else 0.1,
        reason=reason(given["reason"]),
    )


def modes() -> list[tuple[str, str]]:
    """The modes that can be chosen, as (label, value)."""
    return [(_capital(MODES[one]), one.value) for one in _OFFERED]


def mode(chosen: str | None) -> PolicyMode:
    """The mode of that value. Raises InputError when it cannot be chosen."""
    found = next((one for one in _OFFERED if one.value == chosen), None)
    if found is None:
        said = "Esse modo não existe." if chosen else "Falta dizer o modo."
        raise InputError(said, "Escolha um da lista.")
    return found


def reason(written: str | None) -> str:
    """Why something is changed. Raises InputError when nobody said."""
    said = _said(written)
    if not said:
        raise InputError("Falta dizer por quê.", "Escreva o motivo: ele fica no histórico.")
    return said


def number(written: str | None, what: str) -> float:
    """A number with a comma or a point. Raises InputError naming the field."""
    try:
        return float(_said(written).replace(",", "."))
    except ValueError as error:
        raise InputError(
            f"“{what}”: “{_said(written)}” não é um número.", "Escreva-o como 0,5 ou 20."
        ) from error


def _arm_fields(arm: str, settings: Settings) -> dict[str, Any]:
    with gr.Group(elem_classes="exp-grupo"):
        with gr.Row():
            model = gr.Dropdown(
                [], value=None, label=f"Modelo do braço {arm}", min_width=240, elem_id=f"exp-modelo-{arm}"
            )
            prompt = gr.Dropdown(
                prompt_names(settings.prompts_dir),
                value=settings.prompt_version,
                label=f"Prompt de {arm}",
                min_width=120,
                elem_id=f"exp-prompt-{arm}",
            )
        with gr.Row():
            temperature = gr.Textbox(
                label=f"Temperatura de {arm}",
                value=f"{settings.temperature:g}".replace(".", ","),
                max_length=6,
                min_width=120,
                elem_id=f"exp-temperatura-{arm}",
            )
            k = gr.Textbox(
                label=f"Trechos (k) de {arm}",
                value=str(settings.k),
                max_length=3,
                min_width=120,
                elem_id=f"exp-k-{arm}",
            )
            weight = gr.Textbox(
                label=f"Peso de {arm}", value="50", max_length=8, min_width=120, elem_id=f"exp-peso-{arm}"
            )
    made = dict(zip(_ARM_FIELDS, (model, prompt, temperature, k, weight), strict=True))
    return {f"{field}_{arm}": component for field, component in made.items()}


def _arm(name: str, given: Mapping[str, Any], settings: Settings) -> Arm:
    model, prompt, temperature, k, weight = (given[f"{field}_{name}"] for field in _ARM_FIELDS)
    if not _said(model):
        raise InputError(f"Falta o modelo do braço {name}.", "Escolha um da lista.")
    check_prompt(_said(prompt), settings.prompts_dir)
    values = {
        "variant": ":".join(parse_label(_said(model))),
        "prompt_version": _said(prompt),
        "temperature": number(temperature, f"Temperatura de {name}"),
        "k": _said(k),
    }
    return Arm(name, _variant(name, values, settings), number(weight, f"Peso de {name}"))


def _variant(name: str, values: Mapping[str, Any], settings: Settings) -> Variant:
    try:
        checked = type(settings).model_validate({**settings.model_dump(), **values})
    except ValidationError as error:
        wrong = {str(part) for one in error.errors() for part in one["loc"]}
        told = [said for field, said in _LIMITS.items() if field in wrong]
        raise InputError(
            f"No braço {name}, um valor não vale.", f"{'; '.join(told) or 'Veja .env.example'}."
        ) from error
    return resolve_variant(checked)


_LIMITS = {"temperature": "A temperatura vai de 0 a 2", "k": "k é um número inteiro de 1 a 20"}


def _said(written: Any) -> str:
    return str(written or "").strip()


def _capital(said: str) -> str:
    return said[:1].upper() + said[1:]
