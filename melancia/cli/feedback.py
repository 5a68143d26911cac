"""``feedback export``."""

import typer

from melancia.cli.exporting import Format, Output, format_of, send

app = typer.Typer(help="Avaliações dos usuários.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Avaliações dos usuários."""


@app.command("export")
def export(output: Output = None, fmt: Format = None) -> None:
    """Exporta as avaliações com pergunta, resposta, modelo e documentos."""
    from melancia.settings import load_settings
    from melancia.store import Store
    from melancia.store.export import COLUMNS

    chosen = format_of(output, fmt)
    store = Store.open(load_settings().store_url)
    try:
        send(store.export_feedback(), output, chosen, COLUMNS, ("avaliação", "avaliações"))
    finally:
        store.close()
