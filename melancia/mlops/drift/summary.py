"""A report as people read it: lines for the terminal, Markdown for MLflow, and the head of the HTML page."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from melancia.mlops.drift.words import SEVERITY, STATUS, shown, title, whole
from melancia.mlops.figure_names import ALONE
from melancia.records import DriftReport, Finding
from melancia.text import decimal

_GAPS = 10
_STYLE = (
    "font-family:system-ui,sans-serif;max-width:1080px;margin:24px auto;padding:0 16px;line-height:1.45;"
    "color:#1b1b1b;background:#fff"
)


def lines(report: DriftReport) -> list[str]:
    """The report in plain text."""
    found = [
        f"Situação: {STATUS[report.status]}",
        f"Agora: {_window(report.current, report.sizes['current'])}",
    ]
    if report.reference is not None:
        where = "" if report.reference_kind == "store" else f" ({report.reference_kind})"
        found.append(f"Antes: {_window(report.reference, report.sizes['reference'])}{where}")
    changed, stable, untested, facts = _sorted(report.findings)
    if changed:
        found += ["", f"Mudou ({len(changed)}):"]
        found += [f"  [{SEVERITY[one.severity]}] {one.message}" for one in changed]
    if stable:
        found += ["", f"Sem mudança que importe: {len(stable)} testes."]
    if facts:
        found += ["", *(one.message for one in facts)]
    if untested:
        found += ["", f"Não testado ({len(untested)}):", *(f"  {one.message}" for one in untested)]
    if report.gaps:
        named = [gap for gap in report.gaps if gap["label"]]
        alone = sum(int(gap["count"]) for gap in report.gaps if not gap["label"])
        found += ["", "Perguntas sem resposta na base:"]
        found += [f"  {gap['label']}: {whole(int(gap['count']))}" for gap in named[:_GAPS]]
        found += [f"  {ALONE}: {whole(alone)}"] if alone else []
    if report.notes:
        found += ["", "Notas:", *(f"  {note}" for note in report.notes)]
    return found


def markdown(report: DriftReport) -> str:
    """The same with a table of every test."""
    head = [f"# Relatório de mudanças de {_time(report.created_at)}", "", "```", *lines(report), "```", ""]
    return (
        "\n".join([*head, "| " + " | ".join(_HEADS) + " |", "|" + "---|" * len(_HEADS), *_rows(report)])
        + "\n"
    )


def page(report: DriftReport, picture: str) -> str:
    """Evidently's page with what was found above it; a page of its own where there is no picture."""
    said = "\n".join(lines(report))
    table = "".join(
        "<tr>"
        + "".join(f"<td style='padding:2px 10px 2px 0'>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for cells in _cells(report)
    )
    heads = "".join(f"<th style='text-align:left;padding-right:10px'>{escape(head)}</th>" for head in _HEADS)
    shown_tests = (
        f"<details><summary>Todos os testes ({len(report.findings)})</summary><div style='overflow-x:auto'>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{table}</tbody></table></div></details>"
        if report.findings
        else ""
    )
    below = (
        "<p>Abaixo, as distribuições por trás dos achados (Evidently, amostra das janelas). Os testes dele "
        "tomam cada linha por independente; quem decide é a lista acima.</p>"
        if picture
        else ""
    )
    section = (
        f"<section style='{_STYLE}'><h1>Relatório de mudanças</h1>"
        f"<pre style='white-space:pre-wrap;font:inherit'>{escape(said)}</pre>{shown_tests}{below}</section>"
    )
    if not picture:
        return (
            '<!DOCTYPE html>\n<html lang="pt-BR"><head><meta charset="UTF-8"><title>Relatório de mudanças'
            f"</title></head><body>{section}</body></html>\n"
        )
    head, body, rest = picture.partition("<body>")
    if not body:
        raise ValueError("Evidently's page has no body to write into")
    return head.replace('lang="en"', 'lang="pt-BR"', 1) + body + section + rest


_HEADS = ("Figura", "Agora", "Antes", "p corrigido", "Resultado")


def _rows(report: DriftReport) -> Iterable[str]:
    return ("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in _cells(report))


def _cells(report: DriftReport) -> Iterable[tuple[str, ...]]:
    for one in report.findings:
        p_value = "–" if one.p_value is None else decimal(one.p_value, 4)
        result = "mudou" if one.drifted else "não testado" if one.p_value is None else "sem mudança"
        yield (
            title(one.figure, one.arm, one.topic),
            shown(one.figure, one.value),
            shown(one.figure, one.reference),
            p_value,
            result,
        )


def _sorted(findings: Sequence[Finding]) -> tuple[list[Finding], ...]:
    """What changed, what did not, what was not tested, and facts that no test is made of."""
    facts = [one for one in findings if one.figure == "documents_never" and one.value is not None]
    tested = [one for one in findings if one not in facts]
    return (
        [one for one in tested if one.drifted],
        [one for one in tested if not one.drifted and one.p_value is not None],
        [one for one in tested if one.p_value is None],
        facts,
    )


def _window(span: tuple[datetime, datetime], size: int) -> str:
    return f"{_time(span[0])} a {_time(span[1])}, {whole(size)} interações"


def _time(moment: datetime) -> str:
    return f"{moment:%d/%m/%Y %H:%M} UTC"
