"""The compose files say nothing wrong, with and without a .env, with each override."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.compose.conftest import ROOT

pytestmark = pytest.mark.docker


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The compose files alone, so that the developer's own .env is not there."""
    if shutil.which("docker") is None:
        if os.environ.get("CI"):
            pytest.fail("Docker is required in CI")
        pytest.skip("no Docker")
    for path in [*ROOT.glob("compose*.yaml"), ROOT / ".env.example"]:
        shutil.copy(path, tmp_path)
    return tmp_path


def config(tree: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """``docker compose config -q``."""
    chosen = [argument for file in files for argument in ("--file", file)]
    return subprocess.run(
        ["docker", "compose", *chosen, "config", "-q"], cwd=tree, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("example", [False, True])
@pytest.mark.parametrize("override", [None, "compose.gpu.yaml", "compose.rocm.yaml"])
def test_config_is_silent(tree: Path, override: str | None, example: bool) -> None:
    if example:
        shutil.copy(tree / ".env.example", tree / ".env")
    done = config(tree, "compose.yaml", *([override] if override else []))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("override", ["compose.gpu.yaml", "compose.rocm.yaml"])
def test_an_override_is_chosen_in_the_env_file(tree: Path, override: str) -> None:
    text = (tree / ".env.example").read_text("utf-8")
    chosen = text.replace("COMPOSE_FILE=compose.yaml", f"COMPOSE_FILE=compose.yaml:{override}")
    (tree / ".env").write_text(chosen, "utf-8")
    done = subprocess.run(
        ["docker", "compose", "config"], cwd=tree, capture_output=True, text=True, check=True
    )
    assert 'MELANCIA_EXPECT_GPU: "true"' in done.stdout
    assert ("driver: nvidia" in done.stdout) == (override == "compose.gpu.yaml")
    assert ("/dev/kfd" in done.stdout) == (override == "compose.rocm.yaml")


def test_every_image_is_pinned(tree: Path) -> None:
    done = subprocess.run(
        ["docker", "compose", "config", "--images"], cwd=tree, capture_output=True, text=True, check=True
    )
    images = set(done.stdout.split())
    assert len(images) >= 7
    assert not [image for image in images if image.endswith(":latest") or ":" not in image]
