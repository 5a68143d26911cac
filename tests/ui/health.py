"""Drift reports, their actions and a document in a store, as the job and the worker leave them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from melancia.records import (
    Action,
    ActionState,
    Answer,
    Assignment,
    DriftReport,
    Finding,
    FinishReason,
    Interaction,
    ReportStatus,
    Variant,
)
from melancia.store import Store

NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
OLDEST, CALM, NEWEST = "0" * 31 + "1", "0" * 31 + "2", "0" * 31 + "3"
ASKED = "1" * 32
QUESTION = "O Full aceita suplemento? Escreva para ana@exemplo.com"
FIGURES: Mapping[str, float] = {
    "question_length": 62.0,
    "topic_mix": 0.04,
    "groundedness": 0.81,
    "unanswered": 0.06,
    "top_score": 0.74,
    "latency": 3.1,
    "latency.a": 3.4,
    "latency.b": 2.8,
    "failed": 0.01,
    "cost": 0.0021,
    "thumbs_down": 0.12,
}
GAPS: tuple[Mapping[str, Any], ...] = (
    {"label": "fatura, boleto", "count": 9, "examples": ["=HYPERLINK(1)", "Onde vejo a fatura?"]},
    {
        "label": "suplemento, full",
        "count": 41,
        "examples": ["O Full aceita suplemento?", "Posso anunciar vitaminas? Escrevam para [e-mail]"],
    },
)
CHANGED = (
    Finding(
        "question_length", False, "O tamanho das perguntas não mudou.", value=64, reference=62, p_value=1.0
    ),
    Finding(
        "latency",
        True,
        "O tempo de resposta do braço A subiu de 3,4 s para 4,9 s.",
        arm="A",
        value=4.9,
        reference=3.4,
        p_value=0.0004,
        severity="critical",
    ),
    Finding(
        "topic_new",
        True,
        "Surgiu um assunto: suplemento, full, com 12 % das perguntas.",
        topic="suplemento, full",
        value=0.12,
        reference=0.002,
        p_value=0.00001,
        examples=(ASKED, "apagada"),
    ),
    Finding(
        "topic_mix",
        True,
        "Os assuntos mudaram: mais “suplemento, full”.",
        value=0.14,
        reference=0.0,
        p_value=0.006,
    ),
    Finding(
        "rated",
        True,
        "Mais respostas são avaliadas.",
        value=0.31,
        reference=0.24,
        p_value=0.03,
        severity="info",
    ),
    Finding("latency", False, "Tempo de resposta (braço B): sem mudança.", arm="B", value=2.8, p_value=0.8),
    Finding("documents_never", False, "Documentos nunca recuperados: 3 de 40 documentos.", value=0.075),
    Finding(
        "thumbs_down",
        False,
        "Polegares para baixo (braço B): não testado, 12 medidas agora.",
        arm="B",
        severity="info",
    ),
    Finding(
        "failed", False, "As falhas não mudaram.", value=0.01, reference=0.012, p_value=0.7, severity="info"
    ),
    Finding(
        "model_replaced",
        False,
        "As respostas de ollama:llama3.2:3b não mudaram.",
        topic="ollama:llama3.2:3b",
        value=812.0,
        reference=820.0,
        p_value=0.6,
        severity="info",
    ),
)


def report(report_id: str = NEWEST, **changes: Any) -> DriftReport:
    """A report that found changes."""
    whole = DriftReport(
        status=ReportStatus.DRIFT,
        current=(NOW - timedelta(days=7), NOW),
        reference=(NOW - timedelta(days=35), NOW - timedelta(days=7)),
        reference_kind="store",
        sizes={"current": 1240, "reference": 5312},
        figures={**FIGURES, "latency": 4.2, "latency.a": 4.9, "unanswered": 0.15, "topic_mix": 0.14},
        findings=CHANGED,
        gaps=GAPS,
        notes=("Os assuntos vêm de uma amostra de 1.000 perguntas.",),
        file=f"{report_id}.html",
        run_id="abc123",
        id=report_id,
        created_at=NOW,
    )
    return replace(whole, **changes)


def calm(report_id: str = CALM, days: int = 1) -> DriftReport:
    """A report that found nothing."""
    same = tuple(replace(one, drifted=False, p_value=0.9, severity="info") for one in CHANGED if one.p_value)
    return report(
        report_id,
        status=ReportStatus.STABLE,
        figures=FIGURES,
        findings=same,
        gaps=(),
        notes=(),
        file="",
        run_id="",
        created_at=NOW - timedelta(days=days),
    )


def scarce(report_id: str = OLDEST, **sizes: int) -> DriftReport:
    """A report with too little data."""
    return report(
        report_id,
        status=ReportStatus.TOO_LITTLE,
        sizes={"current": 12, "reference": 40, **sizes},
        figures={},
        findings=(),
        gaps=(),
        notes=(),
        file="",
        run_id="",
        created_at=NOW - timedelta(days=2),
    )


def action(kind: str = "alert", state: ActionState = ActionState.DONE, **changes: Any) -> Action:
    """What the newest report led to."""
    whole = Action(
        key=f"{kind}|{state}",
        report_id=NEWEST,
        rule="tempo-de-resposta",
        kind=kind,
        message="O tempo de resposta do braço A subiu de 3,4 s para 4,9 s.",
        state=state,
        id=f"{kind}-{state}",
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(whole, **changes)


def asked(store: Store) -> None:
    """The question that is an example of a finding."""
    variant = Variant("extractive", "extractive")
    store.finish(
        Interaction(
            user_id="pessoa",
            conversation_id="c",
            question=QUESTION,
            assignment=Assignment(variant),
            exposure=variant,
            answer=Answer(text="Não sei.", finish_reason=FinishReason.STOP, total_time=1.0, refused=True),
            id=ASKED,
        )
    )


def lived(store: Store) -> None:
    """Three reports, the newest of which found changes, and what they led to."""
    asked(store)
    for one in (scarce(missing=88), calm(), report()):
        store.reports.keep(one)
    for planned in (
        action("alert", ActionState.FAILED, error="O webhook não respondeu.", attempts=3),
        action("hold", detail={"arm": "A", "experiment": "modelos"}),
        action(
            "benchmark",
            rule="assunto-novo",
            message="Surgiu um assunto: suplemento, full.",
            detail={"result": "O benchmark está entre as tarefas."},
        ),
        action("gaps", ActionState.PLANNED, rule="lacunas", message="41 perguntas sem resposta na base."),
        action("pause", rule="protecao", report_id=None, message="Braço B pausado por erros."),
        action("alert", ActionState.DISMISSED, message="As recusas subiram.", rule="recusas"),
    ):
        store.reports.plan(planned)


def document(folder: Path, report_id: str = NEWEST) -> Path:
    """A document that Evidently really wrote, of two small windows, as a report's."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    now = pd.DataFrame({"latency": [float(number % 17) for number in range(120)]})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report_id}.html"
    Report([DataDriftPreset()]).run(now + 3, now).save_html(str(path))
    return path
