"""Who rates. Thumbs are given by whom they please: the angry, the delighted, those whom the page asks.

If the rated answers are not like the others, or one arm is rated more readily, the thumbs say something of
the raters and not of the arms alone. Both are measured, by the automatic score that all answers have.
"""

import numpy as np

from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.contrasts import contrast
from melancia.mlops.decide.results import Contrast, Raters
from melancia.mlops.decide.samples import Sample


def raters(found: Sample, names: tuple[str, str], configuration: Configuration) -> Raters:
    """Rating rates by arm, scores of rated against unrated answers, and asked against spontaneous ratings.

    ``names``: the base arm's and the challenger's.
    """
    thumb = found.values(lambda row: row.thumb)
    rated = ~np.isnan(thumb)
    answered = np.array([not row.failed or row.fell_back for row in found.rows], dtype=bool)
    rates = contrast(
        "rating_rate",
        user=found.user,
        side=found.side,
        weight=found.weight,
        values=np.where(answered, rated.astype(float), np.nan),
        configuration=configuration,
    )
    score = found.values(lambda row: row.scores.get(configuration.score))
    scores = tuple(
        contrast(
            name,
            user=found.user,
            side=rated.astype(np.int64),
            weight=found.weight,
            values=np.where((found.side == side) & answered, score, np.nan),
            configuration=configuration,
        )
        for side, name in enumerate(names)
    )
    asked = contrast(
        "asked",
        user=found.user,
        side=np.array([row.asked for row in found.rows], dtype=np.int64),
        weight=found.weight,
        values=np.where(rated, (thumb > 0).astype(float), np.nan),
        configuration=configuration,
    )
    return Raters(rates, scores, asked, tuple(_warnings(rates, scores, asked, names)))


def _warnings(
    rates: Contrast, scores: tuple[Contrast, ...], asked: Contrast, names: tuple[str, str]
) -> list[str]:
    said = []
    if rates.difference.excludes_zero and rates.difference.value is not None:
        more, less = (names[1], names[0]) if rates.difference.value > 0 else names
        said.append(f"As respostas do braço {more} recebem mais avaliações que as do braço {less}.")
    for one in scores:
        if one.difference.excludes_zero and one.difference.value is not None:
            how = "melhores" if one.difference.value > 0 else "piores"
            said.append(
                f"No braço {one.name}, as respostas avaliadas são {how} que as outras pela nota automática."
            )
    if asked.difference.excludes_zero and asked.difference.value is not None:
        how = "mais" if asked.difference.value > 0 else "menos"
        said.append(f"Avaliações pedidas pela página são {how} favoráveis que as espontâneas.")
    return said
