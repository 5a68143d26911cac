"""The newest policy in MLflow's model registry: a version a variant, aliases for who leads and who tries.

``champion`` is the arm that everybody gets, or the base arm; ``challenger`` the first other arm that users
get.
The system of record is our store: the registry is a mirror, written again until it shows the same.
"""

import logging
from typing import Any

from melancia.errors import TrackingError
from melancia.mlops.client import REMEDY, Connection, connect
from melancia.mlops.logged_models import logged_model
from melancia.records import Arm, Policy, PolicyMode, PolicyState
from melancia.settings import Settings

MODEL = "melancia"
CHAMPION, CHALLENGER = "champion", "challenger"
POLICY_TAG, EXPERIMENT_TAG, VERSION_TAG, REASON_TAG = (
    "melancia.policy",
    "melancia.experiment",
    "melancia.policy_version",
    "melancia.reason",
)

logger = logging.getLogger(__name__)


def leaders(policy: Policy) -> dict[str, Arm]:
    """Alias → arm. An ended experiment has neither."""
    if policy.state is PolicyState.ENDED:
        return {}
    if policy.mode is PolicyMode.FORCED:
        forced = policy.arm(policy.forced)
        return {CHAMPION: forced} if forced else {}
    open_arms = [arm for arm in policy.arms if not arm.paused]
    return dict(zip((CHAMPION, CHALLENGER), open_arms, strict=False))


def mirror(settings: Settings, policy: Policy) -> bool:
    """Make the registry show ``policy``; whether there was something to change.

    Raises TrackingError when MLflow is away or refuses.
    """
    connection = connect(settings)
    from mlflow.exceptions import MlflowException

    try:
        return _mirror(connection, policy)
    except (MlflowException, OSError) as error:  # OSError: its HTTP client's failures
        raise TrackingError("O MLflow não aceitou a versão do experimento.", REMEDY) from error


def _mirror(connection: Connection, policy: Policy) -> bool:
    client = connection.client
    registered = _registered(client)
    if registered.tags.get(POLICY_TAG) == f"{policy.experiment}:{policy.version}":
        return False
    wanted = {alias: _version(connection, arm) for alias, arm in leaders(policy).items()}
    present = dict(registered.aliases)
    for alias in (CHAMPION, CHALLENGER):
        if alias in wanted:
            client.set_registered_model_alias(MODEL, alias, wanted[alias])
        elif alias in present:
            client.delete_registered_model_alias(MODEL, alias)
    # The policy last: what broke off before is done again.
    for tag, value in (
        (EXPERIMENT_TAG, policy.experiment),
        (VERSION_TAG, str(policy.version)),
        (REASON_TAG, f"{policy.author}: {policy.reason}"[:5000]),
        (POLICY_TAG, f"{policy.experiment}:{policy.version}"),
    ):
        client.set_registered_model_tag(MODEL, tag, value)
    return True


def _registered(client: Any) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(MODEL)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    client.create_registered_model(
        MODEL, description="Variantes da MelâncIA; os apelidos dizem quem responde."
    )
    return client.get_registered_model(MODEL)


def _version(connection: Connection, arm: Arm) -> str:
    """The version that is ``arm``'s variant; made if there is none."""
    client = connection.client
    model_id = logged_model(connection, arm.variant)
    source = f"models:/{model_id}"
    for version in client.search_model_versions(f"name = '{MODEL}'"):
        if version.source == source or version.tags.get("melancia.variant_hash") == arm.variant.hash:
            return str(version.version)
    made = client.create_model_version(
        MODEL,
        source,
        tags={"melancia.variant_hash": arm.variant.hash, "melancia.variant": arm.variant.label},
        model_id=model_id,
    )
    return str(made.version)
