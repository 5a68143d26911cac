"""What may be believed, in words: differences, the ranking with its ties, the notes, and the judge's part."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from melancia.experiments import words
from melancia.experiments.results import Comparison, JudgeReport, Report, Summary
from melancia.experiments.statistics import questions_needed
from melancia.experiments.summaries import FIGURES, METRICS

WIDTH = 80
_GLUE = "\N{NO-BREAK SPACE}"
_FEW = 30  # questions, below which only large differences can be told from chance
_RANKS = (
    ("quality", "🥇 Melhor Qualidade:", "quality_avg"),
    ("latency", "⚡ Mais Rápido:", "latency_avg"),
    ("value", "💎 Melhor Custo-Benefício:", ""),
)
_NAMES = {"quality": "qualidade", "relevance": "relevância", "latency_seconds": "latência"}
_VERDICTS = {"better": "melhor", "worse": "pior", "tie": "empate técnico"}
_FASTER = {"better": "mais rápido", "worse": "mais lento", "tie": "empate técnico"}
_WITH = {"thumbs": "os polegares das pessoas", "labelled": "as respostas rotuladas"}


def wrapped(first: str, text: str, indent: str) -> list[str]:
    """``text`` in lines of at most ``WIDTH`` columns, after ``first`` and then ``indent``.

    It is not broken within ``glued`` pieces, unless one does not fit into a line.
    """
    room = WIDTH - 1 - len(indent)  # an emoji is two columns wide and one character long
    pieces = [piece if len(piece) <= room else piece.replace(_GLUE, " ") for piece in text.split(" ")]
    lines = textwrap.wrap(
        " ".join(pieces),
        WIDTH - 1,
        initial_indent=first,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]


def glued(text: str) -> str:
    """``text`` as one piece, which ``wrapped`` does not break."""
    return text.replace(" ", _GLUE)


def against(model: str, report: Report, names: Mapping[str, str]) -> list[str]:
    """How a model (its variant hash) differs from the control, and from the next one in each metric."""
    own = [item for item in report.comparisons if item.model == model and item.difference is not None]
    base = [item for item in own if item.against == "control"]
    lines = _group(f"Contra o controle ({names[base[0].other]})", base) if base else []
    # What was just said of the control is not said again when it is also the next one.
    following = [
        item for item in own if item.against == "next" and not (base and item.other == base[0].other)
    ]
    for other in dict.fromkeys(item.other for item in following):
        items = [item for item in following if item.other == other]
        what = words.listed([_NAMES[item.metric] for item in items])
        lines += _group(f"Contra {glued(names[other])}, logo abaixo em {what}", items)
    return lines


def ranking(report: Report, names: Mapping[str, str]) -> list[str]:
    """The first place of each ranking, shared where the data cannot tell, and who has none."""
    if not any(summary.counted for summary in report.summaries):
        return ["  Nenhum modelo respondeu."]
    figures = {summary.variant.hash: summary.figures for summary in report.summaries}
    lines = []
    for key, title, figure in _RANKS:
        first = next(iter(report.ranking.get(key, ())), ())
        said = [glued(names[model] + _value(figures[model], figure)) for model in first]
        head = f"  {title:<27}"
        lines += wrapped(head, _joined(said), " " * (len(head) + 1))
    return [*lines, *_unranked(report, names)]


def notes(report: Report) -> list[str]:
    """What the figures do not say."""
    models = len([summary for summary in report.summaries if summary.counted])
    asked = len({answer.question_id for answer in report.answers if answer.counted})
    said = []
    if models > 1 and asked:
        needed = questions_needed(len(METRICS) * models * (models - 1) // 2)
        questions = words.plural(asked, "pergunta", "perguntas")
        if asked < needed:
            said.append(
                f"Com {questions} e {models} modelos, nenhuma diferença, por maior que seja, se distingue do "
                f"acaso: são precisas ao menos {needed} perguntas (--mode full)."
            )
        elif asked < _FEW:
            said.append(f"Com {questions}, só diferenças grandes se distinguem do acaso.")
    if any(answer.counted and not answer.comparable_latency for answer in report.answers):
        said.append("A latência de respostas em lote não é comparável e fica fora das médias e do ranking.")
    if any(item.adjusted_p is not None for item in report.comparisons):
        said.append(
            "p ajustado por Holm para todas as comparações entre modelos; empate técnico: p de 0,05 ou mais."
        )
    if any(summary.intervals for summary in report.summaries):
        said.append("Entre colchetes, intervalos de 95 %, cada um por si.")
    return [line for note in said for line in wrapped("  • ", note, "    ")]


def judge(found: JudgeReport, summaries: Sequence[Summary], names: Mapping[str, str]) -> list[str]:
    """What the judge said of each model, and how far to believe it. Never part of the quality."""
    lines = [
        f"     {names[item.variant.hash]}: {words.score(item.figures['judge_avg'])}/1,0"
        f"{words.span(item.intervals.get('judge_avg'))}"
        for item in summaries
        if "judge_avg" in item.figures
    ]
    title = "Notas, à parte da qualidade e do ranking:" if lines else "Nenhuma resposta foi julgada."
    lines.insert(0, f"  {title}")
    lines += _pairs(found, names)
    # The note may say it already.
    if "κ" not in found.note:
        for source, kappa in _kappas(found.agreement):
            lines += wrapped("  ", f"Concordância{source}: {kappa}", "     ")
    fit = {True: "✓ Apto.", False: "⚠️  Inapto: não confie nestas notas.", None: "– Não se sabe se é apto."}
    lines += wrapped("  ", f"{fit[found.fit]} {found.note}", "     ")
    return lines


def _pairs(found: JudgeReport, names: Mapping[str, str]) -> Iterator[str]:
    """How each model did beside the control, in the judge's eyes."""
    if found.pairs:
        yield from wrapped("  ", "Ao lado da resposta do controle, nas duas ordens:", "     ")
    for model, pairs in found.pairs.items():
        yield from wrapped("     ", f"{names[model]}: {words.pairs(pairs)}", "       ")


def _group(title: str, items: Sequence[Comparison]) -> list[str]:
    """Comparisons with one other model; in short where there are too few questions for any of them."""
    shared = {item.questions for item in items}
    if len(shared) == 1 and all(item.adjusted_p is None for item in items):
        few = f", só {words.plural(shared.pop(), 'pergunta', 'perguntas')} em comum"
        said = [glued(f"{_NAMES[item.metric]} {_signed(item, item.difference)}") for item in items]
        return [*wrapped("  ↔ ", f"{title}{few}:", "    "), *wrapped("      ", ", ".join(said), "      ")]
    return [*wrapped("  ↔ ", f"{title}:", "    "), *(line for item in items for line in _compared(item))]


def _compared(item: Comparison) -> list[str]:
    head = f"      {_NAMES[item.metric].capitalize() + ':':<13}"
    said = _signed(item, item.difference)
    if item.adjusted_p is None:
        few = f"só {words.plural(item.questions, 'pergunta', 'perguntas')} em comum"
        return wrapped(head, f"{glued(said)} ({few})", " " * len(head))
    span = ""
    if item.interval:
        ends = (_signed(item, end).removesuffix(" s") for end in (item.interval.low, item.interval.high))
        span = glued(f" [{'; '.join(ends)}]")
    verdict = (_FASTER if item.metric == "latency_seconds" else _VERDICTS)[item.verdict]
    p_value = words.p_value(item.adjusted_p).replace("p ", "p ajustado ", 1)
    return wrapped(head, f"{glued(said)}{span}, {glued(p_value)}: {glued(verdict)}", " " * len(head))


def _signed(item: Comparison, value: float | None) -> str:
    unit = FIGURES[METRICS[item.metric]].unit
    return words.difference(value, lambda number: words.written(number, unit))


def _joined(said: Sequence[str]) -> str:
    if not said:
        return "não se sabe"
    return said[0] if len(said) == 1 else f"empate técnico entre {words.listed(said)}"


def _value(figures: Mapping[str, float], name: str) -> str:
    return f" ({words.written(figures[name], FIGURES[name].unit)})" if name in figures else ""


def _unranked(report: Report, names: Mapping[str, str]) -> list[str]:
    """Who has no place at all, and who has none in value for want of a price."""
    placed = {key: {one for place in places for one in place} for key, places in report.ranking.items()}
    ranked = set().union(*placed.values())
    out = [
        f"{glued(names[item.variant.hash])} (respondeu {item.counted} de {item.asked})"
        for item in report.summaries
        if item.variant.hash not in ranked
    ]
    unpriced = [
        names[item.variant.hash]
        for item in report.summaries
        if item.variant.hash in placed.get("quality", ()) and "cost_avg" not in item.figures
    ]
    lines = wrapped("  – ", f"Fora do ranking: {words.listed(out)}", "    ") if out else []
    if unpriced:
        lines += wrapped("  – ", f"Sem preço, fora do custo-benefício: {words.listed(unpriced)}", "    ")
    return lines


def _kappas(agreement: Mapping[str, Any], source: str = "") -> Iterator[tuple[str, str]]:
    """(with whom, κ with its interval) wherever ``agreement`` holds one."""
    kappa, low, high = (agreement.get(name) for name in ("kappa", "low", "high"))
    if kappa is not None:
        span = f" [{words.score(low)}; {words.score(high)}]" if None not in (low, high) else ""
        pairs = f", {agreement['pairs']} respostas" if "pairs" in agreement else ""
        yield (f" com {source}" if source else ""), f"κ de Cohen {words.score(kappa)}{span}{pairs}"
    for name, value in agreement.items():
        if isinstance(value, Mapping):
            yield from _kappas(value, _WITH.get(name, source))
