"""``serve``."""

from typing import Annotated, Any

import typer

from melancia.cli.logs import start_logging


def serve(
    host: Annotated[str | None, typer.Option(help="Endereço em que a página é servida.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Porta da página.")] = None,
) -> None:
    """Serve a página e prepara o índice em segundo plano. Ctrl-C para parar."""
    from melancia.settings import load_settings

    overrides: dict[str, Any] = {"host": host, "port": port}
    settings = load_settings(**{name: value for name, value in overrides.items() if value is not None})
    start_logging(settings)
    typer.echo("Iniciando a MelâncIA…")
    from melancia.api import serve as serve_page

    serve_page(settings, lambda address: typer.echo(f"MelâncIA em {address} (Ctrl-C para parar)"))
