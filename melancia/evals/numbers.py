"""Numbers of a Portuguese text: what they are worth, whatever way they are written. Pure functions.

“R$ 1.200,00”, “1200 reais” and “1,2 mil reais” are the same number; so are “12 %”, “12 por cento” and “0,12”,
“quatro em cada dez” and “40 %”, “duas semanas” and “14 dias”, “um real e doze centavos” and “R$ 1,12”.
Citations ``[n]``, the markers of a list and digits inside a word (ME1) are not numbers of the answer. Numbers
in words count from four on, from two on before a unit (“duas semanas”), and “um” only before money and
percent: they are mostly articles and pointers.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from melancia.evals.numerals import SPELT, worth
from melancia.text import CITATION, fold

_MONTHS = {
    name: place
    for place, name in enumerate(
        "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro".split(), 1
    )
}
_SCALES = {"mil": 1_000, "milhao": 1_000_000, "milhoes": 1_000_000, "bilhao": 10**9, "bilhoes": 10**9}
_UNITS = {
    "%": "%", "por cento": "%", "percentual": "%",
    "r$": "R$", "us$": "US$", "real": "R$", "reais": "R$", "conto": "R$", "contos": "R$", "centavo": "¢",
    "centavos": "¢", "dolar": "US$", "dolares": "US$",
    "segundo": "s", "segundos": "s", "minuto": "min", "minutos": "min", "hora": "h", "horas": "h", "h": "h",
    "dia": "d", "dias": "d", "semana": "sem", "semanas": "sem", "mes": "m", "meses": "m", "ano": "a",
    "anos": "a", "vez": "×", "vezes": "×", "ponto": "pp", "pontos": "pp", "p.p": "pp", "px": "px",
    "pixel": "px", "pixels": "px",
}  # fmt: skip
_COUNTED = 4  # in words and without unit
_OF_ONE = ("R$", "US$", "¢", "%")  # units beside which “um” is a number
_CENTS = ("centavo", "centavos")
_DAYS = {"d": 1, "sem": 7, "m": 30, "a": 360}
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True) if "$" not in unit)
_SCALE = "|".join(sorted(_SCALES, key=len, reverse=True))
_DIGITS = r"\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+(?:[.,]\d+)?"
_TIMES = r"vezes\s+(?:[ao]s?\s+)?(?:r\$\s*)?\d"  # a product, not a unit
_DATE = rf"(?P<day>\d{{1,2}})(?:º|o)?(?: de (?P<month>{'|'.join(_MONTHS)})|/(?P<slash>\d{{1,2}})(?![\d/]*,))"
_YEAR = r"(?:(?: de |/)(?P<year>\d{4}))?"
_NUMBER = re.compile(
    rf"(?<![\w.,/]){_DATE}{_YEAR}\b"
    rf"|(?:(?P<money>r\$|us\$)\s*)?(?<![\w])(?<!\d[.,])(?:(?P<digits>{_DIGITS})|(?P<word>{SPELT})\b)"
    rf"(?:\s+(?P<scale>{_SCALE})\b)?"
    rf"(?:\s*(?P<unit>(?!{_TIMES})(?:{_UNIT})(?!\w)))?(?![a-z_])"
)
_EACH = rf"{_DIGITS}|{SPELT}"
_OF_EACH = re.compile(rf"(?<![\w.,])(?P<part>{_EACH}) em cada (?P<whole>{_EACH})\b")
_RANGE = re.compile(r"^\s*(?:a|e|ou|ate|-|–)\s*$")
_MARKER = re.compile(r"^(\s*)\d{1,2}[.)]\s", re.MULTILINE)
_LINK = re.compile(r"\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Number:
    """``value`` in units of ``unit`` ("" when none is written); ``places``: how many decimals were written.

    ``start``, ``end``: where it stands in the text. A date is worth month × 100 + day, with unit "date".
    """

    value: Decimal
    unit: str
    places: int
    start: int
    end: int

    @property
    def readings(self) -> tuple[Decimal, ...]:
        """What it may be worth: a percentage also as a fraction."""
        return (self.value, self.value / 100) if self.unit == "%" else (self.value,)


def numbers(text: str) -> list[Number]:
    """The numbers of ``text`` in order."""
    plain = _blank(_LINK, _blank(_MARKER, _blank(CITATION, folded(text))))
    shares = [_share(match) for match in _OF_EACH.finditer(plain)]
    read = [_read(match) for match in _NUMBER.finditer(_blank(_OF_EACH, plain))]
    found = sorted([*shares, *(number for number in read if number is not None)], key=lambda n: n.start)
    for place, (first, second) in enumerate(pairwise(found)):
        if not first.unit and second.unit == "%" and _RANGE.match(plain[first.end : second.start]):
            found[place] = replace(first, unit="%")
    return _with_cents(found, plain)


def _with_cents(found: list[Number], plain: str) -> list[Number]:
    """“um real e doze centavos” is one number."""
    joined: list[Number] = []
    for number in found:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.unit == number.unit == "R$"
            and last.places == 0
            and plain[number.start : number.end].endswith(_CENTS)
            and plain[last.end : number.start].strip() == "e"
        ):
            joined[-1] = replace(last, value=last.value + number.value, places=2, end=number.end)
        else:
            joined.append(number)
    return joined


def same(a: Number, b: Number) -> bool:
    """Whether both are the same number, exactly. A unit that only one has decides nothing; a month has 30
    days, and a year 12 months.
    """
    if a.unit in _DAYS and b.unit in _DAYS:
        return a.value * _DAYS[a.unit] == b.value * _DAYS[b.unit]
    if "date" in (a.unit, b.unit) or not compatible(a.unit, b.unit):
        return a.unit == b.unit and a.value == b.value
    if a.unit == b.unit:
        return a.value == b.value
    return bool(set(a.readings) & set(b.readings))


def rounds_to(exact: Decimal | float, shown: Number) -> bool:
    """Whether ``shown`` is ``exact`` rounded (or cut) to the decimals that it was written with."""
    step = 10.0**-shown.places
    readings = [float(shown.value)]
    if shown.unit == "%":
        readings.append(float(shown.value) / 100)
    steps = [step, step / 100]
    return any(
        abs(float(exact) - reading) <= 0.5000001 * unit
        for reading, unit in zip(readings, steps, strict=False)
    )


def compatible(a: str, b: str) -> bool:
    """Whether numbers of these units may be the same one."""
    return a == b or not a or not b or (a in _DAYS and b in _DAYS)


def folded(text: str) -> str:
    """Lower case without accents, character for character, so that positions stay those of ``text``."""
    return "".join((fold(char) or " ")[0] for char in text).replace("\u00a0", " ")


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """Spaces in place of what matches; line breaks stay, and so do positions."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _read(match: re.Match[str]) -> Number | None:
    start, end = match.span()
    if match["day"]:
        month = int(match["slash"] or 0) or _MONTHS.get(match["month"] or "", 0)
        if 1 <= month <= 12 and 1 <= int(match["day"]) <= 31:
            return Number(Decimal(month * 100 + int(match["day"])), "date", 0, start, end)
        return None
    unit = _UNITS.get(match["money"] or match["unit"] or "", "")
    word = match["word"]
    if word:
        value, places = worth(word)
        if value < _COUNTED and not unit and not match["scale"] and not places:
            return None
        if value == 1 and unit not in _OF_ONE and not match["scale"]:
            return None
    else:
        value, places = _digits(match["digits"])
    if match["scale"]:
        scale = _SCALES[match["scale"]]
        value, places = value * scale, places - len(str(scale)) + 1
    if unit == "¢":
        value, unit, places = value / 100, "R$", places + 2
    return Number(value, unit, places, start, end)


def _share(match: re.Match[str]) -> Number:
    part, whole = (_digits(text)[0] if text[0].isdigit() else worth(text)[0] for text in match.groups())
    return Number(part / whole if whole else part, "", 2, *match.span())


def _digits(text: str) -> tuple[Decimal, int]:
    """Value and decimals of digits written the Portuguese way, or with a decimal point."""
    if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+", text):
        return Decimal(text.replace(".", "")), 0
    if "," in text:
        text = text.replace(".", "").replace(",", ".")
    return Decimal(text), len(text.partition(".")[2])
