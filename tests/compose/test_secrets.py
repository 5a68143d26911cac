"""The secrets of the stack: made once, kept, and readable by those who need them."""

import importlib.util
from pathlib import Path

import pytest

from tests.compose.conftest import ROOT


def test_each_secret_is_made_once_and_its_group_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("make_secrets", ROOT / "services/init/make_secrets.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "VOLUMES", tmp_path)
    for name in ("postgres", "database", "mlflow", "launcher", "metrics", "grafana"):
        (tmp_path / f"secrets-{name}").mkdir()
    script.main()
    made = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    shared = {file.relative_to(tmp_path).as_posix(): file.stat().st_mode & 0o777 for file in made}
    assert shared["secrets-metrics/token"] == shared["secrets-grafana/admin"] == 0o440
    assert shared["secrets-database/pgpass"] == 0o600
    assert all(len(text) >= 32 for text in made.values())
    assert len(made[tmp_path / "secrets-metrics/token"]) >= 32
    script.main()
    assert {file: file.read_text() for file in made} == made
