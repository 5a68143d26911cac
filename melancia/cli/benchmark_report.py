"""What ``benchmark`` prints, in the shape of the guide's report."""

from collections.abc import Callable, Sequence
from itertools import groupby

from melancia.experiments.benchmark import Step
from melancia.experiments.files import Report
from melancia.experiments.questions import Question
from melancia.experiments.results import Measured, Summary
from melancia.llms import ModelCard, capabilities
from melancia.llms.catalog import State

_WIDTH = 80
_HEAVY, _LIGHT = "=" * _WIDTH, "-" * _WIDTH
_TITLES = {"quick": "TESTE RÁPIDO", "full": "BENCHMARK COMPLETO"}
_SHOWN_QUESTIONS = 10
_FEW = 30  # questions, below which a small difference between two averages says nothing


def opening(mode: str, questions: Sequence[Question]) -> str:
    """The title and the questions; of many, the first ones."""
    shown = [f"   {number}. {item.text}" for number, item in enumerate(questions[:_SHOWN_QUESTIONS], 1)]
    more = len(questions) - _SHOWN_QUESTIONS
    return "\n".join(
        [
            f"🚀 {_TITLES[mode]} - Experimentação de LLMs",
            _HEAVY,
            "",
            "📝 Perguntas de teste:",
            *shown,
            *([f"   … e mais {more}"] if more > 0 else []),
            "",
        ]
    )


def providers(cards: Sequence[ModelCard]) -> str:
    """Each provider: its usable models, or why there are none and what to do."""
    lines = []
    for provider, group in groupby(cards, key=lambda card: card.provider):
        title = capabilities(provider).title
        title = title[0].upper() + title[1:]
        lines.append(f"🔍 Testando {title}...")
        lines.append(f"   {_configured(title, list(group))}")
    return "\n".join(lines)


def _configured(title: str, cards: Sequence[ModelCard]) -> str:
    usable = [card.model for card in cards if card.availability.usable]
    if usable:
        names = "controle, sem modelo de linguagem" if usable == ["extractive"] else ", ".join(usable)
        return f"✓ {title} configurado ({names})"
    first = cards[0].availability
    if any(card.availability.state is State.NOT_PULLED for card in cards):
        return f"– {title}: nenhum modelo baixado. Baixe um, como `ollama pull llama3.2:3b`."
    return f"– {title}: {first.reason.rstrip('.')}. {first.remedy}"


def beginning(models: int, questions: int) -> str:
    """How much there is to do."""
    many = "modelo" if models == 1 else "modelos"
    asked = "pergunta" if questions == 1 else "perguntas"
    return f"\n🎯 Testando {models} {many} em {questions} {asked}\n{_HEAVY}"


def where(step: Step) -> str:
    """Where a run stands, in a few words."""
    name = _name(step.variant.provider, step.variant.model)
    return f"{name}: pergunta {step.question} de {step.questions}" if step.question else f"{name}: aquecendo"


def answer_line(answer: Measured) -> str:
    """How one answer went, for a log."""
    return seconds(answer.latency_seconds) if answer.success else f"falhou: {answer.error}"


def results(report: Report) -> str:
    """The report, model by model, and the ranking."""
    lines = ["", "📊 RELATÓRIO DE BENCHMARK" + ("" if report.complete else " (interrompido)"), _HEAVY]
    for summary in report.summaries:
        lines += ["", f"🤖 {summary.variant.provider.upper()} - {summary.variant.model}", _LIGHT]
        lines += _figures(summary)
    lines += ["", _HEAVY, "🏆 RANKING", _LIGHT, *_ranking(report), _HEAVY]
    return "\n".join(lines)


def seconds(value: float | None) -> str:
    """``1,25 s``; with a third decimal below a tenth."""
    if value is None:
        return "–"
    return f"{value:.{3 if value < 0.1 else 2}f} s".replace(".", ",")


def money(value: float | None) -> str:
    """``US$ 0,0023``."""
    return "não se sabe" if value is None else f"US$ {value:.4f}".replace(".", ",")


def _figures(summary: Summary) -> list[str]:
    spread = f" (±{seconds(summary.latency_std)})" if summary.latency_std is not None else ""
    tokens = "não contados" if summary.tokens_avg is None else f"{summary.tokens_avg:.0f} (média)"
    rate = "–" if summary.success_rate is None else f"{100 * summary.success_rate:.0f} %"
    lines = [
        f"  ⚡ Latência:    {seconds(summary.latency_avg)}{spread}",
        f"  🐇 1º token:    {seconds(summary.ttft_avg)}",
        f"  📝 Tokens:      {tokens}",
        f"  💰 Custo:       {money(summary.cost_total)}",
        f"  ✅ Sucesso:     {rate} ({summary.successes} de {summary.questions})",
    ]
    lines += [f"  ⚠️  {count} × {reason}" for reason, count in summary.failures.items()]
    return lines


def _ranking(report: Report) -> list[str]:
    ranked = [summary for summary in report.summaries if summary.successes]
    if not ranked:
        return ["  Nenhum modelo respondeu."]
    lines = ["  ⚡ Mais rápidos (latência média do que foi respondido):"]
    lines += _places(ranked, lambda summary: summary.latency_avg, seconds)
    lines.append("  💎 Mais baratos (custo total):")
    lines += _places(ranked, lambda summary: summary.cost_total, money)
    lines += ["", "  Só latência e custo: as métricas de qualidade vêm com a próxima versão."]
    if len(report.questions) < _FEW:
        lines.append("  Com tão poucas perguntas, uma diferença pequena pode ser acaso.")
    return lines


def _places(
    summaries: Sequence[Summary],
    value: Callable[[Summary], float | None],
    written: Callable[[float | None], str],
) -> list[str]:
    known = sorted(
        (number, position, summary)
        for position, summary in enumerate(summaries)
        if (number := value(summary)) is not None
    )
    return [
        f"     {place}. {_name(summary.variant.provider, summary.variant.model)} ({written(number)})"
        f"{_partly(summary)}"
        for place, (number, _, summary) in enumerate(known, 1)
    ]


def _partly(summary: Summary) -> str:
    whole = summary.successes == summary.questions
    return "" if whole else f", respondeu {summary.successes} de {summary.questions}"


def _name(provider: str, model: str) -> str:
    return provider if provider == "extractive" else f"{provider}:{model}"
