"""The tab "Saúde": what changed in what people ask and in what is answered, and what was done about it.

The page is told once a second, and only while a search is open.
"""

from typing import Any

import gradio as gr
from gradio.events import Dependency

from melancia.app import Runtime
from melancia.ui import health_actions
from melancia.ui.health_handlers import Handlers
from melancia.ui.identity import Identity

_ABOUT = (
    "As perguntas e respostas de agora são comparadas com as de antes; o que mudou mais do que o acaso "
    "explica aparece aqui, com o que foi feito."
)
_CURRENT = (("o último dia", "1d"), ("os últimos 7 dias", "7d"), ("os últimos 28 dias", "28d"))
_REFERENCE = (
    ("os 7 dias de antes", "7d"),
    ("os 28 dias de antes", "28d"),
    ("os 90 dias de antes", "90d"),
    ("as perguntas de teste", "benchmark"),
)
# The tab is the page's own; what is hidden there cannot be named here.
_TO_BASE = "() => document.getElementById('aba-base-button').click()"


def health_tab(runtime: Runtime, identity: Identity, shelf: gr.Tab) -> list[Dependency]:
    """Lay the tab out; it is read anew each time that ``shelf`` is opened. What starts jobs."""
    aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    settings = runtime.settings
    gr.Markdown(_ABOUT, elem_id="saude-resumo", container=False)
    with gr.Row(elem_id="saude-escolha"):
        which = gr.Dropdown(
            [], value=None, label="Relatório", visible=False, scale=3, min_width=280, elem_id="saude-qual"
        )
        again = gr.Button("Atualizar", size="sm", scale=1, min_width=120, elem_id="saude-atualizar")
    with gr.Row(visible=False, elem_id="saude-admin") as box:
        current = _window("Agora", _CURRENT, settings.drift_current, "saude-agora")
        reference = _window("Comparar com", _REFERENCE, settings.drift_reference, "saude-antes")
        start = gr.Button(
            "Procurar mudanças agora", variant="primary", size="sm", min_width=220, elem_id="saude-procurar"
        )
    said = gr.Markdown("", elem_id="saude-aviso", container=False)
    running = gr.HTML("", elem_id="saude-aberta")
    overview = gr.HTML("", elem_id="saude-quadro")
    with gr.Accordion(
        "Documento do Evidently", open=False, visible=False, elem_id="saude-documento"
    ) as framed:
        document = gr.HTML("", elem_id="saude-moldura")
    actions = gr.HTML("", js_on_load=health_actions.PRESSED, elem_id="saude-acoes")
    figure = gr.Dropdown(
        [], value=None, label="Tendência de", visible=False, num_choices_shown=None, elem_id="saude-medida"
    )
    plot = gr.Plot(label="Tendência", show_label=False, visible=False, elem_id="saude-grafico")
    numbers = gr.HTML("", elem_id="saude-numeros")
    gaps = gr.HTML("", elem_id="saude-lacunas")
    base = gr.Button("Abrir a Base de conhecimento", size="sm", visible=False, elem_id="saude-base")
    timer = gr.Timer(1, active=False)
    seen = gr.State(())

    panel = Handlers(runtime, identity)
    shown: list[Any] = [which, overview, actions, figure, plot, numbers, gaps, base, framed, document]
    live: list[Any] = [running, timer, seen]
    shelf.select(panel.open, [which, figure], [box, said, *live, *shown], **aside)
    again.click(panel.open, [which, figure], [box, said, *live, *shown], **aside)
    # Not ``change``, which what the server itself sets would trigger too.
    which.input(panel.choose, [which], shown, **aside)
    figure.input(panel.trend, [figure], [plot, numbers], **aside)
    started = start.click(panel.start, [current, reference, which], [said, *live, *shown], **aside)
    actions.click(panel.pressed, [which, figure], [said, *shown], **aside)
    base.click(None, js=_TO_BASE)
    timer.tick(panel.tick, [seen, which, figure], [*live, *shown], **aside)
    return [started]


def _window(label: str, offered: tuple[tuple[str, str], ...], usual: str, elem_id: str) -> gr.Dropdown:
    """A choice of window, in which others can be written; ``usual`` is what the schedule uses."""
    known = list(offered) if usual in [value for _, value in offered] else [(usual, usual), *offered]
    return gr.Dropdown(
        known,
        value=usual,
        label=label,
        allow_custom_value=True,
        scale=1,
        min_width=180,
        elem_id=elem_id,
    )
