"""``drift``: has anything changed in what people ask and what they are answered; a command, and a job."""

import json
import signal
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melancia.cli.logs import log_as_job
from melancia.cli.options import AsJson

if TYPE_CHECKING:
    from melancia.mlops.drift.session import Kept


def drift(
    *,
    current: Annotated[
        str, typer.Option(help="Janela recente, como 7d ou 12h; vazio: MELANCIA_DRIFT_CURRENT.")
    ] = "",
    reference: Annotated[
        str,
        typer.Option(
            metavar="28d|benchmark|ARQUIVO",
            help="Com que se compara: a janela anterior, o benchmark ou um arquivo de perguntas; vazio: "
            "MELANCIA_DRIFT_REFERENCE.",
        ),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Semente das amostras.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Procura mudanças no que se pergunta e no que se responde, e guarda o relatório.

    Termina com 0 também quando algo mudou ou quando há dados de menos; com 1, se não houve relatório.
    """
    from melancia.jobs.reporting import Reporter
    from melancia.mlops.drift.session import run_session
    from melancia.settings import load_settings
    from melancia.store import Store

    settings = load_settings()
    log_as_job(settings)
    # A cancelled job ends as Ctrl-C does: what was begun is cleared away.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    store = Store.open(settings.store_url)
    reporter = Reporter(settings, store)

    def tell(share: float, message: str) -> bool:
        if not as_json:
            typer.echo(message, err=True)
        return reporter.progress(share, message)

    try:
        kept = run_session(
            store,
            settings,
            current=current or settings.drift_current,
            reference=reference or settings.drift_reference,
            seed=seed,
            progress=tell,
        )
        reporter.result(_small(kept), kept.report.run_id or None)
    finally:
        store.close()
    _say(kept, settings.drift_dir, as_json=as_json)


def _say(kept: "Kept", folder: Path, *, as_json: bool) -> None:
    from melancia.mlops.drift.summary import lines

    if as_json:
        typer.echo(json.dumps(_whole(kept), ensure_ascii=False, indent=2, default=datetime.isoformat))
        return
    typer.echo("\n".join(lines(kept.report)))
    typer.echo(f"\n💾 {folder / kept.report.file}")
    if kept.url:
        typer.echo(f"🔬 MLflow: {kept.url}")


def _small(kept: "Kept") -> dict[str, Any]:
    """What the page shows of a job that ended."""
    report = kept.report
    return {
        "report": report.id,
        "status": report.status.value,
        "findings": [finding.message for finding in report.drifted[:20]],
        "sizes": dict(report.sizes),
        "link": kept.url or None,
    }


def _whole(kept: "Kept") -> dict[str, Any]:
    return {**kept.report.as_dict(), "url": kept.url}
