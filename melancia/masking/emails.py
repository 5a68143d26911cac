"""E-mail addresses."""

import re

from melancia.masking.shadow import Span

# An address begins where a run of its characters does: to begin inside one would take quadratic time.
_LOCAL = r"\w.+%&~#!$*'’-"
_EMAIL = re.compile(
    rf"(?<![{_LOCAL}])[.+%&~#!$*'’-]*+(?P<address>[{_LOCAL}]++@(?:[\w-]+\.)+(?:xn--[\w-]+|[^\W\d_]{{2,}}))"
)


def emails(text: str) -> list[Span]:
    """Where the addresses are."""
    return [found.span("address") for found in _EMAIL.finditer(text)] if "@" in text else []
