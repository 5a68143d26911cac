"""``models`` and ``doctor``."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from melancia.cli.options import AsJson

if TYPE_CHECKING:
    from melancia.llms.catalog import ModelCard

_MARKS = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "error": ("✘", "red")}


def models(as_json: AsJson = False) -> None:
    """Lista os modelos: tamanho, memória, preço e se podem ser usados agora."""
    from rich.console import Console
    from rich.table import Table

    from melancia.llms import list_models, resolve_variant
    from melancia.settings import load_settings

    settings = load_settings()
    cards, current = list_models(settings), resolve_variant(settings).label
    if as_json:
        rows = [asdict(card) | {"label": card.label, "current": card.label == current} for card in cards]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table(
        title="Modelos",
        caption="→ quem responde agora (MELANCIA_VARIANT). Preços em US$ por 1 milhão de tokens.",
    )
    for name in ("", "Modelo", "Tamanho", "RAM", "Entrada", "Saída", "Situação"):
        left = name in ("", "Modelo", "Situação")
        table.add_column(name, justify="left" if left else "right", no_wrap=name != "Situação")
    for card in cards:
        style = None if card.availability.usable else "dim"
        table.add_row("→" if card.label == current else "", *_cells(card), style=style)
    console = Console()
    console.print(table)
    for remedy in dict.fromkeys(card.availability.remedy for card in cards if card.availability.remedy):
        console.print(f"→ {remedy}", style="dim", markup=False, highlight=False)


def doctor(as_json: AsJson = False) -> None:
    """Examina a instalação e diz o que fazer com cada problema."""
    from rich.console import Console
    from rich.text import Text

    from melancia.doctor import check
    from melancia.settings import load_settings

    findings = check(load_settings())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        console = Console(highlight=False)
        for finding in findings:
            mark, color = _MARKS[finding.level]
            console.print(
                Text(f"{mark} ", style=color) + Text(f"{finding.name}: ", style="bold") + finding.message
            )
            if finding.remedy:
                console.print(Text(f"    → {finding.remedy}", style="dim"))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)


def _cells(card: "ModelCard") -> tuple[str, ...]:
    return (
        card.label,
        _gigabytes(card.size_bytes),
        _gigabytes(card.ram_bytes),
        _money(card.input_price),
        _money(card.output_price),
        card.availability.state.value,
    )


def _gigabytes(count: int | None) -> str:
    return f"{count / 1e9:.1f} GB".replace(".", ",") if count else "–"


def _money(amount: float | None) -> str:
    return "–" if amount is None else f"{amount:.2f}".replace(".", ",")
