"""Personal data in Portuguese text, and the text without it. Pure functions, in time linear in the text.

What is masked, by which evidence, and what is left alone: docs/decisions/0013-dados-pessoais.md.
"""

import re

from melancia.masking.documents import cards, cnpjs, cpfs
from melancia.masking.emails import emails
from melancia.masking.phones import phones
from melancia.masking.shadow import Span, shadow

_WORTH_A_LOOK = re.compile(r"@|\d\d")
# Masking one thing may free its neighbour, which touched it; a chain longer than this is no text of a person.
_ROUNDS = 8
# In this order: what is longer first, so that no part of it is taken for something shorter.
_FINDERS = (
    ("[e-mail]", emails),
    ("[CNPJ]", cnpjs),
    ("[cartão]", cards),
    ("[CPF]", cpfs),
    ("[telefone]", phones),
)


def mask(text: str) -> str:
    """``text`` with each piece of personal data replaced by what it is, as in “[e-mail]”.

    All else stays, character by character, and masking again changes nothing.
    """
    form = shadow(text)
    for _ in range(_ROUNDS):
        before = form
        for token, find in _FINDERS:
            if _WORTH_A_LOOK.search(form) is None:
                return text
            spans = find(form)
            text, form = _replaced(text, spans, token), _replaced(form, spans, token)
        if form == before:
            break
    return text


def _replaced(text: str, spans: list[Span], token: str) -> str:
    parts, done = [], 0
    for start, end in spans:
        parts += [text[done:start], token]
        done = end
    return "".join((*parts, text[done:]))
