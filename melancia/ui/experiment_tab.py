"""The tab "Experimentos": everybody reads how they stand; administrators create, change and end them.

The page asks for nothing by itself: verdicts come once an hour, and a button reads anew.
"""

from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.ui import experiment_change as changes
from melancia.ui.experiment_form import Form, modes
from melancia.ui.experiment_handlers import Handlers
from melancia.ui.identity import Identity

_ABOUT = (
    "Um experimento divide as pessoas entre braços, compara o que elas avaliam e diz, a qualquer momento, o "
    "que já se pode afirmar."
)


def experiments_tab(runtime: Runtime, identity: Identity, shelf: gr.Tab) -> None:
    """Lay the tab out; it is read anew each time that ``shelf`` is opened."""
    aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    gr.Markdown(_ABOUT, elem_id="exp-resumo", container=False)
    with gr.Row(elem_id="exp-escolha"):
        which = gr.Dropdown([], value=None, label="Experimento", scale=3, min_width=320, elem_id="exp-qual")
        again = gr.Button("Atualizar", size="sm", scale=1, min_width=120, elem_id="exp-atualizar")
        conclude = gr.Button(
            "Atualizar veredito", size="sm", scale=1, min_width=160, visible=False, elem_id="exp-concluir"
        )
    overview = gr.HTML("", elem_id="exp-quadro")
    over_time = gr.Plot(
        label="Diferença ao longo do tempo", show_label=False, visible=False, elem_id="exp-grafico"
    )
    difference = gr.HTML("", elem_id="exp-diferenca")
    forest = gr.Plot(label="Outras diferenças", show_label=False, visible=False, elem_id="exp-outras")
    checks = gr.HTML("", elem_id="exp-checagens")
    with gr.Column(visible=False, elem_id="exp-admin") as box:
        with (
            gr.Column(visible=False, elem_id="exp-mudanca") as changing,
            gr.Accordion("Mudar este experimento", open=False, elem_id="exp-mudar"),
        ):
            kind = gr.Dropdown(
                [(said, value) for value, said in changes.KINDS.items()],
                value=None,
                label="O que mudar",
                elem_id="exp-oque",
            )
            arm = gr.Dropdown([], value=None, label="Braço", visible=False, elem_id="exp-braco")
            weights = gr.Textbox(
                label="Pesos", info="Um por braço, como A=50; B=50.", visible=False, elem_id="exp-pesos"
            )
            bounds = gr.Textbox(
                label="Proteções",
                info="Como p95_latency=20; error_rate=0,1. As que faltarem deixam de valer.",
                visible=False,
                elem_id="exp-limites",
            )
            mode = gr.Dropdown(modes(), value=None, label="Modo novo", visible=False, elem_id="exp-modo-novo")
            version = gr.Dropdown([], value=None, label="Versão", visible=False, elem_id="exp-versao")
            reason = gr.Textbox(
                label="Motivo", info="Fica no histórico.", max_length=300, elem_id="exp-motivo"
            )
            go_on = gr.Button("Continuar", size="sm", elem_id="exp-continuar")
        with gr.Accordion("Novo experimento", open=False, elem_id="exp-novo"):
            form = Form(runtime.settings)
            begin = gr.Button("Continuar", size="sm", elem_id="exp-continuar-novo")
        with gr.Column(visible=False, elem_id="exp-confirmacao") as asking:
            told = gr.Markdown("", elem_id="exp-efeito", container=False)
            with gr.Row():
                confirm = gr.Button("Sim", size="sm", variant="stop", elem_id="exp-confirmar")
                cancel = gr.Button("Cancelar", size="sm", elem_id="exp-cancelar")
    said = gr.Markdown("", elem_id="exp-aviso", container=False)
    history = gr.HTML("", elem_id="exp-historico")
    waiting = gr.State(None)

    panel = Handlers(runtime, identity)
    shown: list[Any] = [
        *(which, overview, over_time, difference, forest, checks, history),
        *(changing, arm, weights, version, bounds),
    ]
    asked = [said, asking, told, confirm, waiting]
    opened = [box, conclude, said, *shown]
    shelf.select(panel.open, [which], opened, **aside)
    shelf.select(panel.choices, None, form.choices, **aside)
    again.click(panel.open, [which], opened, **aside)
    # Not ``change``, which what the server itself sets would trigger too.
    which.input(panel.choose, [which], [*asked, *shown], **aside)
    conclude.click(panel.conclude, [which], [said, *shown], **aside)
    kind.input(panel.fields, [kind], [arm, weights, version, bounds, mode, *asked], **aside)
    chosen = [which, kind, arm, weights, version, bounds, mode, reason]
    go_on.click(panel.propose, chosen, asked, **aside)
    begin.click(panel.propose_new, form.fields, asked, **aside)
    confirm.click(panel.confirm, [waiting, which], [*asked, reason, form.reason, *shown], **aside)
    cancel.click(panel.cancel, None, asked, **aside)
