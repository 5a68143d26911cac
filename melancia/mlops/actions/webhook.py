"""Tells an alert to the address that the settings name: one JSON document, by POST.

The address is a secret (whoever knows it can write there): no message and no log may hold it.
"""

import logging
from collections.abc import Mapping
from typing import Any

import httpx

from melancia.errors import AlertError
from melancia.masking import mask
from melancia.records import Action

TIMEOUT = 5.0  # seconds, for each of connecting, writing and waiting
_FIGURES = ("severity", "figure", "arm", "topic", "value", "reference", "p_value", "experiment")
_CHECK = "Confira MELANCIA_ALERT_WEBHOOK e quem o recebe; a tentativa se repete sozinha."


def document(action: Action) -> dict[str, Any]:
    """What is sent. ``id`` is the same in each try; ``text`` is what chat services show. Without questions,
    answers or users.
    """
    told = {name: action.detail.get(name) for name in _FIGURES}
    return {
        "event": "melancia.alert",
        "id": action.id,
        "created_at": action.created_at.isoformat(),
        "rule": action.rule,
        "report": action.report_id,
        "text": mask(f"MelâncIA: {action.message}"),
        **{name: mask(value) if isinstance(value, str) else value for name, value in told.items()},
    }


def send(url: str, action: Action, timeout: float = TIMEOUT) -> int:
    """Send an alert; the status that it was received with. Raises AlertError, never with the address."""
    for chatty in ("httpx", "httpcore"):  # they log each request with its address
        logging.getLogger(chatty).setLevel(logging.WARNING)
    body: Mapping[str, Any] = document(action)
    try:
        with (
            httpx.Client(timeout=timeout) as client,
            # The answer's body is of no use, and may never end.
            client.stream("POST", url, json=body, headers={"Idempotency-Key": action.id}) as answer,
        ):
            status = answer.status_code
    except httpx.TimeoutException:
        raise AlertError(f"O webhook não respondeu em {timeout:g} s.", _CHECK) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        kind = type(error).__name__
        raise AlertError(f"O webhook não pôde ser alcançado ({kind}).", _CHECK) from None
    if not 200 <= status < 300:
        raise AlertError(f"O webhook recusou o aviso (HTTP {status}).", _CHECK)
    return status
