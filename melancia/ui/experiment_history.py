"""The record of an experiment as HTML: its versions, and the ledger of its verdicts."""

from itertools import pairwise

from melancia.ui import benchmark_html as html
from melancia.ui import experiment_words as names
from melancia.ui.experiment_data import Shown
from melancia.ui.experiment_view import status
from melancia.ui.job_view import moment, text

_SHOWN_LINES = 50


def history(shown: Shown) -> str:
    """Versions, the newest first, and verdicts."""
    return f'<div class="benchmark experimento">{_versions(shown)}{_ledger(shown)}</div>'


def _versions(shown: Shown) -> str:
    rows = [
        (
            str(after.version),
            [
                moment(after.created_at),
                text(names.author(after.author)),
                _long(after.reason or "sem motivo"),
                _long("; ".join(names.changed(before, after, named=shown.named))),
            ],
        )
        for after, before in pairwise([*shown.history, None])
        if after is not None
    ]
    return html.table("Versões", ("Versão", "Quando", "Por quem", "Por quê", "O que mudou"), rows)


def _long(said: str) -> str:
    return f'<div class="longo">{text(said)}</div>'


def _ledger(shown: Shown) -> str:
    rows = [
        (
            str(line.number),
            [
                moment(line.until),
                str(line.version),
                names.whole(line.verdict.rows),
                text(status(line.verdict.status)),
                f"<code>{text(line.verdict.hash)}</code>",
            ],
        )
        for line in shown.lines[:_SHOWN_LINES]
    ]
    if not rows:
        return ""
    columns = ("Veredito", "Até quando", "Versão", "Respostas", "Resultado", "Código")
    note = (
        f"`melancia experiment verdict {shown.policy.experiment} --check` refaz cada um a partir do que está "
        "guardado e diz se dá o mesmo."
    )
    return html.folded("Vereditos guardados", html.table("Vereditos", columns, rows) + html.note(note))
