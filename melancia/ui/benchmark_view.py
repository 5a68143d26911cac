"""A benchmark's result as HTML: the table of models, what went wrong, pictures, files, conditions."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from melancia.experiments import pictures, words
from melancia.experiments.figures import FIGURES
from melancia.experiments.results import Report, Summary
from melancia.ui import benchmark_html as html
from melancia.ui import benchmark_verdicts as verdicts
from melancia.ui.job_view import MODES, moment, span, text

ROUTE = "resultados"
"""Where the files of benchmarks are served, from the page's own address on."""
_QUALITY = (
    "correctness_avg",
    "groundedness_avg",
    "citation_precision_avg",
    "citation_recall_avg",
    "refusal_avg",
    "language_avg",
)
_COLUMNS = (
    "Modelo",
    "Qualidade",
    "Relevância",
    "Latência média\n± desvio-padrão",
    "p50\np95",
    "1º token",
    "Tokens\npor segundo",
    "Custo total\npor resposta",
    "Sucesso",
)
SHORT = 8
"""Characters of a version of the documents that tell it from others."""
_SHOWN_REASONS = 10
_NO_VALUE = -1.0  # below every score


def result(report: Report, drawn: Sequence[str], link: str) -> str:
    """Everything but single answers. ``drawn``: the pictures there are; ``link``: to MLflow, or ""."""
    names = words.names([summary.variant for summary in report.summaries])
    parts = (
        _head(report),
        _files(report.id, link),
        _table(report, names),
        html.folded("O que compõe a qualidade", _components(report, names)),
        verdicts.ranking(report, names),
        verdicts.differences(report, names),
        _mishaps(report, names),
        verdicts.judge(report, names),
        _pictures(report, drawn),
        html.folded("Como foi medido", _conditions(report)),
    )
    return f'<div class="benchmark">{"".join(parts)}</div>'


def by_quality(report: Report) -> list[Summary]:
    """The models, the best quality first; those without one last."""
    return sorted(report.summaries, key=lambda one: -one.figures.get("quality_avg", _NO_VALUE))


def _head(report: Report) -> str:
    models = words.plural(len(report.summaries), "modelo", "modelos")
    asked = words.plural(len(report.questions), "pergunta", "perguntas")
    mode = MODES.get(report.mode, report.mode)
    chosen = "".join(f" · {one}" for one in [*_chosen(report), f"base {report.index_version[:SHORT]}"])
    lines = [
        f"<p><strong>Benchmark {text(mode)}</strong> de {moment(report.started_at)} · {models}, {asked}"
        f" · em {span(report.ended_at - report.started_at)}{text(chosen)}</p>"
    ]
    if not report.complete:
        why = report.stopped or "interrompido"
        done = f"{len(report.answers)} respostas foram medidas"
        lines.append(f'<p class="alerta">⚠️ Parou antes do fim ({text(why)}): só {done}.</p>')
    return "".join(lines)


def _chosen(report: Report) -> Iterator[str]:
    """The options that are not the usual ones, as texts."""
    options = report.options
    if options.repeats > 1:
        yield f"{options.repeats} repetições"
    if options.pipeline:
        yield "caminho inteiro dos usuários"
    if options.batch:
        yield "OpenAI em lote"
    if options.judge:
        yield f"juiz {options.judge}"
    if options.budget is not None:
        yield f"orçamento de {words.money(options.budget)}"
    yield f"semente {options.seed}"


def _files(name: str, link: str) -> str:
    """Downloads, and the way to MLflow."""
    kinds = (("json", "JSON (tudo)"), ("csv", "CSV (uma linha por resposta)"), ("log", "Relatório (texto)"))
    shown = [f'<a href="{ROUTE}/{text(name)}.{kind}" download>{title}</a>' for kind, title in kinds]
    if link.startswith(("http://", "https://")):
        shown.append(f'<a href="{text(link)}" target="_blank" rel="noopener">Ver no MLflow</a>')
    else:
        shown.append("no MLflow: <code>melancia benchmark --mode ui</code>")
    return f'<p class="arquivos">Baixar: {" · ".join(shown)}</p>'


def _table(report: Report, names: Mapping[str, str]) -> str:
    rows = [
        (html.model(one.variant, names[one.variant.hash]), list(_cells(one))) for one in by_quality(report)
    ]
    if any(one.intervals for one in report.summaries):
        caption = "Modelos, por qualidade; entre colchetes, intervalos de 95 %"
    else:
        caption = "Modelos, por qualidade; são poucas perguntas para intervalos"
    return html.table(caption, _COLUMNS, rows)


def _cells(one: Summary) -> Iterator[str]:
    found = one.figures
    for name in ("quality_avg", "relevance_avg"):
        yield html.value(words.score(found.get(name)), _interval(one, name))
    spread = f"± {words.seconds(found['latency_std'])}" if "latency_std" in found else ""
    yield html.value(words.seconds(found.get("latency_avg")), spread, _interval(one, "latency_avg"))
    ends = [words.seconds(found.get(f"latency_{share}")) for share in ("p50", "p95")]
    yield html.value(ends[0], ends[1] if "latency_p95" in found else "")
    yield html.value(words.seconds(found.get("ttft_avg")), _interval(one, "ttft_avg"))
    speed = f"{words.rate(found['tokens_per_second_avg'])}/s" if "tokens_per_second_avg" in found else ""
    yield html.value(words.count(found.get("tokens_avg")), speed)
    each = words.money(found["cost_avg"]) if "cost_avg" in found else ""
    yield html.value(words.money(found["cost_total"]) if "cost_total" in found else "não se sabe", each)
    valid = one.asked - sum(one.quarantines.values())
    yield html.value(
        words.share(found.get("success_rate")),
        f"{one.counted} de {valid}",
        _interval(one, "success_rate"),
    )


def _interval(one: Summary, name: str) -> str:
    unit = FIGURES[name].unit
    return words.span(one.intervals.get(name), lambda end: words.written(end, unit)).strip()


def _components(report: Report, names: Mapping[str, str]) -> str:
    shown = [name for name in _QUALITY if any(name in one.figures for one in report.summaries)]
    if not shown:
        return ""
    rows = [
        (
            html.model(one.variant, names[one.variant.hash]),
            [html.value(words.score(one.figures.get(name)), _interval(one, name)) for name in shown],
        )
        for one in by_quality(report)
    ]
    titles = [FIGURES[name].title for name in shown]
    return html.table("Medidas que compõem a qualidade, de 0 a 1", ["Modelo", *titles], rows)


def _mishaps(report: Report, names: Mapping[str, str]) -> str:
    """Failures and quarantines with their reasons, a list a model that has some."""
    lines = []
    for one in by_quality(report):
        failed = _reasons("❌", one.failures)
        held = _reasons("🚧", one.quarantines)
        if failed or held:
            lines.append(f"<strong>{text(names[one.variant.hash])}</strong>{html.items([*failed, *held])}")
    if not lines:
        return html.heading("Falhas e quarentenas") + html.note("Nenhuma.")
    about = (
        "❌ falha: baixa o sucesso e nada mais. 🚧 quarentena: medida em outras condições, fora das médias."
    )
    return html.heading("Falhas e quarentenas") + html.note(about) + html.items(lines)


def _reasons(mark: str, found: Mapping[str, int]) -> list[str]:
    ordered = sorted(found.items(), key=lambda item: -item[1])
    lines = [text(f"{mark} {count} × {reason}") for reason, count in ordered[:_SHOWN_REASONS]]
    if more := sum(count for _, count in ordered[_SHOWN_REASONS:]):
        lines.append(text(f"{mark} {more} × por outros motivos"))
    return lines


def _pictures(report: Report, drawn: Sequence[str]) -> str:
    shown = [name for name in pictures.ALTS if name in drawn]
    figures = "".join(_picture(report, name) for name in shown)
    return f'{html.heading("Gráficos")}<div class="graficos">{figures}</div>' if figures else ""


def _picture(report: Report, name: str) -> str:
    address, alt = f"{ROUTE}/{text(report.id)}/{name}", text(pictures.alt(report, name))
    # The moment tells the pictures of a resumed benchmark from those that the browser has.
    version = int(report.ended_at.timestamp())
    return (
        f'<a href="{address}" target="_blank" rel="noopener">'
        f'<img src="{address}?v={version}" alt="{alt}" loading="lazy" width="1200"></a>'
    )


def _conditions(report: Report) -> str:
    around = report.environment
    lines = [
        f"Semente {report.options.seed}, {words.plural(report.options.repeats, 'repetição', 'repetições')}",
        f"Base de conhecimento: versão {report.index_version}",
        f"Embeddings: {around.get('embedding_model', '–')}",
        f"MelâncIA {around.get('melancia', '–')}, Python {around.get('python', '–')}, "
        f"Ollama {around.get('ollama') or 'não usado'}",
        f"{around.get('system', '–')}, {around.get('cpus', '–')} processadores, memória de "
        f"{_gigabytes(around.get('memory_bytes'))}",
        *(_price(one) for one in report.prices if one.get("input_per_million")),
    ]
    return html.items(text(line) for line in lines)


def _price(one: Mapping[str, Any]) -> str:
    since = f", desde {_day(one['since'])}" if one.get("since") else ""
    return (
        f"Preço de {one['provider']} - {one['model_name']} por milhão de tokens: "
        f"{words.money(one['input_per_million'])} de entrada e {words.money(one['output_per_million'])} de "
        f"saída ({one.get('source') or '–'}{since}; consultado em {_day(one['date'])})"
    )


def _day(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%d/%m/%Y")


def _gigabytes(size: Any) -> str:
    return words.UNKNOWN if not size else f"{words.count(size / 2**30)} GiB"
