"""Words that the views of the tab "Saúde" share: states, kinds of action, windows, figures as written."""

from collections.abc import Callable, Mapping

from melancia.errors import SettingsError
from melancia.experiments import words
from melancia.jobs.timetable import DRIFT, timetable
from melancia.mlops import figure_names
from melancia.mlops.decide.words import percent
from melancia.records import Action, ActionState, DriftReport, Finding, ReportStatus, utc_now
from melancia.settings import Settings
from melancia.text import decimal
from melancia.ui.job_view import moment

_SEVERITIES: Mapping[str, tuple[int, str]] = {
    "critical": (0, "crítico"),
    "warning": (1, "atenção"),
    "info": (2, "informação"),
}
KINDS: Mapping[str, tuple[str, str]] = {
    "alert": ("🔔", "Aviso"),
    "benchmark": ("🧪", "Benchmark das perguntas novas"),
    "hold": ("✋", "Promoção suspensa"),
    "pause": ("⏸", "Braço em pausa"),
    "gaps": ("📚", "Lacunas da base"),
}
STATES: Mapping[ActionState, str] = {
    ActionState.PLANNED: "a fazer",
    ActionState.DONE: "feito",
    ActionState.FAILED: "falhou",
    ActionState.DISMISSED: "visto",
}
_REFERENCES: Mapping[str, str] = {
    "store": "perguntas de antes",
    "benchmark": "perguntas de teste",
    "file": "um arquivo",
}
_UNITS: Mapping[str, Callable[[float | None], str]] = {
    "share": percent,
    "score": words.score,
    "s": words.seconds,
    "US$": words.money,
    "characters": words.count,
    "tokens": words.count,
    "": words.count,
    "moved": percent,
    "none": lambda _value: words.UNKNOWN,
}
AXES: Mapping[str, tuple[str, float]] = {
    "share": ("%", 100.0),
    "score": ("nota, de 0 a 1", 1.0),
    "s": ("segundos", 1.0),
    "US$": ("US$ por resposta", 1.0),
    "characters": ("caracteres", 1.0),
    "tokens": ("tokens", 1.0),
    "": ("quantidade", 1.0),
    "moved": ("% que mudou de lugar", 100.0),
    "none": ("", 1.0),
}
"""By unit: what an axis is called, and what the kept value is multiplied by."""


def whole(number: int) -> str:
    """A count with points for thousands: ``12.345``."""
    return f"{number:,}".replace(",", ".")


def status(report: DriftReport) -> str:
    """Where a report stands, in few words."""
    if report.status is ReportStatus.STABLE:
        return "Estável"
    if report.status is ReportStatus.DRIFT:
        return "Mudanças encontradas"
    # Where the report does not count them, its notes say what each window lacks.
    lacking = report.sizes.get("missing", 0)
    return f"Poucos dados: faltam {whole(lacking)} interações" if lacking else "Poucos dados"


def called(report: DriftReport) -> str:
    """A report's line in the list."""
    found = len(report.drifted)
    said = words.plural(found, "mudança", "mudanças") if found else status(report).lower()
    return f"{moment(report.created_at)} · {said}"


def reference(kind: str) -> str:
    """What a report compares with."""
    return _REFERENCES.get(kind, kind)


def figure(name: str) -> str:
    """A figure's name, as the beginning of a line."""
    title = figure_names.figure(name).title
    return title[:1].upper() + title[1:]


def listed(name: str) -> str:
    """A figure's line in the list of figures."""
    return f"{figure_names.figure(name).group} · {figure_names.figure(name).title}"


def written(name: str, value: float | None) -> str:
    """A figure's value in its unit; a dash for None."""
    return _UNITS[figure_names.figure(name).unit](value)


def before(name: str, value: float | None) -> str:
    """A figure's value in the window of reference; what moved since then was nowhere else."""
    return words.UNKNOWN if figure_names.figure(name).unit == "moved" else written(name, value)


def change(name: str, now: float | None, then: float | None) -> str:
    """What a figure changed by, in per cent of what it was; in points, where it is a share."""
    unit = figure_names.figure(name).unit
    if now is None or then is None or unit in ("moved", "none"):
        return words.UNKNOWN
    if unit == "share":
        return f"{_signed(100 * (now - then))} p.p."
    return f"{_signed(100 * (now - then) / abs(then), 0)} %" if then else words.UNKNOWN


def direction(finding: Finding) -> str:
    """Whether a change is for the worse or for the better; "" where neither can be said."""
    worse, now, then = figure_names.figure(finding.figure).worse, finding.value, finding.reference
    if not finding.drifted or not worse or now is None or then is None or now == then:
        return ""
    return "piora" if (now > then) == (worse > 0) else "melhora"


def sureness(finding: Finding) -> tuple[str, str]:
    """How sure a finding is: its corrected p, and what that means."""
    p_value = finding.p_value
    if p_value is None:
        return words.UNKNOWN, ""
    if p_value < 0.001:
        return words.p_value(p_value), "muito segura"
    if p_value < 0.01:
        return words.p_value(p_value), "segura"
    return words.p_value(p_value), "razoável" if finding.drifted else "pode ser acaso"


def severity(finding: Finding) -> str:
    """How grave a finding is."""
    return _SEVERITIES.get(finding.severity, (1, finding.severity))[1]


def gravest_first(finding: Finding) -> tuple[int, float, tuple[int, int, str]]:
    """What to sort findings by: gravity, how sure, then as figures are listed."""
    rank = _SEVERITIES.get(finding.severity, (1, ""))[0]
    p_value = 1.0 if finding.p_value is None else finding.p_value
    return rank, p_value, figure_names.place(finding.figure)


def kind(action: Action) -> str:
    """What an action is, with its mark."""
    mark, name = KINDS.get(action.kind, ("•", action.kind))
    return f"{mark} {name}"


def next_search(settings: Settings) -> str:
    """When the worker will look for changes by itself, as a sentence."""
    try:
        cron = next(one.cron for one in timetable(settings) if one.name == DRIFT)
    except SettingsError as error:
        return f"A busca automática não anda: {error}"
    due = cron.next(utc_now()) if cron is not None else None
    if due is None:
        return "A busca automática está desligada (MELANCIA_DRIFT_SCHEDULE)."
    return f"Próxima busca automática: {moment(due)}."


def _signed(value: float, places: int = 1) -> str:
    rounded = round(value, places)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{decimal(abs(rounded), places)}"
