"""A report as plain JSON values, as docs/benchmark.schema.json says, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from melancia.experiments.plan import Options
from melancia.experiments.questions import Question
from melancia.experiments.results import Comparison, Interval, JudgeReport, Measured, Report, Summary
from melancia.records import Variant

SCHEMA = 1


def document(report: Report) -> dict[str, Any]:
    """All of a report as plain JSON values, instants in ISO 8601, UTC."""
    return {
        "schema": SCHEMA,
        "id": report.id,
        "mode": report.mode,
        "started_at": report.started_at.isoformat(),
        "ended_at": report.ended_at.isoformat(),
        "complete": report.complete,
        "stopped": report.stopped,
        "options": asdict(report.options),
        "index_version": report.index_version,
        "environment": dict(report.environment),
        "prices": [dict(price) for price in report.prices],
        "questions": [
            {
                **asdict(question),
                "passages": [
                    {
                        "rank": passage.rank,
                        "document_id": passage.document_id,
                        "chunk_id": passage.chunk_id,
                        "score": passage.score,
                    }
                    for passage in report.passages.get(question.id, ())
                ],
            }
            for question in report.questions
        ],
        "models": [summary.as_dict() for summary in report.summaries],
        "comparisons": [asdict(comparison) for comparison in report.comparisons],
        "ranking": {name: [list(place) for place in places] for name, places in report.ranking.items()},
        "judge": asdict(report.judge) if report.judge else None,
        "answers": [answer.as_dict() for answer in report.answers],
    }


def report_of(found: Mapping[str, Any]) -> Report:
    """The inverse of ``document``, but for the passages, of which it keeps the ids only."""
    judge = found["judge"]
    return Report(
        id=found["id"],
        mode=found["mode"],
        started_at=datetime.fromisoformat(found["started_at"]),
        ended_at=datetime.fromisoformat(found["ended_at"]),
        complete=found["complete"],
        stopped=found["stopped"],
        options=Options(**found["options"]),
        index_version=found["index_version"],
        environment=found["environment"],
        prices=found["prices"],
        questions=[
            Question.from_dict({name: value for name, value in item.items() if name != "passages"})
            for item in found["questions"]
        ],
        passages={},
        summaries=[_summary(item) for item in found["models"]],
        comparisons=[
            Comparison(**{**item, "interval": _interval(item["interval"])}) for item in found["comparisons"]
        ],
        ranking=found["ranking"],
        judge=JudgeReport(**judge) if judge else None,
        answers=[Measured.from_dict(item) for item in found["answers"]],
    )


def _summary(item: Mapping[str, Any]) -> Summary:
    derived = ("provider", "model_name", "variant_hash")
    own = {name: value for name, value in item.items() if name not in derived}
    intervals = {name: Interval(**ends) for name, ends in own["intervals"].items()}
    return Summary(**{**own, "variant": Variant.from_dict(own["variant"]), "intervals": intervals})


def _interval(ends: Mapping[str, float] | None) -> Interval | None:
    return Interval(**ends) if ends else None
