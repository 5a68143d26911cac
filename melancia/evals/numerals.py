"""Portuguese cardinals in words: a pattern that finds them in folded text, and what they are worth. Pure.

“mil e oitocentos” is 1 800, “oito vírgula três” 8.3, “cento e cinquenta” 150; “quatro e cinco” are two
numbers. “um” and “uma” are left to the caller: they are mostly articles.
"""

from decimal import Decimal

_ONES = {
    "um": 1, "uma": 1, "dois": 2, "duas": 2, "tres": 3, "quatro": 4, "cinco": 5, "seis": 6, "sete": 7,
    "oito": 8, "nove": 9,
}  # fmt: skip
_TEENS = {
    "dez": 10, "onze": 11, "doze": 12, "treze": 13, "quatorze": 14, "catorze": 14, "quinze": 15,
    "dezesseis": 16, "dezessete": 17, "dezoito": 18, "dezenove": 19,
}  # fmt: skip
_TENS = {
    "vinte": 20, "trinta": 30, "quarenta": 40, "cinquenta": 50, "sessenta": 60, "setenta": 70,
    "oitenta": 80, "noventa": 90,
}  # fmt: skip
_HUNDREDS = {
    f"{stem}{ending}": value
    for value, stem in (
        (200, "duzent"), (300, "trezent"), (400, "quatrocent"), (500, "quinhent"), (600, "seiscent"),
        (700, "setecent"), (800, "oitocent"), (900, "novecent"),
    )
    for ending in ("os", "as")
}  # fmt: skip
_WORTH = {"zero": 0, "cento": 100, "cem": 100} | _ONES | _TEENS | _TENS | _HUNDREDS
_ONE, _TEEN, _TEN, _HUNDRED = ("|".join(words) for words in (_ONES, _TEENS, _TENS, _HUNDREDS))
_BELOW_100 = rf"(?:(?:{_TEN})(?: e (?:{_ONE})\b)?|(?:{_TEEN})|(?:{_ONE}))\b"
# “cento” alone is mostly that of “por cento”.
_BELOW_1000 = rf"(?:cento e {_BELOW_100}|(?:{_HUNDRED})\b(?: e {_BELOW_100})?|cem\b|{_BELOW_100})"
_WHOLE = rf"(?:(?:{_BELOW_1000} )?mil\b(?:(?: e)? {_BELOW_1000})?|{_BELOW_1000})"
SPELT = rf"(?:(?:{_WHOLE}|zero) virgula (?:zero )*{_BELOW_100}|{_WHOLE})"
"""A number in words, in folded text; a word boundary must stand before it."""


def worth(text: str) -> tuple[Decimal, int]:
    """Value of what ``SPELT`` matched, and how many decimals it has (whole thousands: −3)."""
    whole, _, decimals = text.partition(" virgula ")
    value = Decimal(_sum(whole))
    if not decimals:
        return value, -3 if whole.endswith("mil") else 0
    digits = "0" * decimals.split().count("zero") + str(_sum(decimals))
    return value + Decimal(f"0.{digits}"), len(digits)


def _sum(text: str) -> int:
    total = 0
    for word in text.split():
        total = max(total, 1) * 1000 if word == "mil" else total + _WORTH.get(word, 0)
    return total
