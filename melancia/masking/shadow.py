"""The form of a text in which personal data is looked for: as long as it, in plain digits and dashes."""

import unicodedata
from collections.abc import Iterable

Span = tuple[int, int]
NOTHING = "\u200b"
"""What stands for every character that is not seen, such as a soft hyphen."""


class _Plain(dict[int, str]):
    """Character → its plain form, one for one, found when first needed."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        digit = unicodedata.decimal(char, None)
        category = unicodedata.category(char)
        plain = char
        if digit is not None:
            plain = str(digit)
        elif category == "Pd" or char == "−":
            plain = "-"
        elif category == "Zs" or char == "\t":
            plain = " "
        elif category == "Cf":
            plain = NOTHING
        elif unicodedata.east_asian_width(char) == "F":
            plain = unicodedata.normalize("NFKC", char)
        self[code] = plain if len(plain) == 1 else char
        return self[code]


_PLAIN = _Plain()


def shadow(text: str) -> str:
    """``text`` with ASCII digits, hyphens and spaces for all their kinds; full-width characters narrow."""
    return text if text.isascii() and "\t" not in text else text.translate(_PLAIN)


def digits(text: str) -> str:
    """Its digits."""
    return "".join(char for char in text if char.isdigit())


def apart(found: Iterable[Span]) -> list[Span]:
    """Of spans ordered by their start, those that do not run into one before."""
    kept: list[Span] = []
    for start, end in found:
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept
