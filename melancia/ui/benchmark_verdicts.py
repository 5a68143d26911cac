"""What may be believed of a benchmark, as HTML: the ranking with its ties, differences, the judge's part."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from melancia.experiments import words
from melancia.experiments.figures import FIGURES, METRICS
from melancia.experiments.results import Comparison, JudgeReport, Report
from melancia.experiments.statistics import questions_needed
from melancia.llms.select import EXTRACTIVE
from melancia.ui import benchmark_html as html
from melancia.ui.job_view import text

_FEW = 30  # questions, below which only large differences can be told from chance
_RANKS = (
    ("quality", "🥇 Melhor qualidade", ("quality_avg",)),
    ("latency", "⚡ Mais rápido", ("latency_avg",)),
    ("value", "💎 Melhor custo-benefício", ("quality_avg", "cost_avg")),
)
_VERDICTS = {"better": "melhor", "worse": "pior", "tie": "empate técnico", "unknown": "não se sabe"}
_FASTER = {**_VERDICTS, "better": "mais rápido", "worse": "mais lento"}
_FIT = {True: "✅ Apto.", False: "⚠️ Inapto: não confie nestas notas.", None: "Não se sabe se é apto."}
_WITH = {"thumbs": "os polegares das pessoas", "labelled": "as respostas rotuladas"}


def ranking(report: Report, names: Mapping[str, str]) -> str:
    """Each ranking place by place; who shares one is a "empate técnico". And how far to believe it."""
    figures = {one.variant.hash: one.figures for one in report.summaries}
    lists = []
    for key, title, shown in _RANKS:
        places = [
            _place([_named(names[model], figures[model], shown) for model in place])
            for place in report.ranking.get(key, ())
        ]
        inner = html.items(places, "ol") or html.note("Não se sabe.")
        lists.append(f"<div><h5>{text(title)}</h5>{inner}</div>")
    return (
        f'{html.heading("Ranking")}<div class="ranking">{"".join(lists)}</div>'
        f"{html.items(text(line) for line in [*_unranked(report, names), *_notes(report)])}"
    )


def differences(report: Report, names: Mapping[str, str]) -> str:
    """Each model against the control, and against the next one in each figure; "" with one model."""
    control = [item for item in report.comparisons if item.against == "control"]
    base = {one.variant.hash for one in report.summaries if one.variant.provider == EXTRACTIVE}
    # What was said of the control is not said again, from whichever side.
    following = [
        item for item in report.comparisons if item.against == "next" and not base & {item.model, item.other}
    ]
    tables = _differences("Diferença para o controle", control, names, say_other=False)
    tables += _differences(
        "Diferença para o modelo seguinte em cada medida", following, names, say_other=True
    )
    if not tables:
        return ""
    about = (
        "Diferença média por pergunta, com seu intervalo de 95 % e o p ajustado por Holm para todas as "
        "comparações. Empate técnico: p ajustado de 0,05 ou mais."
    )
    return html.heading("Diferenças") + html.note(about) + tables


def judge(report: Report, names: Mapping[str, str]) -> str:
    """The judge's scores, beside the quality and never part of it; "" without one."""
    found = report.judge
    if found is None:
        return ""
    rows = [
        (
            html.model(one.variant, names[one.variant.hash]),
            [
                html.value(
                    words.score(one.figures["judge_avg"]), words.span(one.intervals.get("judge_avg")).strip()
                )
            ],
        )
        for one in report.summaries
        if "judge_avg" in one.figures
    ]
    scores = html.table("Notas do juiz, à parte da qualidade e do ranking", ["Modelo", "Nota"], rows)
    return (
        html.heading(f"Juiz: {found.label}")
        + f"<p>{text(_FIT[found.fit])} {text(found.note)}</p>"
        + _agreement(found)
        + (scores if rows else html.note("Nenhuma resposta foi julgada."))
        + _pairs(found, report, names)
    )


def _pairs(found: JudgeReport, report: Report, names: Mapping[str, str]) -> str:
    """How each model did beside the control, in the judge's eyes; "" when nothing was compared."""
    rows = [
        (
            html.model(one.variant, names[one.variant.hash]),
            [html.value(words.pairs(found.pairs[one.variant.hash]))],
        )
        for one in report.summaries
        if one.variant.hash in found.pairs
    ]
    if not rows:
        return ""
    return html.table("Ao lado da resposta do controle, nas duas ordens", ["Modelo", "O juiz diz que"], rows)


def _place(models: Sequence[str]) -> str:
    tie = " <em>(empate técnico)</em>" if len(models) > 1 else ""
    return f"{text(words.listed(models))}{tie}"


def _named(name: str, figures: Mapping[str, float], shown: Sequence[str]) -> str:
    values = [words.written(figures[one], FIGURES[one].unit) for one in shown if one in figures]
    return f"{name} ({'; '.join(values)})" if values else name


def _unranked(report: Report, names: Mapping[str, str]) -> Iterator[str]:
    """Who has no place, and why, as texts."""
    placed = {key: {one for place in places for one in place} for key, places in report.ranking.items()}
    everywhere = set().union(*placed.values())
    for one in report.summaries:
        if one.variant.hash not in everywhere:
            yield f"{names[one.variant.hash]} está fora do ranking: respondeu {one.counted} de {one.asked}."
        elif one.variant.hash in placed.get("quality", ()) and "cost_avg" not in one.figures:
            yield f"{names[one.variant.hash]} não tem preço conhecido: está fora do custo-benefício."


def _notes(report: Report) -> Iterator[str]:
    """What the figures do not say, as texts."""
    models = sum(one.counted > 0 for one in report.summaries)
    asked = len({answer.question_id for answer in report.answers if answer.counted})
    if models > 1 and asked:
        needed = questions_needed(len(METRICS) * models * (models - 1) // 2)
        questions = words.plural(asked, "pergunta", "perguntas")
        if asked < needed:
            yield (
                f"Com {questions} e {models} modelos, nenhuma diferença, por maior que seja, se distingue do "
                f"acaso: são precisas ao menos {needed} perguntas (modo completo)."
            )
        elif asked < _FEW:
            yield f"Com {questions}, só diferenças grandes se distinguem do acaso."
    if any(answer.counted and not answer.comparable_latency for answer in report.answers):
        yield "A latência de respostas em lote não é comparável: está fora das médias e do ranking."


def _differences(
    caption: str, found: Sequence[Comparison], names: Mapping[str, str], *, say_other: bool
) -> str:
    """A row a model, a column a figure."""
    cells = {
        (item.model, item.metric): _difference(item, f"contra {names[item.other]}" if say_other else "")
        for item in found
        if item.difference is not None
    }
    metrics = [metric for metric in METRICS if any(metric == of for _, of in cells)]
    models = dict.fromkeys(item.model for item in found if any(item.model == of for of, _ in cells))
    if not cells:
        return ""
    rows = [
        (text(names[model]), [cells.get((model, metric), text(words.UNKNOWN)) for metric in metrics])
        for model in models
    ]
    return html.table(caption, ["Modelo", *(FIGURES[METRICS[metric]].title for metric in metrics)], rows)


def _difference(item: Comparison, other: str) -> str:
    unit = FIGURES[METRICS[item.metric]].unit

    def signed(value: float | None) -> str:
        return words.difference(value, lambda number: words.written(number, unit))

    verdict = (_FASTER if item.metric == "latency_seconds" else _VERDICTS)[item.verdict]
    if item.adjusted_p is None:
        shared = words.plural(item.questions, "pergunta", "perguntas")
        lines = [f"só {shared} em comum"]
    else:
        ends = f"[{signed(item.interval.low)}; {signed(item.interval.high)}]" if item.interval else ""
        lines = [ends, words.p_value(item.adjusted_p)]
    wide = f'<small class="longo">{text(other)}</small>' if other else ""
    mark = f'<small class="{item.verdict}">{text(verdict)}</small>'
    return html.value(signed(item.difference), *lines) + mark + wide


def _agreement(found: JudgeReport) -> str:
    # The note may say it already.
    lines = [] if "κ" in found.note else list(_kappas(found.agreement))
    return html.items(text(line) for line in lines)


def _kappas(agreement: Mapping[str, Any], source: str = "") -> Iterator[str]:
    """κ with its interval wherever ``agreement`` holds one, as texts."""
    kappa, low, high = (agreement.get(name) for name in ("kappa", "low", "high"))
    if kappa is not None:
        ends = f" [{words.score(low)}; {words.score(high)}]" if None not in (low, high) else ""
        pairs = f", {agreement['pairs']} respostas" if "pairs" in agreement else ""
        who = f" com {source}" if source else ""
        yield f"Concordância{who}: κ de Cohen {words.score(kappa)}{ends}{pairs}"
    for name, inner in agreement.items():
        if isinstance(inner, Mapping):
            yield from _kappas(inner, _WITH.get(name, source))
