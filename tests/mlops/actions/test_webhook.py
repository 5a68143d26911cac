"""Alerts told to a real server: what it gets, and that nothing said or logged holds its address."""

import logging
import traceback
from typing import Any

import httpx
import pytest

from melancia.errors import AlertError
from melancia.mlops.actions import webhook
from melancia.records import Action
from tests.mlops.actions.receiver import PATH, Receiver
from tests.mlops.actions.samples import NOON

ALERT = Action(
    "aviso|failed|B||r",
    "r",
    "aviso",
    "alert",
    "Mudou. Fale com ana@loja.com.",
    {"severity": "critical", "figure": "failed", "arm": "B", "value": 0.3, "examples": ["i1"]},
    created_at=NOON,
)


def test_the_document_says_what_happened_and_where_without_personal_data(receiver: Receiver) -> None:
    assert webhook.send(receiver.url, ALERT) == 204
    assert receiver.taken == [
        {
            "event": "melancia.alert",
            "id": ALERT.id,
            "created_at": "2026-11-30T12:00:00+00:00",
            "rule": "aviso",
            "report": "r",
            "text": "MelâncIA: Mudou. Fale com [e-mail].",
            "severity": "critical",
            "figure": "failed",
            "arm": "B",
            "topic": None,
            "value": 0.3,
            "reference": None,
            "p_value": None,
            "experiment": None,
        }
    ]
    assert receiver.keys == [ALERT.id]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("500", "HTTP 500"),
        ("redirect", "HTTP 302"),
        ("hang", "não respondeu em 0.3 s"),
        ("closed", "não pôde ser alcançado"),
        ("gone", "ConnectError"),
        ("nonsense", "não pôde ser alcançado"),
    ],
)
def test_a_failure_is_told_without_the_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, mode: str, said: str
) -> None:
    receiver.mode = mode
    address = {"gone": f"http://127.0.0.1:9{PATH}", "nonsense": f"ht!tp:/{PATH}"}.get(mode, receiver.url)
    # Only who never answers is not waited for: a busy machine's error would be another one.
    soon: dict[str, Any] = {"timeout": 0.3} if mode == "hang" else {}
    with caplog.at_level(logging.DEBUG), pytest.raises(AlertError) as failed:
        webhook.send(address, ALERT, **soon)
    assert said in str(failed.value)
    told = caplog.text + "".join(traceback.format_exception(failed.value))
    assert "chave-secreta" not in told
    assert "T000" not in told


def test_not_even_the_http_client_logs_the_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    with caplog.at_level(logging.DEBUG):
        httpx.get(receiver.url.replace(PATH, "/outro"), timeout=60)
        assert "/outro" in caplog.text  # this is what it does to others' addresses
        webhook.send(receiver.url, ALERT)
    assert "chave-secreta" not in caplog.text
