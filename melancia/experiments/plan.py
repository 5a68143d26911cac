"""How a benchmark shall run, and the steps that it tells of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melancia.errors import InputError
from melancia.records import Variant

if TYPE_CHECKING:
    from melancia.experiments.results import Measured


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of whoever starts a benchmark. Raises InputError when made of bad values.

    ``concurrency`` is of each cloud provider (local models are asked one question at a time). ``budget`` in
    US$, None: no limit. ``pipeline``: each answer goes the users' whole way, its own search and refusal for
    want of evidence included, instead of all getting the same passages. ``batch``: OpenAI's models are asked
    through its Batch API. ``judge``: label of the model that judges, "" for none.
    """

    repeats: int = 1
    seed: int = 0
    concurrency: int = 4
    budget: float | None = None
    pipeline: bool = False
    batch: bool = False
    judge: str = ""

    def __post_init__(self) -> None:
        for name, low, high in (("repeats", 1, 100), ("concurrency", 1, 64), ("seed", 0, 2**31 - 1)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"--{name} deve estar entre {low} e {high}.", "Mude o valor.")
        if self.batch and self.pipeline:
            raise InputError(
                "--batch e --pipeline não andam juntos: um lote não passa pelo caminho dos usuários.",
                "Escolha um dos dois.",
            )
        if self.budget is not None and not self.budget >= 0:
            raise InputError("--budget deve ser um valor em US$, zero ou mais.", "Exemplo: --budget 0.50")


@dataclass(frozen=True, slots=True)
class Step:
    """Where a benchmark stands: ``variant`` is at ``question`` (its text; "" while it is warmed up), with its
    ``answer`` once there is one. ``done`` of ``total`` answers are there, over all models.
    """

    variant: Variant
    question: str
    done: int
    total: int
    answer: "Measured | None" = None


Watch = Callable[[Step], bool]
"""Told of each step; says whether to go on."""
