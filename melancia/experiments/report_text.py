"""What a benchmark prints, in the shape of the guide's report: 80 columns, Portuguese."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from melancia.experiments import verdict_text, words
from melancia.experiments.plan import Step
from melancia.experiments.questions import Question
from melancia.experiments.results import Measured, Report, Summary
from melancia.experiments.verdict_text import WIDTH, wrapped

if TYPE_CHECKING:
    from melancia.llms import ModelCard

_HEAVY, _LIGHT = "=" * WIDTH, "-" * WIDTH
_TITLES = {"quick": "TESTE RÁPIDO", "full": "BENCHMARK COMPLETO"}
_SHOWN_QUESTIONS = 10
_SHOWN_REASONS = 5


def opening(mode: str, questions: Sequence[Question], *, quoted: bool = True) -> str:
    """The title and the questions; of many, the first ones. Their number only, unless they are ``quoted``."""
    head = [f"🚀 {_TITLES[mode]} - Experimentação de LLMs", _HEAVY, ""]
    if not quoted:
        return "\n".join([*head, f"📝 {words.plural(len(questions), 'pergunta', 'perguntas')} de teste", ""])
    shown = [f"   {number}. {item.text}" for number, item in enumerate(questions[:_SHOWN_QUESTIONS], 1)]
    more = len(questions) - _SHOWN_QUESTIONS
    left_out = [f"   … e mais {more}"] if more > 0 else []
    return "\n".join([*head, "📝 Perguntas de teste:", *shown, *left_out, ""])


def providers(cards: Sequence["ModelCard"]) -> str:
    """Each provider: its usable models, or why there are none and what to do."""
    from melancia.llms import capabilities

    lines = []
    for provider, group in groupby(cards, key=lambda card: card.provider):
        title = capabilities(provider).title
        title = title[0].upper() + title[1:]
        lines.append(f"🔍 Testando {title}...")
        lines.append(f"   {_configured(title, list(group))}")
    return "\n".join(lines)


def beginning(models: int, questions: int) -> str:
    """How much there is to do."""
    many = words.plural(models, "modelo", "modelos")
    return f"\n🎯 Testando {many} em {words.plural(questions, 'pergunta', 'perguntas')}\n{_HEAVY}"


def where(step: Step, numbers: Mapping[str, int] | None = None) -> str:
    """Where a run stands, in a line: ``ollama:llama3.2:3b: O que é Retail Media? (4 de 6)``.

    ``numbers``: a question's text → what is said instead of it, as in ``pergunta 2``.
    """
    name = words.name(step.variant).replace(" - ", ":", 1)
    number = (numbers or {}).get(step.question)
    said = step.question if number is None else f"pergunta {number}"
    doing = textwrap.shorten(said, 48, placeholder="…") if said else "aquecendo"
    return f"{name}: {doing} ({step.done} de {step.total})"


def answer_line(answer: Measured) -> str:
    """How one answer went, for a log."""
    if not answer.success:
        return f"falhou: {answer.error}"
    said = words.seconds(answer.latency_seconds) if answer.comparable_latency else "respondida em lote"
    if "quality" in answer.scores:
        said += f", qualidade {words.score(answer.scores['quality'])}"
    return f"{said}, em quarentena: {answer.quarantine}" if answer.quarantine else said


def results(report: Report) -> str:
    """The report: model by model, the ranking with what may not be read into it, and the judge if any."""
    stopped = "" if report.complete else f" ({report.stopped or 'interrompido'})"
    lines = ["", f"📊 RELATÓRIO DE BENCHMARK{stopped}", _HEAVY]
    names = words.names([summary.variant for summary in report.summaries])
    for summary in report.summaries:
        lines += ["", f"🤖 {summary.variant.provider.upper()} - {summary.variant.model}", _LIGHT]
        lines += _figures(summary, batched=_batched(report, summary))
        lines += verdict_text.against(summary.variant.hash, report, names)
        lines += _reasons("⚠️ ", summary.failures, "")
        lines += _reasons("🚧", summary.quarantines, " em quarentena, fora das médias")
    lines += ["", _HEAVY, "🏆 RANKING", _LIGHT, *verdict_text.ranking(report, names)]
    lines += verdict_text.notes(report)
    if report.judge is not None:
        lines += ["", _HEAVY, f"⚖️ JUIZ - {report.judge.label}", _LIGHT]
        lines += verdict_text.judge(report.judge, report.summaries, names)
    return "\n".join([*lines, _HEAVY])


def _configured(title: str, cards: Sequence["ModelCard"]) -> str:
    from melancia.llms.catalog import State

    usable = [card.model for card in cards if card.availability.usable]
    unpriced = [card for card in cards if card.availability.state is State.UNPRICED]
    left_out = ", ".join(card.model for card in unpriced)
    if usable:
        names = "controle, sem modelo de linguagem" if usable == ["extractive"] else ", ".join(usable)
        more = f"; fora, por preço desconhecido: {left_out}" if unpriced else ""
        return f"✓ {title} configurado ({names}){more}"
    if unpriced:
        why = unpriced[0].availability
        return f"– {title}: {why.reason}. {why.remedy} Fora: {left_out}."
    first = cards[0].availability
    if any(card.availability.state is State.NOT_PULLED for card in cards):
        return f"– {title}: nenhum modelo baixado. Baixe um, como `ollama pull llama3.2:3b`."
    return f"– {title}: {first.reason.rstrip('.')}. {first.remedy}"


def _batched(report: Report, summary: Summary) -> bool:
    """Whether the model's answers came in a batch."""
    own = [answer for answer in report.answers if answer.variant_hash == summary.variant.hash]
    return any(answer.counted and not answer.comparable_latency for answer in own)


def _figures(summary: Summary, *, batched: bool) -> list[str]:
    """The guide's five lines, then ours; those of which nothing is known only if they are the guide's."""
    found, spans = summary.figures, summary.intervals
    spread = f" (±{words.seconds(found['latency_std'])})" if "latency_std" in found else ""
    latency = f"{words.seconds(found.get('latency_avg'))}{spread}"
    if batched:
        latency = "não comparável (em lote)" if "latency_avg" not in found else f"{latency}, sem as em lote"
    tokens, cost = found.get("tokens_avg"), found.get("cost_total")
    lines = [
        f"  ⚡ Latência:    {latency}",
        f"  📝 Tokens:      {'não contados' if tokens is None else words.count(tokens) + ' (média)'}",
        f"  💰 Custo:       {'não se sabe' if cost is None else words.money(cost)}",
        f"  ⭐ Qualidade:   {_out_of_one('quality_avg', summary)}",
        f"  🎯 Relevância:  {_out_of_one('relevance_avg', summary)}",
    ]
    if "latency_p50" in found:
        lines.append(f"  📈 p50 e p95:   {_pair(found, 'latency')}")
    if "ttft_avg" in found:
        first = f"{words.seconds(found['ttft_avg'])} (p50 e p95: {_pair(found, 'ttft')})"
        lines.append(f"  🐇 1º token:    {first}")
    if "tokens_per_second_avg" in found:
        lines.append(f"  🚄 Tokens/s:    {words.rate(found['tokens_per_second_avg'])}")
    valid = summary.asked - sum(summary.quarantines.values())
    rate = words.share(found.get("success_rate"))
    span = words.span(spans.get("success_rate"), words.share)
    lines.append(f"  ✅ Sucesso:     {rate} ({summary.counted} de {valid}){span}")
    return lines


def _pair(found: Mapping[str, float], name: str) -> str:
    return f"{words.seconds(found[f'{name}_p50'])} e {words.seconds(found[f'{name}_p95'])}"


def _out_of_one(name: str, summary: Summary) -> str:
    if name not in summary.figures:
        return words.UNKNOWN
    return f"{words.score(summary.figures[name])}/1,0{words.span(summary.intervals.get(name))}"


def _reasons(sign: str, reasons: Mapping[str, int], state: str) -> list[str]:
    """How often which reason, the most frequent first; of many different ones, the first few."""
    ordered = sorted(reasons.items(), key=lambda item: -item[1])
    lines = []
    for reason, count in ordered[:_SHOWN_REASONS]:
        said = f"{count}{state}: " if state else f"{count} × "
        lines += wrapped(f"  {sign} ", said + " ".join(reason.split()), "     ")
    if more := sum(count for _, count in ordered[_SHOWN_REASONS:]):
        lines.append(f"     … e mais {more}{state}, por outros motivos")
    return lines
