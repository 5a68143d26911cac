"""The allow-list: which jobs exist, with which parameters, and the arguments that each becomes.

A job is a command of our own command line, never a text of whoever asked. Parameters are typed; one that does
not exist is refused. The same arguments run in a container and in a subprocess.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melancia.errors import InputError


class Parameters(BaseModel):
    """Parameters of a job; ``arguments`` makes command-line arguments of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def arguments(self) -> list[str]:
        """The arguments after ``melancia``."""
        raise NotImplementedError


class Benchmark(Parameters):
    """Measure every usable model on questions: the guide's three, or those of the test split."""

    mode: Literal["quick", "full"] = "quick"
    limit: int | None = Field(None, ge=1, le=1000, description="No máximo tantas perguntas.")

    def arguments(self) -> list[str]:
        """``benchmark --mode …``."""
        limit = ["--limit", str(self.limit)] if self.limit else []
        return ["benchmark", "--mode", self.mode, *limit]


class Ingest(Parameters):
    """Compare the knowledge folder with the index."""

    def arguments(self) -> list[str]:
        """``ingest``."""
        return ["ingest"]


_CATALOG: Mapping[str, type[Parameters]] = {"benchmark": Benchmark, "ingest": Ingest}
# Named in the design, not built yet: refused with a reason instead of "does not exist".
_PLANNED = ("drift", "finetune")


def names() -> list[str]:
    """The jobs that can be started."""
    return sorted(_CATALOG)


def parameters(name: str, given: Mapping[str, Any]) -> Parameters:
    """The checked parameters of job ``name``. Raises InputError naming what is wrong."""
    kind = _CATALOG.get(name)
    if kind is None:
        if name in _PLANNED:
            raise InputError(
                f"A tarefa “{name}” ainda não está disponível.", f"Existem: {', '.join(names())}."
            )
        raise InputError("Essa tarefa não existe.", f"Existem: {', '.join(names())}.")
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "parâmetros"
        known = ", ".join(kind.model_fields) or "nenhum"
        raise InputError(
            f"Tarefa “{name}”: o parâmetro “{field}” {_reason(first)}.", f"Parâmetros aceitos: {known}."
        ) from error


def _reason(found: Mapping[str, Any]) -> str:
    """What is wrong with a parameter, in Portuguese: the library says it in English."""
    limits = found.get("ctx", {})
    match found["type"]:
        case "extra_forbidden":
            return "não existe"
        case "missing":
            return "falta"
        case "literal_error":
            return f"deve ser {str(limits.get('expected', '')).replace(' or ', ' ou ')}"
        case "greater_than_equal":
            return f"deve ser no mínimo {limits.get('ge')}"
        case "less_than_equal":
            return f"deve ser no máximo {limits.get('le')}"
        case "int_type" | "int_parsing":
            return "deve ser um número inteiro"
        case _:
            return "não vale"
