"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable
from typing import Any

import pytest


def until(true: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Wait for it; what it gave. The test fails when it is not true after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.05)
    pytest.fail(f"waited {seconds:.0f} s for {what}")
