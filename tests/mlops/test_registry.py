"""The model registry as a mirror of the newest policy, on a real server."""

from dataclasses import replace
from typing import Any

import mlflow
import pytest

from melancia.errors import TrackingError
from melancia.mlops.registry import CHALLENGER, CHAMPION, MODEL, leaders, mirror
from melancia.records import Arm, Policy, PolicyMode, PolicyState, Variant
from melancia.settings import Settings, load_settings
from tests.mlflow_server import MlflowServer
from tests.ports import free_port

A, B = Variant("ollama", "llama3.2:3b"), Variant("openai", "gpt-4o-mini")
POLICY = Policy("modelos", (Arm("A", A), Arm("B", B)), "sal", author="ana", reason="comparar")


@pytest.fixture
def settings(mlflow_server: MlflowServer) -> Settings:
    """Settings that point at the server."""
    return load_settings(_env_file=None, mlflow_url=mlflow_server.url)


def shown(settings: Settings) -> dict[str, str]:
    """Alias → label of the variant that it points at."""
    client = mlflow.MlflowClient(settings.mlflow_url)
    found: dict[str, Any] = client.get_registered_model(MODEL).aliases
    return {
        alias: client.get_model_version(MODEL, str(version)).tags["melancia.variant"]
        for alias, version in found.items()
    }


def test_aliases_follow_pauses_promotion_and_rollback(settings: Settings) -> None:
    assert mirror(settings, POLICY)
    assert shown(settings) == {CHAMPION: A.label, CHALLENGER: B.label}
    assert not mirror(settings, POLICY)
    paused = replace(POLICY, version=2, arms=(POLICY.arms[0], replace(POLICY.arms[1], paused=True)))
    assert mirror(settings, paused)
    assert shown(settings) == {CHAMPION: A.label}
    promoted = replace(POLICY, version=3, mode=PolicyMode.FORCED, forced="B", reason="melhor")
    assert mirror(settings, promoted)
    assert shown(settings) == {CHAMPION: B.label}
    assert mirror(settings, replace(POLICY, version=4))
    assert shown(settings) == {CHAMPION: A.label, CHALLENGER: B.label}
    client = mlflow.MlflowClient(settings.mlflow_url)
    # A variant has one version, however often it comes back.
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == 2
    tags = client.get_registered_model(MODEL).tags
    assert (tags["melancia.experiment"], tags["melancia.policy_version"]) == ("modelos", "4")
    assert mirror(settings, replace(POLICY, version=5, state=PolicyState.ENDED))
    assert shown(settings) == {}


def test_who_leads() -> None:
    assert leaders(POLICY)[CHAMPION].name == "A"
    first_paused = replace(POLICY, arms=(replace(POLICY.arms[0], paused=True), POLICY.arms[1]))
    assert {alias: arm.name for alias, arm in leaders(first_paused).items()} == {CHAMPION: "B"}


def test_a_server_that_is_away_is_said(settings: Settings) -> None:
    away = settings.model_copy(update={"mlflow_url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(TrackingError, match="não responde"):
        mirror(away, POLICY)
