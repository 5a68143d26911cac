"""The allow-list: which jobs exist, with which parameters, and the arguments that each becomes.

A job is a command of our own command line, never a text of whoever asked. Parameters are typed; one that does
not exist is refused. The same arguments run in a container and in a subprocess.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melancia.errors import InputError
from melancia.validation import reason


class Parameters(BaseModel):
    """Parameters of a job; ``arguments`` makes command-line arguments of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def arguments(self) -> list[str]:
        """The arguments after ``melancia``."""
        raise NotImplementedError


# None may begin like an option, nor hold the comma that separates them.
Label = Annotated[str, Field(pattern=r"^[a-z]+(:[^\s,]+)?$", max_length=200)]
Category = Annotated[str, Field(pattern=r"^[a-z][a-z-]*$", max_length=50)]
# A stretch of time in days or hours; empty is the setting's.
_SPAN = r"^([1-9]\d{0,3}[dh])?$"
_VALUES = ("limit", "repeats", "seed", "concurrency", "budget", "judge", "resume", "report", "topic")


class Benchmark(Parameters):
    """Compare models on questions: the guide's three, or those of the test split."""

    mode: Literal["quick", "full"] = "quick"
    models: list[Label] = Field([], max_length=50, description="Só estes modelos; vazio: todos.")
    categories: list[Category] = Field([], max_length=20, description="Só estas categorias; vazio: todas.")
    limit: int | None = Field(None, ge=1, le=1000, description="No máximo tantas perguntas.")
    repeats: int = Field(1, ge=1, le=100, description="Vezes que cada pergunta é feita.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Semente dos sorteios.")
    concurrency: int = Field(4, ge=1, le=64, description="Perguntas ao mesmo tempo em cada provedor.")
    budget: float | None = Field(None, ge=0, description="Em US$; para antes de passar dele.")
    pipeline: bool = Field(False, description="O caminho inteiro dos usuários.")
    batch: bool = Field(False, description="Modelos da OpenAI em lote.")
    judge: str = Field(
        "", pattern=r"^([a-z]+(:[^\s,]+)?)?$", max_length=200, description="Modelo que julga as respostas."
    )
    resume: str | None = Field(
        None, pattern=r"^benchmark_\d{8}_\d{6}(_\d+)?$", description="Benchmark interrompido a continuar."
    )
    report: str | None = Field(
        None, pattern=r"^[0-9a-f]{32}$", description="Relatório de saúde de onde vêm as perguntas."
    )
    topic: str | None = Field(
        None,
        pattern=r"^[^\x00-\x1f\x7f\s-][^\x00-\x1f\x7f]*$",
        max_length=200,
        description="Só as perguntas deste assunto do relatório.",
    )

    def arguments(self) -> list[str]:
        """``benchmark --mode …``, with what differs from the command's own defaults.

        A benchmark that is resumed has its mode already.
        """
        told = ["benchmark"] if self.resume else ["benchmark", "--mode", self.mode]
        for name in ("models", "categories"):
            if values := getattr(self, name):
                told += [f"--{name}", ",".join(values)]
        for name in _VALUES:
            if (value := getattr(self, name)) != type(self).model_fields[name].default:
                told += [f"--{name}", str(value)]
        return told + [f"--{name}" for name in ("pipeline", "batch") if getattr(self, name)]


class Ingest(Parameters):
    """Compare the knowledge folder with the index."""

    def arguments(self) -> list[str]:
        """``ingest``."""
        return ["ingest"]


class Drift(Parameters):
    """Look for changes in what is asked and answered; empty: as the settings say."""

    current: str = Field("", pattern=_SPAN, description="Janela recente, como 7d ou 12h.")
    reference: str = Field(
        "", pattern=rf"^benchmark$|{_SPAN}", description="Janela anterior, como 28d, ou benchmark."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Semente das amostras.")

    def arguments(self) -> list[str]:
        """``drift``, with what was given."""
        told = ["drift"]
        for name in ("current", "reference", "seed"):
            if value := getattr(self, name):
                told += [f"--{name}", str(value)]
        return told


_CATALOG: Mapping[str, type[Parameters]] = {"benchmark": Benchmark, "drift": Drift, "ingest": Ingest}
# Named in the design, not built yet: refused with a reason instead of "does not exist".
_PLANNED = ("finetune",)


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
            f"Tarefa “{name}”: o parâmetro “{field}” {reason(first)}.", f"Parâmetros aceitos: {known}."
        ) from error
