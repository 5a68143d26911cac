"""The compose files say nothing wrong, with and without a .env, with each override."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

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
    services = understood(tree, "jobs")["services"]
    told = {
        name
        for name, one in services.items()
        if one.get("environment", {}).get("MELANCIA_EXPECT_GPU") == "true"
    }
    # The launcher passes it on to its jobs: a benchmark must not time a model that fell back to the CPU.
    assert told == {"app", "worker", "launcher", "benchmark"}
    ollama = json.dumps(services["ollama"])
    assert ('"driver": "nvidia"' in ollama) == (override == "compose.gpu.yaml")
    assert ("/dev/kfd" in ollama) == (override == "compose.rocm.yaml")


def test_every_image_is_pinned(tree: Path) -> None:
    done = subprocess.run(
        ["docker", "compose", "config", "--images"], cwd=tree, capture_output=True, text=True, check=True
    )
    images = set(done.stdout.split())
    assert len(images) >= 7
    assert not [image for image in images if image.endswith(":latest") or ":" not in image]


def understood(tree: Path, profile: str) -> dict[str, Any]:
    """Everything as Compose understands it, with a profile."""
    command = ["docker", "compose", "--profile", profile, "config", "--format", "json"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_monitoring_starts_only_when_it_is_asked_for(tree: Path) -> None:
    plain = subprocess.run(
        ["docker", "compose", "config", "--services"], cwd=tree, capture_output=True, text=True, check=True
    )
    assert not {"prometheus", "grafana"} & set(plain.stdout.split())
    assert {"prometheus", "grafana"} <= set(understood(tree, "observability")["services"])


@pytest.mark.parametrize(
    ("name", "port", "networks"),
    [
        ("prometheus", 9090, {"front-prometheus", "metrics", "dashboards"}),
        ("grafana", 3000, {"front-grafana", "dashboards"}),
    ],
)
def test_monitoring_has_no_more_than_it_needs(tree: Path, name: str, port: int, networks: set[str]) -> None:
    service = understood(tree, "observability")["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith(("0", "root"))
    assert int(service["mem_limit"]) > 0
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert [(one["host_ip"], one["target"], one["published"]) for one in service["ports"]] == [
        ("127.0.0.1", port, str(port))
    ]
    assert set(service["networks"]) == networks
    for mount in service["volumes"]:
        keeps = mount["type"] == "volume" and mount["source"] == name
        assert keeps or mount["read_only"], mount
        if mount["type"] == "bind":
            assert (ROOT / Path(mount["source"]).relative_to(tree.resolve())).is_dir()


def test_only_those_who_scrape_and_show_are_on_their_networks(tree: Path) -> None:
    read = understood(tree, "observability")
    on = {
        network: {
            name for name, service in read["services"].items() if network in service.get("networks", {})
        }
        for network in ("metrics", "dashboards", "front-prometheus", "front-grafana")
    }
    assert on == {
        "metrics": {"app", "prometheus"},
        "dashboards": {"prometheus", "grafana"},
        "front-prometheus": {"prometheus"},
        "front-grafana": {"grafana"},
    }
    assert all(read["networks"][name]["internal"] for name in ("metrics", "dashboards"))


def test_the_secrets_of_monitoring_come_by_file(tree: Path) -> None:
    services = understood(tree, "observability")["services"]
    grafana = services["grafana"]["environment"]
    assert grafana["GF_AUTH_ANONYMOUS_ENABLED"] == grafana["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert grafana["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/grafana/admin"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in grafana
    assert services["app"]["environment"]["MELANCIA_METRICS_TOKEN_FILE"] == "/run/metrics/token"
    holders = {
        volume: {
            name
            for name, service in services.items()
            if any(mount["source"] == volume for mount in service.get("volumes", []))
        }
        for volume in ("secrets-metrics", "secrets-grafana")
    }
    assert holders == {
        "secrets-metrics": {"init", "app", "prometheus"},
        "secrets-grafana": {"init", "grafana"},
    }
    # Who reads them is not who made them: their group lets them.
    assert all("10001" in services[name]["group_add"] for name in ("prometheus", "grafana"))
