"""Telephone numbers: Brazilian ones in every usual writing, and others that begin with a plus."""

import re
from collections.abc import Iterator

from melancia.masking.context import glued, labelled, something_else
from melancia.masking.shadow import NOTHING, Span, apart, digits

_S = rf"[ {NOTHING}]{{0,2}}[.\-/]?[ {NOTHING}]{{0,2}}"
_BRAZILIAN = re.compile(
    rf"""(?<!\d)(?<!\d[.\-])(?=(?P<whole>
        (?:
            (?:(?P<plus>\+[ ]?|00)?55{_S})?
            (?P<open>\([ ]?)? (?:0[ ]?(?:[x*]{{2}}|\d\d)?[ ]?)? (?P<ddd>[1-9]\d) (?(open)[ ]?\)|) {_S}
        )?
        (?P<local> (?:9[ .\-]?)? \d{{4}}(?P<middle>{_S})\d{{4}}
            | 9\d\d(?P<marks>[ .\-])\d{{3}}(?P=marks)\d{{3}})
    )(?!\d)(?![.\-]\d))""",
    re.VERBOSE,
)
_YEARS = re.compile(r"(?:19|20)\d\d(?:19|20)\d\d")
_SERVICE = ("400", "300")  # 4004-1234: a company's, the same in every city


def phones(text: str) -> list[Span]:
    """Where the numbers are. 0800, 4004 and the like are nobody's own and stay."""
    return apart(sorted((*_brazilian(text), *_foreign(text))))


def _brazilian(text: str) -> Iterator[Span]:
    for found in _BRAZILIAN.finditer(text):
        start, end = found.span("whole")
        if _is_phone(text, start, end, found):
            yield start, end


def _foreign(text: str) -> list[Span]:
    if re.search(r"\+ ?\d", text) is None:
        return []
    import phonenumbers

    found = [(one.start, one.end, one.raw_string) for one in phonenumbers.PhoneNumberMatcher(text, None)]
    # It takes a parenthesis before the plus for the number's own.
    return [
        (start if raw.count("(") == raw.count(")") else text.index("+", start), end)
        for start, end, raw in found
    ]


def _is_phone(text: str, start: int, end: int, found: re.Match[str]) -> bool:
    ddd, local = found["ddd"], digits(found["local"])
    called = labelled("phone", text, start)
    compact = text[start:end].isdigit()
    if compact and glued(text, start, end) and not (called and not text[end : end + 1].isalnum()):
        return False
    if ddd is None:
        return _is_local(local, called=called, marked="-" in (found["middle"] or ""))
    certain = called or bool(found["plus"] or found["open"])
    if not _valid(ddd + local):
        # As before 2016, without the ninth digit.
        old = len(local) == 8 and local[0] in "6789" and _valid(f"{ddd}9{local}")
        return old and (certain or "-" in found["middle"])
    if certain:
        return True
    mobile = len(local) == 9
    if found["marks"] and found["marks"] != "-":
        return False  # “11.987.654.321” is a number in the billions
    if mobile and "-" in (found["middle"] or ""):
        return True
    if something_else(text, start, end):
        return False
    if mobile or compact or found["middle"].strip(f" {NOTHING}") in ("-", "."):
        return not _YEARS.fullmatch(local)
    # Landlines with spaces only: as likely a row of a table as a telephone.
    return not re.search(r"\d $", text[max(0, start - 2) : start]) and not re.match(
        r" \d", text[end : end + 2]
    )


def _is_local(local: str, *, called: bool, marked: bool) -> bool:
    """Without an area code: a mobile number with its hyphen, or whatever is called a telephone."""
    if len(local) == 9:
        return local[0] == "9" and (called or marked)
    return called and local[0] in "23456789" and not local.startswith(_SERVICE)


def _valid(national: str) -> bool:
    import phonenumbers

    number = phonenumbers.PhoneNumber(country_code=55, national_number=int(national))
    kinds = phonenumbers.PhoneNumberType
    return phonenumbers.number_type(number) in (
        kinds.FIXED_LINE,
        kinds.MOBILE,
        kinds.FIXED_LINE_OR_MOBILE,
    )
