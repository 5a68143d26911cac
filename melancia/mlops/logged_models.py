"""A variant as MLflow's LoggedModel: made once, found again by its hash, measured by every benchmark."""

import logging
from typing import TYPE_CHECKING

from melancia.mlops import naming
from melancia.mlops.client import Connection
from melancia.records import Variant

if TYPE_CHECKING:
    from mlflow.entities import Dataset


def logged_model(connection: Connection, variant: Variant) -> str:
    """The id of the experiment's LoggedModel of ``variant``, which is made if there is none.

    Of two that were made at the same moment, everybody takes the older one. Making one goes to the address
    of the newest ``connect``: MLflow's own function knows no other. Raises MlflowException.
    """
    found = connection.client.search_logged_models(
        [connection.experiment_id],
        filter_string=f"tags.`{naming.VARIANT_HASH_TAG}` = '{variant.hash}'",
        order_by=[{"field_name": "creation_timestamp", "ascending": True}],
    )
    # One whose making broke off is never READY, and cannot be registered.
    ready = [model for model in found if model.status.value == "READY"]
    return str(ready[0].model_id) if ready else _make(connection, variant)


def link(connection: Connection, run_id: str, model_id: str, dataset: "Dataset | None") -> None:
    """Say that the run measured the model on ``dataset``. Twice is as once."""
    from mlflow.entities import DatasetInput, LoggedModelInput

    connection.client.log_inputs(
        run_id,
        datasets=[DatasetInput(dataset)] if dataset else [],
        models=[LoggedModelInput(model_id)],
    )


def _make(connection: Connection, variant: Variant) -> str:
    import mlflow

    # It warns of a schema that no model has which is not kept in MLflow.
    logging.getLogger("mlflow.models.signature").setLevel(logging.ERROR)
    made = mlflow.create_external_model(
        name=naming.logged_model(variant),
        tags={naming.VARIANT_HASH_TAG: variant.hash, naming.VARIANT_TAG: variant.label},
        params={name: str(value) for name, value in naming.variant_params(variant).items()},
        model_type=naming.MODEL_TYPE,
        experiment_id=connection.experiment_id,
    )
    return str(made.model_id)
