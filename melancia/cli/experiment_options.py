"""What the options of ``experiment`` say: arms, mode, guardrails."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melancia.records import Arm, PolicyMode, Variant
    from melancia.settings import Settings

_ARM_FIELDS = ("prompt", "temperature", "max_tokens", "context_window", "k")


def arms(given: "Sequence[str]", weights: str, settings: "Settings") -> "tuple[Arm, ...]":
    """The arms of ``--arm`` and ``--weights``. Raises InputError."""
    from melancia.errors import InputError
    from melancia.records import Arm

    shares = [part.strip() for part in weights.split(",") if part.strip()] or ["1"] * len(given)
    if len(shares) != len(given):
        raise InputError(f"Há {len(given)} braços e {len(shares)} pesos.", "Dê um peso a cada braço.")
    return tuple(
        Arm(name, variant, _number(share, "--weights"))
        for (name, variant), share in zip((_arm(text, settings) for text in given), shares, strict=True)
    )


def _arm(text: str, settings: "Settings") -> "tuple[str, Variant]":
    from pydantic import ValidationError

    from melancia.agent.prompt_files import check_prompt
    from melancia.errors import InputError
    from melancia.llms import parse_label, resolve_variant

    name, separator, rest = text.partition("=")
    label, *options = rest.split(",")
    if not separator or not label:
        raise InputError(f"“{text}” não diz um braço.", "Escreva como A=ollama:phi3:mini.")
    values: dict[str, object] = {"variant": ":".join(parse_label(label))}
    for option in options:
        field, _, value = option.strip().partition("=")
        if field not in _ARM_FIELDS or not value:
            raise InputError(f"A opção “{option}” de um braço não existe.", f"Há: {', '.join(_ARM_FIELDS)}.")
        values["prompt_version" if field == "prompt" else field] = value
    try:
        checked = type(settings).model_validate({**settings.model_dump(), **values})
    except ValidationError as error:
        wrong = ", ".join(str(part) for one in error.errors() for part in one["loc"])
        raise InputError(
            f"No braço {name.strip()}, um valor não vale: {wrong}.", "Os limites são os de .env.example."
        ) from error
    check_prompt(checked.prompt_version, settings.prompts_dir)
    return name.strip(), resolve_variant(checked)


def mode(text: str) -> "PolicyMode":
    """The mode of that name. Raises InputError."""
    from melancia.errors import InputError
    from melancia.mlops.policies import MODES
    from melancia.records import PolicyMode

    try:
        return PolicyMode(text)
    except ValueError as error:
        raise InputError(f"O modo “{text}” não existe.", f"Há: {', '.join(MODES)}.") from error


def guardrails(given: "Sequence[str]") -> dict[str, float]:
    """The bounds of ``--guardrail``. Raises InputError."""
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        found[name.strip()] = _number(value, f"--guardrail {name}")
    return found


def _number(text: str, where: str) -> float:
    from melancia.errors import InputError

    try:
        return float(text.strip())
    except ValueError as error:
        raise InputError(
            f"{where}: “{text}” não é um número.", "Use ponto nos decimais, como 0.5."
        ) from error
