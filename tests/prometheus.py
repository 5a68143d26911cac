"""Prometheus's own programs, from Debian. Without them tests are skipped, but never in CI."""

import os
import shutil

import pytest


def program(name: str) -> str:
    """The path of ``prometheus`` or ``promtool``."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Prometheus is required in CI")
        pytest.skip("no Prometheus: apt-get install prometheus")
    return path
