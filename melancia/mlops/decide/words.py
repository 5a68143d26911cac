"""A verdict in plain Portuguese: two to five sentences made of its figures, none of which is only here."""

from collections.abc import Callable, Mapping

from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.results import (
    ArmFigures,
    Comparison,
    Guardrail,
    SampleRatio,
    Span,
    Status,
    Verdict,
)
from melancia.text import decimal

_MOST_SENTENCES = 5


def paragraph(verdict: Verdict, configuration: Configuration) -> str:
    """The sentences of ``verdict``, whatever its ``text`` is."""
    writers: Mapping[Status, Callable[[Verdict, Configuration], list[str]]] = {
        Status.BLOCKED: lambda found, _: _blocked(found.sample_ratio),
        Status.GUARDRAIL: _guardrail,
        Status.TOO_EARLY: _too_early,
        Status.BETTER: _better,
        Status.TIE: _tie,
        Status.UNDECIDED: _undecided,
    }
    sentences = writers[verdict.status](verdict, configuration)
    if verdict.status not in (Status.BLOCKED, Status.GUARDRAIL):
        sentences += [warning for item in verdict.comparisons for warning in item.raters.warnings]
    return " ".join(sentences[:_MOST_SENTENCES])


def percent(share: float | None, places: int = 1) -> str:
    """A share in [0, 1]: ``81,5 %``; a dash for None."""
    return "–" if share is None else f"{decimal(100 * share, places)} %"


def points(difference: float | None) -> str:
    """A difference of shares, with its sign: ``+3,2``."""
    if difference is None:
        return "–"
    rounded = round(100 * difference, 1)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{decimal(abs(rounded))}"


def whole(number: float) -> str:
    """A number without decimals where it has none: ``5``, ``2,5``."""
    return decimal(number, 0 if round(number, 6) == round(number) else 1)


def counted(number: int, one: str, many: str) -> str:
    """How many of what: ``1.200 avaliações``."""
    return f"{number:,}".replace(",", ".") + f" {one if number == 1 else many}"


def _blocked(ratio: SampleRatio) -> list[str]:
    seen = ", ".join(
        f"{arm}: {counted(users, 'usuário', 'usuários')}, eram esperados {decimal(ratio.expected[arm], 0)}"
        for arm, users in ratio.users.items()
    )
    return [
        "O veredito está bloqueado: os usuários não se dividiram entre os braços como o sorteio previa "
        f"({seen}).",
        f"O acaso daria uma diferença assim em no máximo {percent(ratio.p_value, 2)} dos experimentos.",
        "Enquanto isso durar, nenhum número do experimento é confiável; não promova nenhum braço.",
        "Verifique se um braço perde perguntas antes de registrá-las, se o cookie do usuário se mantém entre "
        "visitas, se há robôs e se as proporções mudaram sem uma nova versão da política.",
    ]


def _guardrail(verdict: Verdict, _: Configuration) -> list[str]:
    broken = [bound for bound in verdict.guardrails if bound.state == "breached"]
    said = [f"O braço {bound.arm} passou de um limite de proteção: {_bound(bound)}." for bound in broken[:2]]
    if len(broken) > 2:
        said.append(f"Há mais {counted(len(broken) - 2, 'limite ultrapassado', 'limites ultrapassados')}.")
    said.append(f"Recomendação: retire o braço {verdict.arm} até que a causa seja conhecida.")
    return said


def _bound(bound: Guardrail) -> str:
    answers = f"em {counted(bound.count, 'resposta', 'respostas')}"
    if bound.name == "p95_latency":
        return (
            f"{percent(bound.value)} das respostas demoraram mais de {decimal(bound.bound)} s, e o limite é "
            f"5 % ({answers})"
        )
    if bound.name == "daily_spend":
        return (
            f"gastou US$ {decimal(bound.value or 0, 2)} em um dia, e o limite é US$ {decimal(bound.bound, 2)}"
        )
    if bound.name == "groundedness":
        return (
            f"a fundamentação média é {decimal(bound.value or 0, 2)}, e o mínimo é {decimal(bound.bound, 2)} "
            f"({answers})"
        )
    what = {"error_rate": "falhas", "refusal_rate": "recusas"}[bound.name]
    return f"{percent(bound.value)} de {what}, e o limite é {percent(bound.bound)} ({answers})"


def _too_early(verdict: Verdict, configuration: Configuration) -> list[str]:
    said = "; ".join(_rated(arm) for arm in verdict.arms)
    least = decimal(configuration.least_raters, 0)
    return [
        f"Ainda é cedo para dizer algo ({said}).",
        f"É preciso que ao menos {least} pessoas avaliem cada braço; quem avalia muito conta como uma, e "
        "pouco mais. Continue o experimento.",
    ]


def _rated(arm: ArmFigures) -> str:
    ratings = counted(arm.ratings, "avaliação", "avaliações")
    return f"{arm.arm}: {ratings} de {counted(arm.raters, 'pessoa', 'pessoas')}"


def _better(verdict: Verdict, configuration: Configuration) -> list[str]:
    first = verdict.comparisons[0]
    if verdict.arm == first.base:
        item = max(verdict.comparisons, key=lambda one: one.difference.value or 0.0)
        said = f"O braço {verdict.arm} é melhor que {listed([one.challenger for one in verdict.comparisons])}"
        advice = f"Recomendação: fique com {verdict.arm} e encerre o experimento."
    else:
        item = next(one for one in verdict.comparisons if one.challenger == verdict.arm)
        said = f"O braço {verdict.arm} é melhor que {item.base}"
        advice = f"Recomendação: promova {verdict.arm}."
    figures = _figures(verdict, item)
    return [f"{said}: {figures}.", _interval(item), advice, *_aside(verdict, item, configuration)]


def _tie(verdict: Verdict, configuration: Configuration) -> list[str]:
    item = verdict.comparisons[0]
    least = whole(100 * configuration.least_effect)
    return [
        f"Até aqui os braços empatam: {_figures(verdict, item)}.",
        _interval(item),
        f"Uma diferença de {least} pontos ou mais está descartada: fique com {item.base}, ou escolha por "
        "custo e latência.",
    ]


def _undecided(verdict: Verdict, configuration: Configuration) -> list[str]:
    item = next((one for one in verdict.comparisons if not one.early), verdict.comparisons[0])
    said = [f"Ainda não se sabe qual braço é melhor: {_figures(verdict, item)}.", _interval(item)]
    least = f"{whole(100 * configuration.least_effect)} pontos"
    if item.difference.excludes_zero:
        said.append("Outro braço ainda não se distingue do primeiro. Continue o experimento.")
    elif item.needed is not None:
        said.append(
            f"Continue: se a diferença for mesmo esta, faltam ≈ "
            f"{counted(item.needed, 'avaliação', 'avaliações')}{_least(item, least)}."
        )
    elif item.needed_for_least is not None:
        said.append(
            f"Continue: para ver uma diferença de {least} faltam ≈ "
            f"{counted(item.needed_for_least, 'avaliação', 'avaliações')}."
        )
    else:
        said.append("Continue o experimento; não dá para prever quantas avaliações faltam.")
    return said + _aside(verdict, item, configuration)


def _least(item: Comparison, least: str) -> str:
    more = item.needed_for_least
    return "" if more is None else f"; para ver uma de {least}, ≈ {counted(more, 'avaliação', 'avaliações')}"


def _figures(verdict: Verdict, item: Comparison) -> str:
    by_name = {arm.arm: arm for arm in verdict.arms}
    return ", ".join(
        f"{name} tem {percent(by_name[name].approval)} de aprovação ("
        f"{counted(by_name[name].ratings, 'avaliação', 'avaliações')})"
        for name in (item.challenger, item.base)
    )


def _interval(item: Comparison) -> str:
    return (
        f"A diferença é de {points(item.difference.value)} pontos, com intervalo de 95 % de "
        f"{ends(item.difference)}, válido a qualquer momento."
    )


def ends(span: Span) -> str:
    """The ends of an interval of shares: ``+1,2 a +3,4``."""
    return f"{points(span.low)} a {points(span.high)}"


def _aside(verdict: Verdict, item: Comparison, configuration: Configuration) -> list[str]:
    """What goes against the approval: an arm that wins it and fails, or costs, more."""
    winner_is_challenger = verdict.arm == item.challenger if verdict.arm else None
    if winner_is_challenger is None:
        return []
    sign = 1 if winner_is_challenger else -1
    names = {
        "failed": "falha mais",
        "refused": "recusa mais",
        "latency": "é mais lento",
        "cost": "custa mais",
    }
    worse = [
        names[one.name]
        for one in item.secondary
        if one.name in names
        and one.difference.excludes_zero
        and one.difference.value is not None
        and sign * one.difference.value > 0
    ]
    return [f"Em contrapartida, {verdict.arm} {listed(worse)}."] if worse else []


def listed(items: list[str]) -> str:
    """``A, B e C``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} e {items[-1]}"
