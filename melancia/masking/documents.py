"""CPF, CNPJ (also the alphanumeric one of 2026) and card numbers, by shape and check digits."""

import re
from collections.abc import Iterator

from melancia.masking.context import barcode, glued, labelled, something_else
from melancia.masking.shadow import NOTHING, Span, apart, digits

# Between two groups of a number: nothing, or a mark with or without spaces around it.
_S = rf"[ {NOTHING}]{{0,2}}[.\-/]?[ {NOTHING}]{{0,2}}"
_MARK = rf"[ {NOTHING}]?[.\-/][ {NOTHING}]?"
# Each inside a lookahead: what turns out to be none must not hide one that begins in it.
_CPF = re.compile(rf"(?<!\d)(?=(\d{{3}}{_S}\d{{3}}{_S}\d{{3}}{_S}\d{{2}})(?!\d))")
_CNPJ = re.compile(rf"(?<!\d)(?=(\d{{2}}{_S}\d{{3}}{_S}\d{{3}}{_S}\d{{4}}{_S}\d{{2}})(?!\d))")
_A = "[0-9A-Za-z]"
_CNPJ_LETTERS = re.compile(
    rf"(?<![^\W_])(?=({_A}{{2}}{_MARK}{_A}{{3}}{_MARK}{_A}{{3}}{_MARK}{_A}{{4}}{_MARK}\d{{2}}|{_A}{{12}}\d{{2}})"
    r"(?![^\W_]))"
)
_CARD = re.compile(
    rf"(?<!\d)(?=(\d{{4}}{_S}(?:\d{{4}}{_S}\d{{4}}{_S}\d{{4}}(?:{_S}\d{{3}})?|\d{{6}}{_S}\d{{4,5}}))(?!\d))"
)
# Length and first digits of the cards that exist: Visa, Mastercard, Elo, Hipercard, Discover, JCB, UnionPay,
# Maestro; American Express; Diners. https://en.wikipedia.org/wiki/Payment_card_number
_ISSUED = re.compile(
    r"(?:4|5[0-8]|6|35)\d*|222[1-9]\d*|22[3-9]\d*|2[3-6]\d*|27[01]\d*|2720\d*|3[47]\d{13}|3(?:0[0-5]|[689])\d*"
)


def cpfs(text: str) -> list[Span]:
    """Where the CPFs are: valid ones, and numbers that are called one."""
    from stdnum.br import cpf

    return apart(
        (start, end)
        for start, end, number in _found(_CPF, text)
        if _free(text, start, end, "cpf") and (cpf.is_valid(number) or labelled("cpf", text, start))
    )


def cnpjs(text: str) -> list[Span]:
    """Where the CNPJs are: valid ones, and numbers that are called one."""
    return apart(sorted((*_numeric_cnpjs(text), *_lettered_cnpjs(text))))


def cards(text: str) -> list[Span]:
    """Where the card numbers are: those that a brand issues and Luhn's check passes, or called a card."""
    from stdnum import luhn

    return apart(
        (start, end)
        for start, end, number in _found(_CARD, text)
        if _free(text, start, end, "card")
        and (
            labelled("card", text, start)
            or (
                _issued(number)
                and luhn.is_valid(number)
                and not (_bare(text, start, end) and something_else(text, start, end))
            )
        )
    )


def _numeric_cnpjs(text: str) -> Iterator[Span]:
    from stdnum import ean
    from stdnum.br import cnpj

    for start, end, number in _found(_CNPJ, text):
        if not _free(text, start, end, "cnpj"):
            continue
        # One bar code of 14 digits in a hundred is a valid CNPJ, too.
        product = _bare(text, start, end) and ean.is_valid(number) and barcode(text, start)
        if labelled("cnpj", text, start) or (cnpj.is_valid(number) and not product):
            yield start, end


def _lettered_cnpjs(text: str) -> Iterator[Span]:
    from stdnum.br import cnpj

    for found in _CNPJ_LETTERS.finditer(text):
        written = found[1]
        number = re.sub(r"[^0-9A-Za-z]", "", written)
        if number.isdigit():
            continue
        called = labelled("cnpj", text, found.start(1))
        # Without its marks, a word of small letters and two digits is no CNPJ.
        shaped = len(written) > len(number) or number.isupper()
        if called or (shaped and cnpj.is_valid(number)):
            yield found.span(1)


def _found(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int, str]]:
    for found in pattern.finditer(text):
        yield *found.span(1), digits(found[1])


def _bare(text: str, start: int, end: int) -> bool:
    return text[start:end].isdigit()


def _free(text: str, start: int, end: int, kind: str) -> bool:
    """Not a piece of an identifier: a number without marks stands alone, or right after its name."""
    if not _bare(text, start, end) or not glued(text, start, end):
        return True
    return labelled(kind, text, start) and not text[end : end + 1].isalnum()


def _issued(number: str) -> bool:
    if _ISSUED.fullmatch(number) is None:
        return False
    if number[:2] in ("34", "37"):
        return len(number) == 15
    if number[0] == "3" and number[:2] != "35":
        return len(number) in (14, 16, 19)
    return len(number) in (16, 19)
