"""The job that looks for changes: its parameters, and the command that they become."""

from typing import Any

import pytest

from melancia.errors import InputError
from melancia.jobs.catalog import names, parameters


def test_drift_is_a_job() -> None:
    assert "drift" in names()


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({}, "drift"),
        ({"current": "12h", "reference": "28d", "seed": 3}, "drift --current 12h --reference 28d --seed 3"),
        ({"reference": "benchmark"}, "drift --reference benchmark"),
    ],
)
def test_its_parameters_become_arguments(given: dict[str, Any], command: str) -> None:
    assert " ".join(parameters("drift", given).arguments()) == command


@pytest.mark.parametrize(
    "given",
    [
        {"current": "benchmark"},
        {"current": "7 d"},
        {"current": "0d"},
        {"current": "7d\n"},
        {"reference": "/etc/passwd"},
        {"reference": "../perguntas.jsonl"},
        {"reference": "--help"},
        {"reference": "benchmark; id"},
        {"seed": -1},
        {"seed": "1"},
        {"file": "x"},
    ],
)
def test_no_file_and_no_option_gets_through(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="drift"):
        parameters("drift", given)
