"""What the words beside a number say that it is. Decides where its digits alone do not."""

import re

_REACH = 40  # characters before a number that are looked at
# Never across a number or a token: what is masked there must not change what is said of this one.
_GAP = r"(?![^\W\d_])[^\d\[\]@\n]{0,15}$"
_WORDS = {
    "cpf": r"cpfs?",
    "cnpj": r"cnpjs?",
    "card": r"cart(?:ão|ao|ões|oes)|cards?|visa|master(?:card)?|amex|hipercard",
    "phone": r"tel|telefones?|fones?|cel|celular(?:es)?|whats(?:app)?|wpp|zap|lig(?:a|ar|ue)|sms",
}
_LABELS = {name: re.compile(rf"(?<![^\W_])(?:{words}){_GAP}") for name, words in _WORDS.items()}
_SAID_OF = r"(?: ?(?:n[uú]meros?|n[.ºo°]{1,2}|d[aoe]|é|foi|[:#=.\-]))*+ ?$"
_BARCODE = re.compile(rf"(?<![^\W_])(?:ean|gtin|dun|isbn|upc|barras)(?:-?1?\d)?{_SAID_OF}")
_IDENTIFIER = re.compile(
    r"(?:(?<![^\W_])(?:pedidos?|skus?|ean|gtin|dun|isbn|upc|asin|mlbu?|ite(?:m|ns)|an[uú]ncios?|campanhas?|"
    r"c[oó]d(?:igos?)?|ids?|lotes?|nf-?e?|notas? fisca(?:l|is)|protocolos?|rastre(?:io|amento)|processos?)"
    rf"(?:-?1?\d)?|#|[$€]){_SAID_OF}"
)
_AMOUNT = re.compile(
    r" ?(?:%|reais|impress|cliques?|visualiza|visitas|unidades|usu[aá]rios|bytes|ms\b|views)", re.IGNORECASE
)


def labelled(kind: str, text: str, start: int) -> bool:
    """Whether the words before ``start`` say "cpf", "cnpj", "card" or "phone"."""
    return _LABELS[kind].search(_before(text, start)) is not None


def barcode(text: str, start: int) -> bool:
    """Whether the words before ``start`` speak of a bar code."""
    return _BARCODE.search(_before(text, start)) is not None


def something_else(text: str, start: int, end: int) -> bool:
    """Whether the words around say that a number is an order, a product, an advertisement or an amount."""
    before = _IDENTIFIER.search(_before(text, start)) is not None
    return before or _AMOUNT.match(text, end, end + 15) is not None


def glued(text: str, start: int, end: int) -> bool:
    """Whether a letter or digit touches it, or it goes on from a letter and a hyphen, as identifiers do."""
    before, after = text[max(0, start - 2) : start], text[end : end + 1]
    if before[-1:].isalnum() or after.isalnum():
        return True
    return before[-1:] == "-" and before[:1].isalpha()


def _before(text: str, start: int) -> str:
    return text[max(0, start - _REACH) : start].lower()
