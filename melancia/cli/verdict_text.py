"""A verdict's figures as text."""

from collections.abc import Sequence

from melancia.mlops.decide.results import Comparison, Span, Verdict
from melancia.text import decimal


def table(verdict: Verdict) -> str:
    """Arms, differences and guardrails, a line each; "–" where nothing can be said."""
    widths = (8, 11, 9, 11, 11, 8)
    heads = ("braço", "perguntas", "pessoas", "polegares", "aprovação", "falhas")
    lines = ["", _row(heads, widths)]
    for arm in verdict.arms:
        thumbs = f"{arm.up}/{arm.ratings}"
        cells = (arm.arm, arm.questions, arm.users, thumbs, _share(arm.approval), arm.failed)
        lines.append(_row(cells, widths))
    for comparison in verdict.comparisons:
        lines += ["", *_comparison(comparison)]
    lines += [
        f"proteção {one.name} em {one.arm}: {_STATES.get(one.state, one.state)}" for one in verdict.guardrails
    ]
    return "\n".join([*lines, ""])


_STATES = {"breached": "ultrapassada", "fine": "dentro do limite", "unknown": "sem resposta ainda"}
_NAMES = {
    "latency": "latência (s)",
    "cost": "custo (US$)",
    "failed": "falhas",
    "refused": "recusas",
    "unanswered": "sem resposta",
}


def _row(cells: Sequence[object], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return f"{first[0]!s:<{first[1]}}" + "".join(f"{cell!s:>{width}}" for cell, width in others)


def _comparison(found: Comparison) -> Sequence[str]:
    rows = [("aprovação", found.difference), ("só polegares", found.thumbs_only)]
    if found.paired:
        rows = [("nota automática", found.difference)]
    rows += [(_NAMES.get(one.name, one.name), one.difference) for one in found.secondary]
    lines = [f"{found.challenger} menos {found.base} (intervalo de 95 %, válido a qualquer momento)"]
    lines += [f"  {name:<20}{_span(span)}" for name, span in rows]
    if found.paired:
        lines.append(f"  {found.pairs} de {found.asked} perguntas com as duas respostas; nada de polegares")
    what = "perguntas" if found.paired else "avaliações"
    if found.needed is not None:
        lines.append(f"  faltam ≈ {found.needed} {what} para decidir, se a diferença for a de agora")
    if found.needed_for_least is not None:
        lines.append(f"  faltam ≈ {found.needed_for_least} para ver a menor diferença que importa")
    if found.bayes is not None:
        chance = decimal(100 * found.bayes.chance_challenger, 0)
        lines.append(f"  leitura bayesiana: {chance} % de chance de {found.challenger} ser melhor")
    asked = found.raters.asked
    if all(asked.count):
        lines.append(
            f"  positivas: {_share(asked.challenger)} das {asked.count[1]} avaliações pedidas, "
            f"{_share(asked.base)} das {asked.count[0]} espontâneas"
        )
    return [*lines, *(f"  ⚠️  {warning}" for warning in found.raters.warnings)]


def _span(span: Span) -> str:
    if span.value is None:
        return "–"
    ends = "" if span.low is None or span.high is None else f" [{_signed(span.low)}; {_signed(span.high)}]"
    return f"{_signed(span.value)}{ends}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace(".", ",")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{decimal(100 * value, 0)} %"
