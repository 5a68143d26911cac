"""A verdict of shadow or hybrid mode in plain Portuguese, made of its figures."""

from collections.abc import Callable, Mapping

from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.paired import gives_up_more
from melancia.mlops.decide.results import Comparison, Recommendation, Status, Verdict
from melancia.mlops.decide.words import counted, ends, listed, percent, points, whole
from melancia.text import decimal

_MOST_SENTENCES = 5
_UNSEEN = "Ninguém vê essas respostas: não há polegares a comparar, e a nota não é o gosto das pessoas."
_MORE = {"failed": "falha mais", "refused": "recusa mais", "latency": "é mais lento", "cost": "custa mais"}


def paragraph(verdict: Verdict, configuration: Configuration) -> str:
    """The sentences of ``verdict``, whatever its ``text`` is; not of one that a guardrail decided."""
    writers: Mapping[Status, Callable[[Verdict, Configuration], list[str]]] = {
        Status.TOO_EARLY: _too_early,
        Status.AHEAD: _ahead,
        Status.TIE: _tie,
        Status.UNDECIDED: _undecided,
        Status.DESCRIBED: _described,
    }
    return " ".join(writers[verdict.status](verdict, configuration)[:_MOST_SENTENCES])


def _too_early(verdict: Verdict, configuration: Configuration) -> list[str]:
    said = "; ".join(f"{item.challenger} respondeu a {_of(item)}" for item in verdict.comparisons)
    return [
        f"Ainda é cedo para dizer algo ({said}).",
        f"É preciso que as perguntas de umas {whole(1.5 * configuration.least_raters)} pessoas tenham a nota "
        "automática das duas respostas. Continue o experimento.",
    ]


def _ahead(verdict: Verdict, configuration: Configuration) -> list[str]:
    if verdict.recommendation is Recommendation.TRY:
        item = next(one for one in verdict.comparisons if one.challenger == verdict.arm)
        lead = f"Fora da vista, o braço {item.challenger} responde melhor que {item.base}"
        advice = (
            f"Recomendação: mostre {item.challenger} às pessoas num experimento A/B, que decide pelos "
            "polegares."
        )
        aside = _aside(item, item.challenger, 1)
    else:
        item = max(verdict.comparisons, key=lambda one: one.difference.value or 0.0)
        others = listed([one.challenger for one in verdict.comparisons])
        lead = f"Fora da vista, o braço {item.base} responde melhor que {others}"
        advice = f"Recomendação: fique com {item.base}."
        aside = _aside(item, item.base, -1)
    return [f"{lead}: {_figures(item, configuration)}.", _interval(item), advice, _UNSEEN, *aside]


def _tie(verdict: Verdict, configuration: Configuration) -> list[str]:
    item = verdict.comparisons[0]
    return [
        f"Fora da vista, os braços empatam: {_figures(item, configuration)}.",
        _interval(item),
        f"Uma diferença de {whole(100 * configuration.least_effect)} pontos de nota está descartada: fique "
        f"com {item.base}, ou escolha por custo e latência.",
        _UNSEEN,
    ]


def _undecided(verdict: Verdict, configuration: Configuration) -> list[str]:
    item = next((one for one in verdict.comparisons if not one.early), verdict.comparisons[0])
    said = [f"Ainda não se sabe que braço responde melhor: {_figures(item, configuration)}.", _interval(item)]
    if gives_up_more(item) and (item.difference.low or 0) > 0:
        which = listed(_worse(item, 1))
        said.append(f"A nota de {item.challenger} é maior, mas ele {which}: não o mostre sem saber por quê.")
    elif item.needed is not None:
        said.append(
            f"Continue: se a diferença for mesmo esta, faltam ≈ "
            f"{counted(item.needed, 'pergunta', 'perguntas')}."
        )
    else:
        said.append("Continue o experimento.")
    return [*said, _UNSEEN]


def _described(verdict: Verdict, configuration: Configuration) -> list[str]:
    said = ["No modo híbrido não se aponta vencedor."]
    for item in verdict.comparisons:
        said.append(
            f"A resposta final de {item.challenger} veio em {_of(item)}: onde alguém a pediu ou o "
            f"rascunho de {item.base} falhou, e ali ele está no seu pior."
        )
        if item.difference.value is not None:
            said.append(f"Nessas, {_figures(item, configuration)}.")
    said.append("Para saber qual é melhor, use o modo sombra ou um A/B.")
    return said


def _of(item: Comparison) -> str:
    return f"{decimal(item.pairs, 0)} de {counted(item.asked, 'pergunta', 'perguntas')}"


def _figures(item: Comparison, configuration: Configuration) -> str:
    found = next((one for one in item.secondary if one.name == f"score:{configuration.score}"), None)
    if found is None or found.base is None or found.challenger is None:
        return "ainda sem nota automática"
    questions = counted(found.count[0], "pergunta", "perguntas")
    return (
        f"em {questions}, a nota automática média de {item.challenger} é {_hundred(found.challenger)} e a de "
        f"{item.base}, {_hundred(found.base)}, de 0 a 100"
    )


def _hundred(score: float) -> str:
    return decimal(100 * score, 1)


def _interval(item: Comparison) -> str:
    return (
        f"A diferença na mesma pergunta é de {points(item.difference.value)} pontos, com intervalo de 95 % "
        f"de {ends(item.difference)}, válido a qualquer momento."
    )


def _aside(item: Comparison, winner: str, sign: int) -> list[str]:
    worse = _worse(item, sign)
    return [f"Em contrapartida, {winner} {listed(worse)}."] if worse else []


def _worse(item: Comparison, sign: int) -> list[str]:
    """In what the challenger (``sign`` 1) or the base arm (−1) is shown to be worse."""
    found = {one.name: one.difference for one in item.secondary if one.difference.excludes_zero}
    return [
        f"{said}{_times(item, name)}"
        for name, said in _MORE.items()
        if name in found and sign * (found[name].value or 0.0) > 0
    ]


def _times(item: Comparison, name: str) -> str:
    """Of failures and refusals, both shares."""
    found = next(one for one in item.secondary if one.name == name)
    if name not in ("failed", "refused"):
        return ""
    return f" ({percent(found.challenger)} contra {percent(found.base)})"
