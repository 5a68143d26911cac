"""A drift report as HTML: where things stand, what changed, what did not, and what could not be tested."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from melancia.experiments import words
from melancia.mlops import figure_names
from melancia.records import DriftReport, Finding, ReportStatus
from melancia.settings import Settings
from melancia.ui import benchmark_html as html
from melancia.ui import health_words as names
from melancia.ui.health_data import ROUTE, Health
from melancia.ui.job_view import moment, text

_COLUMNS = ("Medida", "Agora", "Antes", "Diferença", "Certeza")
_MARKS = {ReportStatus.STABLE: "✅", ReportStatus.DRIFT: "⚠️", ReportStatus.TOO_LITTLE: "⏳"}
_KINDS = {ReportStatus.STABLE: "estavel", ReportStatus.DRIFT: "mudou", ReportStatus.TOO_LITTLE: "espera"}
_MODEL = "model_replaced"  # its "topic" is a model
_FACT = "documents_never"  # of the base as it is now: there is nothing to test
_HIDDEN = "Neste modo, em que os modelos não são nomeados, o texto fica com quem administra."


def overview(health: Health, settings: Settings) -> str:
    """State, findings and notes of the report shown; without one, what the tab is for."""
    report = health.shown
    if report is None:
        return f'<div class="benchmark saude">{_empty(health, settings)}</div>'
    newest = health.reports[0].id == report.id
    parts = (
        _head(report, settings if newest else None),
        _windows(report),
        _notes(report),
        _changes(health, report),
        _tables(report, named=health.viewer.named),
        _link(health),
    )
    return f'<div class="benchmark saude">{"".join(parts)}</div>'


def document(health: Health) -> str:
    """Evidently's document in a frame that can neither read the page nor reach the network; "" without."""
    report = health.shown
    if report is None or not report.file or not health.viewer.reader:
        return ""
    address = f"{ROUTE}/{text(report.id)}.html"
    return (
        f'<iframe title="Relatório do Evidently de {moment(report.created_at)}" src="{address}" '
        'sandbox="allow-scripts allow-popups" loading="lazy"></iframe>'
        f'<p><a href="{address}" target="_blank" rel="noopener">Abrir em outra aba</a></p>'
    )


def _empty(health: Health, settings: Settings) -> str:
    how = (
        "Escolha as janelas abaixo e aperte <strong>Procurar mudanças agora</strong>."
        if health.viewer.admin
        else "Quem administra pode procurar agora, por aqui."
    )
    return (
        '<div class="saude-estado espera"><h3>⏳ Ainda não há relatório</h3>'
        "<p>De tempos em tempos, o que as pessoas perguntam e o que o assistente responde são comparados com "
        "antes: assuntos, idioma, apoio nas fontes, tempo, custo, falhas, avaliações. O que mudou mais do "
        "que o acaso explica aparece aqui, com o que foi feito a respeito.</p>"
        f"<p>{text(names.next_search(settings))} {how}</p>"
        '<p class="tarefa-nota">Pelo terminal: <code>melancia drift --current '
        f"{text(settings.drift_current)} --reference {text(settings.drift_reference)}</code></p></div>"
    )


def _head(report: DriftReport, settings: Settings | None) -> str:
    """``settings``: of the newest report, which says when the next one will come."""
    following = f" {names.next_search(settings)}" if settings else " Há um mais novo."
    return (
        f'<div class="saude-estado {_KINDS[report.status]}"><h3>{_MARKS[report.status]} '
        f"{text(names.status(report))}</h3><p>{text(_said(report))}</p>"
        f'<p class="tarefa-nota">Relatório de {moment(report.created_at)}.{text(following)}</p></div>'
    )


def _said(report: DriftReport) -> str:
    if report.status is ReportStatus.TOO_LITTLE:
        return "Com tão poucas perguntas, qualquer diferença pode ser acaso: nada foi testado."
    tested = sum(_tested(finding) for finding in report.findings)
    made = words.plural(tested, "comparação feita", "comparações feitas")
    if report.status is ReportStatus.STABLE:
        return f"{made}, e nenhuma diferença maior do que o acaso explica."
    found = words.plural(len(report.drifted), "mudança", "mudanças")
    return f"{found} em {made}. A chance de um alarme falso no relatório inteiro é de no máximo 5 %."


def _windows(report: DriftReport) -> str:
    sizes, then = report.sizes, report.reference
    before = f"{names.reference(report.reference_kind)}{f', {_span(*then)}' if then else ''}"
    lines = (
        ("Agora", _span(*report.current), sizes.get("current")),
        ("Antes", before, sizes.get("reference")),
    )
    shown = "".join(
        f"<div><dt>{label}</dt><dd>{text(what)}{_size(size)}</dd></div>" for label, what, size in lines
    )
    return f'<dl class="saude-janelas">{shown}</dl>'


def _span(since: datetime, until: datetime) -> str:
    return f"{moment(since)} a {moment(until)}"


def _size(size: int | None) -> str:
    if size is None:
        return ""
    return f" · <strong>{names.whole(size)}</strong> {'interação' if size == 1 else 'interações'}"


def _notes(report: DriftReport) -> str:
    return html.items(f'<span class="tarefa-nota">{text(note)}</span>' for note in report.notes)


def _changes(health: Health, report: DriftReport) -> str:
    """Each change in a sentence, the gravest first."""
    drifted = sorted(report.drifted, key=names.gravest_first)
    if not drifted:
        return ""
    if not health.viewer.named:
        return html.heading("O que mudou") + html.note(_HIDDEN)
    lines = [
        f'<li class="{text(finding.severity)}"><span class="etiqueta{_badge(finding)}">'
        f"{text(names.severity(finding))}</span> {text(finding.message)}{_examples(health, finding)}</li>"
        for finding in drifted
    ]
    return f'{html.heading("O que mudou")}<ul class="saude-mudancas">{"".join(lines)}</ul>'


def _badge(finding: Finding) -> str:
    return {"critical": " grave", "warning": ""}.get(finding.severity, " parado")


def _examples(health: Health, finding: Finding) -> str:
    known = [health.questions[name] for name in finding.examples if name in health.questions]
    return html.folded("Exemplos", html.items(f"“{text(question)}”" for question in known)) if known else ""


def _tables(report: DriftReport, *, named: bool) -> str:
    drifted = sorted(report.drifted, key=names.gravest_first)
    others = [finding for finding in report.findings if not finding.drifted]
    calm = sorted((one for one in others if _tested(one)), key=lambda one: figure_names.place(one.figure))
    parts = []
    if drifted:
        note = (
            "p já está corrigido pelo número de comparações. p.p.: pontos percentuais. As outras diferenças "
            "são em relação a antes."
        )
        parts.append(
            html.table("O que mudou, em números", _COLUMNS, _rows(drifted, named=named)) + html.note(note)
        )
    if calm:
        table = html.table("Sem mudança além do acaso", _COLUMNS, _rows(calm, named=named))
        parts.append(html.folded(f"Sem mudança além do acaso ({len(calm)})", table))
    facts = [finding for finding in others if finding.figure == _FACT and finding.value is not None]
    parts += [html.note(finding.message) for finding in facts]
    untested = [finding for finding in others if not _tested(finding) and finding not in facts]
    if untested:
        # A message begins with what it is about.
        lines = (
            text(one.message if named else ", ".join((names.figure(one.figure), *_of(one, named=False))))
            for one in untested
        )
        parts.append(html.folded(f"Não testadas ({len(untested)})", html.items(lines)))
    return "".join(parts)


def _rows(findings: Sequence[Finding], *, named: bool) -> Iterator[tuple[str, list[str]]]:
    for one in findings:
        yield (
            html.value(names.figure(one.figure), *_of(one, named=named)),
            [
                html.value(names.written(one.figure, one.value)),
                html.value(names.before(one.figure, one.reference)),
                html.value(names.change(one.figure, one.value, one.reference), names.direction(one)),
                html.value(*names.sureness(one)),
            ],
        )


def _of(finding: Finding, *, named: bool) -> list[str]:
    """What a finding is about, beside its figure: an arm, a topic, or a model where it may be named."""
    of_model = finding.figure == _MODEL
    found = [f"braço {finding.arm}"] if finding.arm else []
    if finding.topic and (named or not of_model):
        found.append(finding.topic if of_model else f"assunto: {finding.topic}")
    return found


def _tested(finding: Finding) -> bool:
    """Whether there was enough to compare. A change found without a p was found by a fixed bound."""
    return finding.drifted or finding.p_value is not None


def _link(health: Health) -> str:
    if not health.link.startswith(("http://", "https://")):
        return ""
    link = f'<a href="{text(health.link)}" target="_blank" rel="noopener">Ver no MLflow</a>'
    return f'<p class="arquivos">{link}</p>'
