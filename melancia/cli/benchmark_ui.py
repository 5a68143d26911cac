"""``benchmark --mode ui``: the address of MLflow, which is started when there is none."""

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from melancia.settings import Settings


def show(settings: "Settings") -> None:
    """Print MLflow's address, and open it at a terminal. A server of ours stays until Ctrl-C.

    Raises InputError when the server is not installed, TrackingError when it does not start.
    """
    if settings.mlflow_url:
        _open(settings.mlflow_public_url)
        return
    from melancia.mlops.local_server import serve

    with serve(settings, say=lambda text: typer.echo(text, err=True)) as server:
        _open(server.url)
        if server.process is not None:
            typer.echo("Ctrl-C encerra o MLflow; os resultados ficam guardados.")
            server.wait()


def _open(url: str) -> None:
    typer.echo(f"🔬 MLflow: {url}")
    if sys.stdout.isatty():
        typer.launch(url)
