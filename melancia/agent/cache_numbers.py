"""Numbers of a short question, whatever way they are written: enough to tell two apart. Pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

_ONES = (
    "zero um dois tres quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis".split()
)
_WORDS = {word: value for value, word in enumerate(_ONES) if value > 1} | {
    "duas": 2, "quatorze": 14, "dezessete": 17, "dezoito": 18, "dezenove": 19, "vinte": 20, "trinta": 30,
    "quarenta": 40, "cinquenta": 50, "sessenta": 60, "setenta": 70, "oitenta": 80, "noventa": 90, "cem": 100,
    "cento": 100, "duzentos": 200, "trezentos": 300, "quatrocentos": 400, "quinhentos": 500,
}  # fmt: skip
_UNITS = {
    "%": "%", "por cento": "%", "r$": "$", "reais": "$", "real": "$", "reas": "$", "conto": "$",
    "contos": "$", "centavos": "c", "centavo": "c",
}  # fmt: skip
_SPELT = "|".join(sorted(_WORDS, key=len, reverse=True))
# Between numbers a hyphen is a range, and before white space a dash or the mark of a list.
_MINUS = r"(?<![\w.,%)])[-−–]"
MINUS = re.compile(rf"{_MINUS}(?=(?:r\$\s*)?\d)", re.IGNORECASE)
_NUMBER = re.compile(
    rf"(?P<minus>{_MINUS})?(?P<money>r\$\s*)?(?P<inner>{_MINUS})?(?<![\w.,])"
    rf"(?:(?P<digits>\d[\d.,]*\d|\d)|(?P<word>(?:{_SPELT})(?: e (?:um|uma|{_SPELT}))*)\b)"
    r"(?P<scale>\s*(?:mil|k)\b)?"
    rf"(?:\s*(?P<unit>{'|'.join(re.escape(unit) for unit in _UNITS if unit != 'r$')})(?!\w))?"
)


@dataclass(frozen=True, slots=True)
class Number:
    """``value`` in ``unit``: "%", "$" or "" where none is written."""

    value: Decimal
    unit: str


def read_numbers(folded: str) -> tuple[list[Number], str]:
    """The numbers of a folded text in order, and the text without them."""
    found = []
    for match in _NUMBER.finditer(folded):
        value = _digits(match["digits"]) if match["digits"] else _spelt(match["word"])
        unit = "$" if match["money"] else _UNITS.get(match["unit"] or "", "")
        if match["minus"] or match["inner"]:
            value = -value
        if match["scale"]:
            value *= 1000
        if unit == "c":
            value, unit = value / 100, "$"
        found.append(Number(value, unit))
    return found, _NUMBER.sub(" ", folded)


def same_numbers(a: Sequence[Number], b: Sequence[Number]) -> bool:
    """Whether both texts have the same numbers in order. A unit that only one side writes decides nothing."""
    return len(a) == len(b) and all(
        x.value == y.value and (x.unit == y.unit or not x.unit or not y.unit)
        for x, y in zip(a, b, strict=True)
    )


def _spelt(words: str) -> Decimal:
    return Decimal(sum(_WORDS.get(word, 1 if word in ("um", "uma") else 0) for word in words.split()))


def _digits(text: str) -> Decimal:
    """Digits written the Portuguese way, or with a decimal point."""
    if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?", text):
        text = text.replace(".", "")
    whole, comma, rest = text.partition(",")
    if comma:
        text = f"{whole.replace('.', '')}.{rest.replace(',', '').replace('.', '')}"
    elif text.count(".") > 1:
        text = text.replace(".", "")
    return Decimal(text)
