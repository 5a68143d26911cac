"""Yes or no: does the opening of an answer say the contrary of the reference's? Pure.

{0, 1}: 0 only when both open with a verdict and the two differ.
"""

import re

from melancia.text import fold

_LEAD = r"^\W*(?:(?:bom|bem|calma|cuidado|olha|na verdade|na pratica|ainda|aqui|isso)\b,?:? )?"
_NO = re.compile(rf"{_LEAD}(?:nao|nunca|nem|jamais|nada disso|negativo)\b")
_YES = re.compile(
    rf"{_LEAD}(?:sim|pode(?:m)?|da para|vale|deve(?:m)?|precisa|claro|exato|certo|correto|compensa|compensou"
    r"|esta cert[oa]|isso mesmo|com certeza)\b|^[^.:;]{0,40}, sim\b"
)


def verdict(text: str) -> int:
    """1: yes, −1: no, 0: none, as far as the opening says."""
    plain = fold(text).strip()
    if _NO.search(plain):
        return -1
    return int(bool(_YES.search(plain)))


def verdicts_agree(answer: str, reference: str) -> float:
    """0 when one says yes and the other no, else 1."""
    return float(verdict(answer) * verdict(reference) >= 0)
