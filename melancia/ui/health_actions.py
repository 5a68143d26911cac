"""What findings led to, and the questions that the base could not answer, as HTML and as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from melancia.experiments import words
from melancia.mlops.figure_names import ALONE
from melancia.records import Action, ActionState, DriftReport
from melancia.store import export
from melancia.ui import benchmark_html as html
from melancia.ui import health_words as names
from melancia.ui.health_data import ROUTE, Health
from melancia.ui.job_view import moment, text

SEEN, REPORT = "visto", "relatorio"
"""What a button of an action asks for."""
PRESSED = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-pede]');
  if (!button) return;
  trigger('click', {pede: button.dataset.pede, id: button.dataset.id});
  if (button.dataset.pede === 'relatorio') document.getElementById('saude-escolha').scrollIntoView();
});
"""
"""Tells the server which button was pressed: cards come and go, so they are no components of their own."""
_SHOWN = 40  # cards
_HISTORY = 100  # lines
_COLUMNS = ("grupo", "perguntas", "exemplo")  # of the CSV
_GRAVE = ("hold", "pause")


def actions(health: Health) -> str:
    """Open actions as cards, the newest first, then the record of those that were put away."""
    if not health.reports and not health.actions:
        return ""
    present = health.open
    cards = "".join(_card(health, action) for action in present[:_SHOWN])
    rest = len(present) - _SHOWN
    parts = (
        html.heading(f"Avisos e ações{f' em aberto ({len(present)})' if present else ''}"),
        f'<div class="saude-acoes">{cards}</div>' if cards else html.note("Nada em aberto."),
        html.note(f"E mais {rest}, mais antigas.") if rest > 0 else "",
        _history(health),
    )
    return f'<div class="benchmark saude">{"".join(parts)}</div>'


def gaps(report: DriftReport | None, *, reader: bool) -> str:
    """The questions that the base could not answer, a group each; the biggest first. "" without a report."""
    if report is None:
        return ""
    title = html.heading("Perguntas sem resposta na base")
    found = biggest_first(report)
    if not found:
        inner = html.note("Neste relatório, nenhuma pergunta se repetiu sem resposta.")
    elif not reader:
        total = words.plural(len(found), "grupo", "grupos")
        inner = html.note(f"{total} de perguntas; só a equipe e quem administra as leem.")
    else:
        groups = "".join(_gap(gap) for gap in found)
        inner = (
            f'<div class="saude-lacunas">{groups}</div>'
            f'<p class="arquivos"><a href="{ROUTE}/{text(report.id)}.csv" download>Baixar em CSV</a></p>'
            + html.note(
                "Um artigo por grupo costuma bastar: escreva-o, envie-o em “Base de conhecimento” e pergunte "
                "de novo para conferir. Dados pessoais foram mascarados."
            )
        )
    return f'<div class="benchmark saude">{title}{inner}</div>'


def gaps_csv(report: DriftReport) -> str:
    """One line an example, in which a spreadsheet finds nothing to compute."""
    return "".join(export.lines(_rows(report), "csv", _COLUMNS))


def biggest_first(report: DriftReport) -> Sequence[Mapping[str, Any]]:
    """The gaps in the order in which they are worth an article."""
    return sorted(report.gaps, key=lambda gap: -_parts(gap)[1])


def _card(health: Health, action: Action) -> str:
    failed = action.state is ActionState.FAILED
    result = (
        f'<p class="tarefa-nota">{text(str(action.detail["result"]))}</p>' if _tells(health, action) else ""
    )
    grave = " grave" if failed or action.kind in _GRAVE else ""
    said = text(action.message) if health.viewer.named else "O texto fica com quem administra."
    return (
        f'<article class="saude-acao{grave}"><p class="saude-acao-topo"><strong>{text(names.kind(action))}'
        f'</strong> <span class="etiqueta{" grave" if failed else " parado"}">'
        f"{text(names.STATES[action.state])}</span></p><p>{said}</p>{result}{_problem(health, action)}"
        f'<p class="tarefa-nota">{text(_cause(health, action))}</p>{_buttons(health, action)}</article>'
    )


def _tells(health: Health, action: Action) -> bool:
    return bool(action.detail.get("result")) and health.viewer.named


def _problem(health: Health, action: Action) -> str:
    if not action.error or not health.viewer.named:
        return ""
    tried = words.plural(action.attempts, "tentativa", "tentativas")
    return f'<p class="alerta">{text(f"{tried}: {action.error}")}</p>'


def _cause(health: Health, action: Action) -> str:
    report = health.report(action.report_id)
    when = moment(action.created_at)
    if report is not None:
        return f"{when}, pelo relatório de {moment(report.created_at)}, regra {action.rule}"
    if action.report_id is None:
        return f"{when}, por uma proteção, regra {action.rule}"
    return f"{when}, por um relatório mais antigo, regra {action.rule}"


def _buttons(health: Health, action: Action) -> str:
    shown = []
    label = f"{names.kind(action)}, {moment(action.created_at)}"
    if health.report(action.report_id) is not None:
        shown.append(_button(REPORT, action.report_id or "", "Ver o relatório", label))
    if health.viewer.admin:
        # A hold holds until somebody puts it away.
        seen = "Liberar a promoção" if action.kind == "hold" else "Marcar como visto"
        shown.append(_button(SEEN, action.id, seen, label))
    return f'<p class="saude-botoes">{"".join(shown)}</p>' if shown else ""


def _button(asks: str, of: str, said: str, label: str) -> str:
    return (
        f'<button type="button" data-pede="{asks}" data-id="{text(of)}" aria-label="{said}: {text(label)}">'
        f"{said}</button>"
    )


def _history(health: Health) -> str:
    rows = [
        (
            text(names.kind(action)),
            [
                moment(action.created_at),
                f'<div class="longo">{text(action.message) if health.viewer.named else "–"}</div>',
                text(action.rule),
                moment(action.updated_at),
            ],
        )
        for action in health.put_away[:_HISTORY]
    ]
    if not rows:
        return ""
    columns = ("Ação", "Quando", "Por quê", "Regra", "Vista em")
    return html.folded(f"Histórico ({len(rows)})", html.table("Ações já vistas", columns, rows))


def _gap(gap: Mapping[str, Any]) -> str:
    label, count, examples = _parts(gap)
    asked = words.plural(count, "pergunta", "perguntas")
    lines = html.items(f"“{text(example)}”" for example in examples)
    return f"<article><h5>{text(label or ALONE)} <small>{asked}</small></h5>{lines}</article>"


def _parts(gap: Mapping[str, Any]) -> tuple[str, int, Sequence[str]]:
    """Label ("" for a question that is alone), count and examples of a group, whatever else it holds."""
    examples = [str(example) for example in gap.get("examples") or ()]
    return str(gap.get("label") or ""), int(gap.get("count") or len(examples)), examples


def _rows(report: DriftReport) -> Iterator[Mapping[str, Any]]:
    for gap in biggest_first(report):
        label, count, examples = _parts(gap)
        for example in examples or ("",):
            yield dict(zip(_COLUMNS, (label or ALONE, count, example), strict=True))
