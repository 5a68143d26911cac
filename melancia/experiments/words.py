"""A benchmark's numbers as Brazilians write them: ``1,25 s``, ``US$ 0,0023``, ``98 %``, ``0,87``.

None, which is unknown, is a dash. A number that is not 0 never reads as 0.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import floor, log10
from typing import Any

from melancia.experiments.results import Interval
from melancia.records import Variant
from melancia.text import decimal

UNKNOWN = "–"
_MINUS = "−"
Writer = Callable[[float | None], str]
_CATEGORIES = {
    "": "sem categoria",
    "calculation": "cálculo",
    "comparison": "comparação",
    "definition": "definição",
    "diagnosis": "diagnóstico",
    "follow-up": "continuação",
    "how-to": "como fazer",
    "multi-document": "vários documentos",
    "out-of-scope": "fora do escopo",
    "prompt-injection": "injeção de prompt",
}


def seconds(value: float | None) -> str:
    """``1,25 s``; with a third decimal below a tenth of a second."""
    if value is None:
        return UNKNOWN
    return f"{_exact(value, 3 if abs(value) < 0.1 else 2)} s"


def money(value: float | None) -> str:
    """US dollars: ``US$ 0,0023``; with more decimals where four would read as nothing."""
    return UNKNOWN if value is None else f"US$ {_exact(value, 4)}"


def share(value: float | None) -> str:
    """A share in [0, 1] as a percentage: ``98 %``; what is not all of it, or nothing, never reads so."""
    if value is None:
        return UNKNOWN
    percent = round(100 * value)
    if 0 < value < 1:
        percent = min(99, max(1, percent))
    return f"{percent} %"


def score(value: float | None) -> str:
    """A score in [0, 1]: ``0,87``."""
    return UNKNOWN if value is None else _signed(decimal(value, 2))


def count(value: float | None) -> str:
    """A number of things, rounded."""
    return UNKNOWN if value is None else _signed(decimal(value, 0))


def rate(value: float | None) -> str:
    """Tokens per second: ``42,0``."""
    return UNKNOWN if value is None else decimal(value, 1)


_WRITERS: dict[str, Writer] = {
    "s": seconds,
    "US$": money,
    "share": share,
    "score": score,
    "tokens": count,
    "tokens/s": rate,
    "": count,
}


def written(value: float | None, unit: str) -> str:
    """``value`` in the way of its ``unit``, one of ``summaries.FIGURES``. Raises KeyError on another unit."""
    return _WRITERS[unit](value)


def span(interval: Interval | None, write: Writer = score) -> str:
    """An interval with its space before: `` [0,80; 0,92]``; "" when there is none."""
    return f" [{write(interval.low)}; {write(interval.high)}]" if interval else ""


def difference(value: float | None, write: Writer = score) -> str:
    """A difference with its sign: ``+0,12``, ``−0,80 s``, and ``0,00`` without one."""
    said = write(value)
    return f"+{said}" if value is not None and value > 0 and any(c in "123456789" for c in said) else said


def p_value(value: float | None) -> str:
    """``p = 0,012``, or ``p < 0,001``."""
    if value is None:
        return f"p = {UNKNOWN}"
    return "p < 0,001" if value < 0.001 else f"p = {decimal(value, 3)}"


def plural(number: int, one: str, many: str) -> str:
    """``1 pergunta``, ``3 perguntas``."""
    return f"{number} {one if number == 1 else many}"


def pairs(found: Mapping[str, Any]) -> str:
    """How a model did beside the control: ``vence em 3 (60 % [20 %; 90 %]), perde em 1, empata em 1…``."""
    interval = Interval(**found["interval"]) if found["interval"] else None
    won = f" ({share(found['win_share'])}{span(interval, share)})" if found["win_share"] is not None else ""
    failed = f", sem julgamento em {found['failures']}" if found["failures"] else ""
    return (
        f"vence em {found['wins']}{won}, perde em {found['losses']}, empata em {found['ties']}, "
        f"muda com a ordem em {found['inconsistent']}{failed}"
    )


def category(name: str) -> str:
    """A question category in Portuguese; one that is not of our question sets as it is called."""
    return _CATEGORIES.get(name, name)


def listed(items: Sequence[str]) -> str:
    """``a``, ``a e b``, ``a, b e c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} e {items[-1]}"


def names(variants: Sequence[Variant]) -> dict[str, str]:
    """Variant hash → name; with the hash's beginning where two have the same."""
    plain = {variant.hash: name(variant) for variant in variants}
    often = Counter(plain.values())
    return {key: said if often[said] == 1 else f"{said} ({key[:6]})" for key, said in plain.items()}


def name(variant: Variant) -> str:
    """A model as the guide's ranking writes it: ``openai - gpt-4o-mini``; the control is one word."""
    if variant.provider == variant.model:
        return variant.model
    return f"{variant.provider} - {variant.model}"


def _exact(value: float, places: int) -> str:
    """``value`` to so many places, or to two significant digits where these would show nothing of it."""
    if value and round(abs(value), places) == 0:
        places = min(12, 1 - floor(log10(abs(value))))
    return _signed(decimal(value, places))


def _signed(text: str) -> str:
    """With a real minus sign, and none before zeros."""
    if not text.startswith("-"):
        return text
    return _MINUS + text[1:] if any(digit in "123456789" for digit in text) else text[1:]
