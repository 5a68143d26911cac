"""The arena's ranking in Portuguese, for the page and the command line. Plain functions to plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

from melancia.llms.select import EXTRACTIVE
from melancia.mlops.decide.arena import MIN_USERS, Place, Ranking
from melancia.mlops.decide.results import Span
from melancia.mlops.rankings import MIN_VOTES, Standing, settled, win_chance
from melancia.records import Variant
from melancia.text import decimal

UNKNOWN = "–"
EXTRACTIVE_NAME = "extrativo"
CHANCE = (
    "Chance de vitória: contra uma variante com a força média das que estão na tabela, com respostas do "
    "mesmo tamanho; entre colchetes, o intervalo de 95 %. Empate e ambas ruins contam meia vitória para cada "
    "lado."
)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the ranking. ``record``: wins, losses, ties, both bad; ``duels`` is their sum."""

    place: str
    name: str
    chance: str
    interval: str
    record: tuple[int, int, int, int]

    @property
    def duels(self) -> int:
        """Votes on this variant."""
        return sum(self.record)


def rows(standing: Standing, ranking: Ranking) -> list[Row]:
    """The ranking's lines, best first; without places while there are too few votes."""
    called = names({place.variant: standing.variants[place.variant] for place in ranking.places})
    return [_row(place, called[place.variant], ranking) for place in ranking.places]


def remarks(ranking: Ranking) -> list[str]:
    """What must be known to read it."""
    said = []
    if not settled(ranking):
        said.append(
            f"Poucos votos para uma ordem: são precisos {MIN_VOTES}, de pelo menos {MIN_USERS} pessoas; até "
            "lá, ela seria acaso."
        )
    if not ranking.connected:
        said.append(
            "Há variantes que nunca se enfrentaram, nem por meio de outras: não compare umas com as outras."
        )
    said.append(_length_effect(ranking.length_effect))
    return said


def described(variant: Variant) -> str:
    """A variant's settings beside its model: “prompt v1, temperatura 0,3, 5 trechos”."""
    if variant.provider == EXTRACTIVE:
        return f"sem modelo de linguagem, {variant.k} trechos"
    temperature = decimal(variant.temperature, 2).rstrip("0").rstrip(",")
    return f"prompt {variant.prompt_version}, temperatura {temperature}, {variant.k} trechos"


def names(variants: Mapping[str, Variant]) -> dict[str, str]:
    """Hash → what people call the variant; with its settings, then its hash, where two share a name."""
    plain_names = {key: _label(variant) for key, variant in variants.items()}
    longer = {key: f"{plain_names[key]} ({described(variant)})" for key, variant in variants.items()}
    found = {}
    for key, name in plain_names.items():
        if list(plain_names.values()).count(name) == 1:
            found[key] = name
        elif list(longer.values()).count(longer[key]) == 1:
            found[key] = longer[key]
        else:
            found[key] = f"{longer[key]} {key[:6]}"
    return found


def _row(place: Place, name: str, ranking: Ranking) -> Row:
    chance, interval = UNKNOWN, ""
    if place.rating.value is not None:
        chance = _share(win_chance(place.rating.value))
    if place.rating.low is not None and place.rating.high is not None:
        low, high = (
            _share(win_chance(end)).removesuffix(" %") for end in (place.rating.low, place.rating.high)
        )
        interval = f"[{low}; {high}]"
    record = (place.wins, place.losses, place.ties, place.both_bad)
    return Row(_place(place, ranking.places) if settled(ranking) else UNKNOWN, name, chance, interval, record)


def _place(place: Place, places: Sequence[Place]) -> str:
    shared = sum(other.rank == place.rank for other in places) > 1
    return f"{place.rank}º, empate técnico" if shared else f"{place.rank}º"


def _share(value: float) -> str:
    return f"{min(99, max(1, round(100 * value)))} %"


def _length_effect(effect: Span) -> str:
    if effect.value is None:
        return "Efeito do tamanho da resposta: ainda não se sabe."
    times = decimal(exp(effect.value), 2)
    spread = ""
    if effect.low is not None and effect.high is not None:
        spread = f" [{decimal(exp(effect.low), 2)}; {decimal(exp(effect.high), 2)}]"
    return (
        f"Efeito do tamanho: um desvio-padrão a mais de tamanho multiplica por {times}{spread} a razão entre "
        "vitórias e derrotas. A ordem já desconta isso."
    )


def _label(variant: Variant) -> str:
    return EXTRACTIVE_NAME if variant.provider == EXTRACTIVE else variant.label
