"""A question of a benchmark with every model's answer, side by side; all of it escaped."""

import re
from collections.abc import Iterator, Mapping, Sequence

from melancia.evals.case import SCORES
from melancia.experiments import words
from melancia.experiments.figures import FIGURES
from melancia.experiments.questions import Question
from melancia.experiments.results import Measured, Report, Summary
from melancia.ui import benchmark_html as html
from melancia.ui.benchmark_view import by_quality
from melancia.ui.job_view import text

_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_PAIR = {
    "win": "melhor, para o juiz",
    "loss": "pior, para o juiz",
    "tie": "empate, para o juiz",
    "inconsistent": "o juiz muda com a ordem",
    "failed": "não comparada",
}
_LONGEST = 90  # characters of a question in the list


def questions(report: Report) -> list[tuple[str, str]]:
    """(what to call it, id) of the questions that were asked, in their order."""
    asked = {answer.question_id for answer in report.answers}
    return [
        (_called(number, question), question.id)
        for number, question in enumerate(report.questions, 1)
        if question.id in asked
    ]


def answers(report: Report, question_id: str, titles: Mapping[str, str]) -> str:
    """Who answered what; ``titles``: document id → title. "" for a question that is none of the report's."""
    question = next((one for one in report.questions if one.id == question_id), None)
    if question is None:
        return ""
    names = words.names([one.variant for one in report.summaries])
    cards = [
        _card(one, answer, names, titles, repeated=report.options.repeats > 1)
        for one in by_quality(report)
        for answer in report.answers
        if answer.question_id == question_id and answer.variant_hash == one.variant.hash
    ]
    return f'{_asked(question)}<div class="respostas">{"".join(cards)}</div>'


def _called(number: int, question: Question) -> str:
    said = question.text if len(question.text) <= _LONGEST else f"{question.text[:_LONGEST]}…"
    return f"{number}. {said}"


def _asked(question: Question) -> str:
    """The question with what came before it, and what a right answer is."""
    parts = [f"<p><em>{text(turn.question)}</em><br>{text(turn.answer)}</p>" for turn in question.history]
    parts.append(f'<p class="pergunta">{text(question.text)}</p>')
    if question.category:
        parts.append(html.note(f"Categoria: {words.category(question.category)}"))
    if question.reference:
        parts.append(f"<p><strong>Resposta de referência:</strong> {text(question.reference)}</p>")
    if question.key_facts:
        parts.append(f"<p><strong>Fatos essenciais:</strong> {text('; '.join(question.key_facts))}</p>")
    if question.answerable is False:
        parts.append(html.note("A base não responde a esta pergunta: o certo é recusar."))
    return "".join(parts)


def _card(
    one: Summary, answer: Measured, names: Mapping[str, str], titles: Mapping[str, str], *, repeated: bool
) -> str:
    name = names[one.variant.hash]
    again = html.note(f"Repetição {answer.repeat}") if repeated else ""
    parts = [f"<h5>{html.model(one.variant, name)}</h5>{again}"]
    if not answer.success:
        parts.append(f'<p class="alerta">❌ Falhou: {text(answer.error)}</p>')
    if answer.quarantine:
        parts.append(f'<p class="alerta">🚧 Em quarentena: {text(answer.quarantine)}</p>')
    if answer.answer:
        parts.append(f'<div class="texto">{_written(answer.answer)}</div>')
    parts.append(html.note(" · ".join(_measures(answer))) if answer.success else "")
    parts += [_scores(answer), _judged(answer), _documents(answer, titles)]
    return f'<article aria-label="{text(name)}">{"".join(parts)}</article>'


def _written(said: str) -> str:
    """An answer's text: its bold is shown, the rest of its Markdown stays as it was written."""
    return _BOLD.sub(r"<strong>\1</strong>", text(said))


def _measures(answer: Measured) -> Iterator[str]:
    if answer.latency_seconds is not None:
        note = "" if answer.comparable_latency else " (em lote)"
        yield f"{words.seconds(answer.latency_seconds)}{note}"
    if answer.tokens is not None:
        yield f"{words.count(answer.tokens)} tokens"
    yield words.money(answer.cost) if answer.cost is not None else "custo não conhecido"
    if answer.refused:
        yield "recusou"
    if answer.finish_reason == "length":
        yield "cortada no tamanho máximo"
    if answer.invented_citations:
        yield words.plural(answer.invented_citations, "citação inventada", "citações inventadas")
    if answer.tries > 1:
        yield f"{answer.tries} tentativas"


def _scores(answer: Measured) -> str:
    """A line a metric: its score, or why there is none."""
    lines = []
    for name in SCORES:
        title = FIGURES[f"{name}_avg"].title
        if name in answer.scores:
            lines.append((title, words.score(answer.scores[name])))
        elif name in answer.unscored:
            lines.append((title, f"não medida: {answer.unscored[name]}"))
    return _terms(lines)


def _judged(answer: Measured) -> str:
    return _judged_alone(answer) + _judged_beside(answer)


def _judged_beside(answer: Measured) -> str:
    if not answer.judge_pair:
        return ""
    said = _terms([("Ao lado do controle", _PAIR.get(answer.judge_pair, answer.judge_pair))])
    return said + html.note(answer.judge_pair_reason)


def _judged_alone(answer: Measured) -> str:
    if answer.judge_failure:
        return _terms([(FIGURES["judge_avg"].title, f"não julgada: {answer.judge_failure}")])
    if answer.judge_score is None:
        return ""
    return _terms([(FIGURES["judge_avg"].title, words.score(answer.judge_score))]) + html.note(
        answer.judge_reason
    )


def _terms(lines: Sequence[tuple[str, str]]) -> str:
    inner = "".join(f"<div><dt>{text(term)}</dt><dd>{text(said)}</dd></div>" for term, said in lines)
    return f"<dl>{inner}</dl>" if inner else ""


def _documents(answer: Measured, titles: Mapping[str, str]) -> str:
    """What was found for it, by rank, with what it cites."""
    lines = [
        f"[{rank}] {text(titles.get(document, document))}"
        + (" <strong>citado</strong>" if rank in answer.citations else "")
        for rank, document in enumerate(answer.documents, 1)
    ]
    return html.folded(f"Trechos recebidos ({len(lines)})", html.items(lines)) if lines else ""
