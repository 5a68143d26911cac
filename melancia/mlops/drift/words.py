"""Findings in plain Portuguese, without personal data: figures, shares, names of topics and documents."""

import math

from melancia.mlops.drift.figures import BY_NAME, Figure, Kind
from melancia.mlops.drift.hypotheses import Hypothesis
from melancia.records import ReportStatus
from melancia.text import decimal

STATUS = {
    ReportStatus.STABLE: "estável",
    ReportStatus.DRIFT: "mudou",
    ReportStatus.TOO_LITTLE: "dados de menos",
}
SEVERITY = {"critical": "crítico", "warning": "atenção", "info": "informação"}
_LABELS = {
    "question_embedding": "sentido das perguntas",
    "document_dominance": "documentos que dominam",
    "document_silent": "documentos que silenciaram",
    "documents_never": "documentos nunca recuperados",
    "model_replaced": "modelo trocado sem aviso",
    "topic_new": "assunto novo",
}


def label(figure: str) -> str:
    """A figure's name for people."""
    return BY_NAME[figure].label if figure in BY_NAME else _LABELS[figure]


def title(figure: str, arm: str = "", topic: str = "") -> str:
    """A figure's name and what it is about: “tempo de resposta (braço A)”."""
    about = [f"braço {arm}"] if arm else []
    about += [topic] if topic else []
    return f"{label(figure)} ({', '.join(about)})" if about else label(figure)


def shown(figure: str, value: float | None) -> str:
    """A value of a figure, with its unit."""
    if value is None or not math.isfinite(value):
        return "–"
    known = BY_NAME.get(figure)
    if figure == "document_silent":
        return f"{value:.0f}"
    if figure == "question_embedding" or (known is not None and known.absolute is not None):
        return decimal(value, 2)
    if known is None or known.kind is not Kind.NUMBER:
        return percent(value)
    places = max(0, 2 - math.floor(math.log10(abs(value)))) if 0 < abs(value) < 100 else 0
    return f"{decimal(value, min(places, 6))} {known.unit}".strip()


def percent(share: float) -> str:
    """A share in [0, 1]: ``81,5 %``."""
    return f"{decimal(100 * share)} %"


def whole(number: int) -> str:
    """A count: ``12.345``."""
    return f"{number:,}".replace(",", ".")


def sentence(one: Hypothesis, drifted: bool) -> str:
    """What was found, or that nothing was, or why it was not tested."""
    head = title(one.figure, one.arm, one.topic)
    head = head[0].upper() + head[1:]
    if one.figure == "documents_never":
        named = f" ({', '.join(one.parts)}{'…' if len(one.parts) == 5 else ''})" if one.parts else ""
        return f"{head}: {one.reason}{named}."
    if one.p_value is None:
        return f"{head}: não testado, {one.reason}."
    if not drifted:
        small = one.large or one.p_value > 0.05
        return (
            f"{head}: sem mudança além do acaso."
            if small
            else f"{head}: mudança pequena demais para importar."
        )
    return f"{head}: {_change(one)}."


def _change(one: Hypothesis) -> str:
    now, then = shown(one.figure, one.value), shown(one.figure, one.reference)
    figure = BY_NAME.get(one.figure)
    if figure is not None and figure.kind is Kind.MIX:
        return _mix(figure, one)
    match one.figure:
        case "question_embedding":
            return f"um classificador distingue as perguntas de agora das de antes (AUC {now}; acaso: 0,50)"
        case "document_dominance":
            return f"{one.parts[0]} aparece em {now} das buscas; antes, em {then}"
        case "document_silent":
            return f"{now} que antes eram encontrados não apareceram mais: {', '.join(one.parts)}"
        case "topic_new":
            return f"{now} das perguntas; antes, {then}"
        case "model_replaced":
            changed = ", ".join(label(name) for name in one.parts)
            return (
                f"com o mesmo nome e os mesmos assuntos, mudou: {changed}. Confira prompt, busca e provedor"
            )
        case _:
            return f"{now}; antes, {then}"


def _mix(figure: Figure, one: Hypothesis) -> str:
    distance = f"{shown(figure.name, one.value)} das linhas mudaram de categoria"
    if not one.parts or one.shares is None:
        return distance
    now, then = (percent(share) for share in one.shares)
    return f"{distance}; a que mais mudou: {one.parts[0] or 'outras'}, {now} (antes, {then})"
