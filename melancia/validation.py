"""What is wrong with a value, in Portuguese: pydantic says it in English."""

from collections.abc import Mapping
from typing import Any

_NUMBER, _WHOLE = "deve ser um número", "deve ser um número inteiro"
_EMPTY, _LIST = "não pode ficar vazio", "deve ser uma lista"
_SAID = {
    "value_error": "{error}",  # a validator of our own speaks for itself
    "extra_forbidden": "não existe",
    "missing": "falta",
    "literal_error": "deve ser {expected}",
    "greater_than_equal": "deve ser no mínimo {ge}",
    "greater_than": "deve ser maior que {gt}",
    "less_than_equal": "deve ser no máximo {le}",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "string_type": "deve ser um texto",
    "too_short": _EMPTY,
    "string_too_short": _EMPTY,
    "bool_type": "deve ser verdadeiro ou falso",
    "bool_parsing": "deve ser true ou false",
    "list_type": _LIST,
    "tuple_type": _LIST,
}


def reason(found: Mapping[str, Any]) -> str:
    """What ``found``, one of pydantic's errors, says of a value, to stand after the value's name."""
    said = _SAID.get(found["type"], "não vale").format_map(found.get("ctx", {}))
    return said.replace(" or ", " ou ") if found["type"] == "literal_error" else said
