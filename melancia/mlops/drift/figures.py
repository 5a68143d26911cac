"""What is watched: one row a figure, with the least change that is worth anybody's time, and why.

With enough rows a test finds any difference; ``least``, ``relative`` and ``absolute`` keep trifles from
alarming. docs/saude.md shows this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Columns = Mapping[str, NDArray[Any]]  # of a window, by name


class Kind(StrEnum):
    """What a figure is made of, which says how it is tested."""

    NUMBER = "number"  # Mann–Whitney
    SHARE = "share"  # Fisher, or chi-square where all cells are large
    MIX = "mix"  # a share a category, Bonferroni over categories


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of one column. ``rows``: those that it speaks of, besides not being NaN.

    ``least``: of a number, how far P(now > then) must be from ½; of a share, its change; of a mix, the total
    variation distance. ``relative``: least change of the median, as a share of it; ``absolute``: of the mean.
    ``worse``: the direction that harms, +1 or −1; 0 when neither does. ``live``: measured of answers to users
    only, never in a reference file. ``by_arm``: what an arm can change; who asks what, it cannot.
    """

    name: str
    label: str
    column: str
    kind: Kind
    least: float
    why: str
    worse: int = 0
    relative: float | None = None
    absolute: float | None = None
    rows: Callable[[Columns], Mask] | None = None
    live: bool = True
    by_arm: bool = True
    unit: str = ""

    def mask(self, columns: Columns) -> Mask:
        """The rows that the figure speaks of."""
        column = columns[self.column]
        if column.dtype.kind == "f":
            known = ~np.isnan(column)
        elif self.kind is Kind.MIX:
            known = column >= 0 if column.dtype.kind == "i" else column != ""
        else:
            known = np.ones(len(column), dtype=np.bool_)
        return np.asarray(known if self.rows is None else known & self.rows(columns), dtype=np.bool_)


def _generated(columns: Columns) -> Mask:
    """A model was asked, and not an answer of before served again."""
    return np.asarray(~columns["cached"] & ~columns["unanswered"])


def _own(columns: Columns) -> Mask:
    return np.asarray(~columns["cached"])


def _said(columns: Columns) -> Mask:
    return np.asarray(~columns["cached"] & ~columns["failed"])


def _shown(columns: Columns) -> Mask:
    return np.asarray(~columns["failed"])


_NUMBER, _SHARE, _MIX = Kind.NUMBER, Kind.SHARE, Kind.MIX
_TIME = "quem usa não percebe menos de um décimo de diferença"
_RARE = "falhas são raras: dois pontos já são notados"
_TEXT = "uma pergunta em trinta já muda o que a base precisa ter"

FIGURES: tuple[Figure, ...] = (
    Figure(
        *("question_length", "tamanho das perguntas", "question_length", _NUMBER, 0.06),
        "menos que isso são outras palavras, não outras perguntas",
        relative=0.1,
        live=False,
        by_arm=False,
        unit="caracteres",
    ),
    Figure(
        *("question_language", "idioma das perguntas", "question_language", _MIX, 0.05),
        "o detector de idioma erra em alguns por cento das perguntas curtas",
        live=False,
        by_arm=False,
    ),
    Figure(
        *("topic_mix", "assuntos das perguntas", "topic", _MIX, 0.05),
        "uma pergunta em vinte sobre outra coisa já pede outros artigos",
        live=False,
        by_arm=False,
    ),
    Figure(
        *("out_of_scope", "perguntas fora do escopo", "out_of_scope", _SHARE, 0.03, _TEXT),
        worse=1,
        by_arm=False,
    ),
    Figure(
        *("unanswered", "perguntas sem resposta na base", "unanswered", _SHARE, 0.03, _TEXT),
        worse=1,
    ),
    Figure(
        *("top_score", "pontuação do melhor trecho", "top_score", _NUMBER, 0.05),
        "a pontuação varia alguns centésimos com a redação da mesma pergunta",
        worse=-1,
        absolute=0.02,
    ),
    Figure(
        *("answer_length", "tamanho das respostas", "answer_length", _NUMBER, 0.06),
        "menos que isso acompanha as perguntas",
        relative=0.1,
        rows=_generated,
        unit="caracteres",
    ),
    Figure(
        *("answer_language", "idioma das respostas", "answer_language", _MIX, 0.03),
        "respostas são longas: o detector erra pouco, e responder em outro idioma é um defeito",
        rows=_generated,
    ),
    Figure(
        *("groundedness", "fundamentação das respostas", "groundedness", _NUMBER, 0.05),
        "dois centésimos na média: uma resposta em cinquenta perdeu todo o apoio",
        worse=-1,
        absolute=0.02,
    ),
    Figure(
        *("refused", "recusas", "refused", _SHARE, 0.03, _TEXT),
        worse=1,
        rows=_said,
    ),
    Figure(
        *("citation_valid", "respostas com citações válidas", "citation_valid", _SHARE, 0.03),
        "uma citação inválida em trinta já tira a confiança nas outras",
        worse=-1,
    ),
    Figure(
        *("model_mix", "modelos que respondem", "model", _MIX, 0.05),
        "reservas ocasionais mudam poucos pontos",
        rows=_generated,
    ),
    Figure(
        *("latency", "tempo de resposta", "latency", _NUMBER, 0.05, _TIME),
        worse=1,
        relative=0.1,
        unit="s",
    ),
    Figure(
        *("time_to_first_token", "tempo até o primeiro token", "time_to_first_token", _NUMBER, 0.05, _TIME),
        worse=1,
        relative=0.1,
        unit="s",
    ),
    Figure(
        *("tokens", "tokens por resposta", "tokens", _NUMBER, 0.05),
        "um décimo a mais é um décimo a mais de gasto",
        worse=1,
        relative=0.1,
        unit="tokens",
    ),
    Figure(
        *("cost", "custo por resposta", "cost", _NUMBER, 0.05),
        "um décimo a mais no fim do mês",
        worse=1,
        relative=0.1,
        unit="US$",
    ),
    Figure(*("failed", "falhas", "failed", _SHARE, 0.02, _RARE), worse=1, rows=_own),
    Figure(*("fell_back", "respostas da reserva", "fell_back", _SHARE, 0.02, _RARE), worse=1, rows=_own),
    Figure(
        *("cached", "respostas reaproveitadas", "cached", _SHARE, 0.05),
        "o reaproveitamento varia com quem repete perguntas; cinco pontos mudam o gasto",
        worse=-1,
    ),
    Figure(
        *("rated", "respostas avaliadas", "rated", _SHARE, 0.03),
        "com menos avaliações os vereditos demoram",
        worse=-1,
        rows=_shown,
    ),
    Figure(
        *("thumbs_down", "polegares para baixo", "thumb", _SHARE, 0.05),
        "cinco pontos são a diferença que um experimento procura",
        worse=1,
    ),
)
BY_NAME = {figure.name: figure for figure in FIGURES}
# What a model cannot change without being another: its times depend on load too, so they only bear witness.
CONTENT = ("answer_length", "tokens", "groundedness", "answer_language")
WITNESSES = ("latency", "time_to_first_token")


def values(figure: Figure, column: NDArray[Any]) -> NDArray[np.float64]:
    """The figure's column as numbers: a share's are 0 and 1."""
    return np.asarray(column < 0 if figure.name == "thumbs_down" else column, dtype=np.float64)


def summary(figure: Figure, found: NDArray[np.float64]) -> float:
    """The one number that stands for several: the mean of shares and scores, the median of the rest."""
    centre = np.median if figure.relative is not None else np.mean
    return float(centre(found))
