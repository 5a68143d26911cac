"""The figures of a benchmark: one table for MLflow, the printed report, the pictures and the page."""

from collections.abc import Mapping
from dataclasses import dataclass

SECONDS, MONEY, SHARE, SCORE = "s", "US$", "share", "score"


@dataclass(frozen=True, slots=True)
class Figure:
    """Its Portuguese title, its unit for ``words.written``, and which way it is better (None: neither)."""

    title: str
    unit: str
    lower_is_better: bool | None


FIGURES: Mapping[str, Figure] = {
    "latency_avg": Figure("Latência média", SECONDS, True),
    "latency_std": Figure("Desvio-padrão da latência", SECONDS, True),
    "latency_p50": Figure("Latência p50", SECONDS, True),
    "latency_p95": Figure("Latência p95", SECONDS, True),
    "ttft_avg": Figure("Tempo médio até o 1º token", SECONDS, True),
    "ttft_p50": Figure("Tempo até o 1º token p50", SECONDS, True),
    "ttft_p95": Figure("Tempo até o 1º token p95", SECONDS, True),
    "tokens_avg": Figure("Tokens por resposta", "tokens", True),
    "tokens_per_second_avg": Figure("Tokens por segundo", "tokens/s", False),
    "cost_total": Figure("Custo total", MONEY, True),
    "cost_avg": Figure("Custo por resposta", MONEY, True),
    "success_rate": Figure("Taxa de sucesso", SHARE, False),
    "quality_avg": Figure("Qualidade", SCORE, False),
    "relevance_avg": Figure("Relevância", SCORE, False),
    "correctness_avg": Figure("Correção", SCORE, False),
    "groundedness_avg": Figure("Fundamentação", SCORE, False),
    "citation_precision_avg": Figure("Precisão das citações", SCORE, False),
    "citation_recall_avg": Figure("Cobertura das citações", SCORE, False),
    "refusal_avg": Figure("Recusa correta", SCORE, False),
    "language_avg": Figure("Idioma", SCORE, False),
    "judge_avg": Figure("Nota do juiz", SCORE, False),
    "answers": Figure("Respostas pedidas", "", None),
    "successes": Figure("Respostas obtidas", "", False),
    "quarantined": Figure("Respostas em quarentena", "", True),
}
"""Every figure by its name in MLflow, in the order in which tables show them."""

METRICS: Mapping[str, str] = {
    "quality": "quality_avg",
    "relevance": "relevance_avg",
    "latency_seconds": "latency_avg",
}
"""What models are compared in → the figure that averages it."""
