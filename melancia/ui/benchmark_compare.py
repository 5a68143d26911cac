"""Two benchmarks, then and now, as HTML: figures side by side, and all that is different beside the model.

Nothing is tested: answers of different days, questions or documents are not pairs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from melancia.experiments import words
from melancia.experiments.figures import FIGURES
from melancia.experiments.results import Report, Summary
from melancia.ui import benchmark_html as html
from melancia.ui.benchmark_view import SHORT, by_quality
from melancia.ui.job_view import moment, text

_SHOWN = ("quality_avg", "relevance_avg", "latency_avg", "cost_avg", "success_rate")
_OPTIONS = {
    "repeats": "repetições",
    "pipeline": "caminho inteiro dos usuários",
    "batch": "OpenAI em lote",
    "concurrency": "perguntas ao mesmo tempo",
}
_AROUND = {
    "embedding_model": "modelo de embeddings",
    "ollama": "versão do Ollama",
    "melancia": "versão da MelâncIA",
    "system": "sistema",
    "cpus": "processadores",
    "memory_bytes": "memória (bytes)",
}


def compare(now: Report, then: Report) -> str:
    """Each model of both, and what else changed between them."""
    pairs = [(one, other) for one in by_quality(now) for other in [_same(one, then)] if other is not None]
    titles = [FIGURES[name].title for name in _SHOWN]
    names = words.names([one.variant for one in now.summaries])
    rows = [
        (html.model(one.variant, names[one.variant.hash]), [_cell(name, one, other) for name in _SHOWN])
        for one, other in pairs
    ]
    caption = f"{moment(now.started_at)}, comparado com {moment(then.started_at)}"
    parts = [_warnings(now, then)]
    parts.append(
        html.table(caption, ["Modelo", *titles], rows)
        if rows
        else html.note("Nenhum modelo participou dos dois.")
    )
    parts += [html.note(line) for line in _alone(now, then)]
    return f'<div class="benchmark">{"".join(parts)}</div>'


def _same(one: Summary, report: Report) -> Summary | None:
    """The same model there: the same variant if it took part, else one of the same name."""
    alike = [other for other in report.summaries if other.variant.label == one.variant.label]
    return next((other for other in alike if other.variant == one.variant), alike[0] if alike else None)


def _cell(name: str, one: Summary, other: Summary) -> str:
    unit = FIGURES[name].unit
    new, old = one.figures.get(name), other.figures.get(name)
    change = None if new is None or old is None else new - old
    said = words.difference(change, lambda value: words.written(value, unit))
    if unit == "share" and change is not None:
        # ``share`` writes a share of a whole, which a difference is not.
        said = words.difference(100 * change, words.count) + " pontos"
    return html.value(words.written(new, unit), f"antes: {words.written(old, unit)}", f"diferença: {said}")


def _warnings(now: Report, then: Report) -> str:
    found = [*_changes(now, then)]
    about = "As diferenças abaixo não foram testadas: podem ser acaso."
    if not found:
        return html.note(f"Mesmas perguntas, mesma base, mesmas configurações. {about}")
    listed = html.items(text(line) for line in found)
    return f'<div class="alerta"><p>⚠️ Não foi só o modelo que mudou. {about}</p>{listed}</div>'


def _changes(now: Report, then: Report) -> Iterator[str]:
    """What differs between both, beside the answers; texts."""
    asked, before = ([question.text for question in report.questions] for report in (now, then))
    if set(asked) != set(before):
        shared = len(set(asked) & set(before))
        yield f"Perguntas: {len(before)} antes, {len(asked)} agora, {shared} em comum."
    for report, when in ((then, "anterior"), (now, "atual")):
        if not report.complete:
            yield f"O benchmark {when} parou antes do fim."
    if now.index_version != then.index_version:
        old, new = (report.index_version[:SHORT] for report in (then, now))
        yield f"Base de conhecimento: versão {old} antes, {new} agora."
    for one in now.summaries:
        other = _same(one, then)
        if other is not None and other.variant != one.variant:
            yield f"Configuração de {one.variant.label}: {_variant_changes(one, other)}."
    yield from _told(_OPTIONS, _options(then), _options(now))
    yield from _told(_AROUND, then.environment, now.environment)


def _variant_changes(one: Summary, other: Summary) -> str:
    new, old = one.variant.as_dict(), other.variant.as_dict()
    return ", ".join(f"{name} {old[name]} → {new[name]}" for name in new if new[name] != old[name])


def _told(names: Mapping[str, str], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, title in names.items():
        if old.get(name) != new.get(name):
            before, after = _said(old.get(name)), _said(new.get(name))
            yield f"{title[0].upper()}{title[1:]}: {before} antes, {after} agora."


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "sim" if value else "não"
    return words.UNKNOWN if value is None else str(value)


def _options(report: Report) -> Mapping[str, Any]:
    return {name: getattr(report.options, name) for name in _OPTIONS}


def _alone(now: Report, then: Report) -> Iterator[str]:
    """Who took part in one of both only; texts."""
    new, old = ([one.variant.label for one in report.summaries] for report in (now, then))
    for title, labels in (
        ("Só no atual", [label for label in new if label not in old]),
        ("Só no anterior", [label for label in old if label not in new]),
    ):
        if labels:
            yield f"{title}: {words.listed(list(dict.fromkeys(labels)))}."
