"""The page: what is where. What happens is in ``chat``."""

import logging
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import MelanciaError
from melancia.llms.select import configured_ollama
from melancia.records import ModelStatus, Variant
from melancia.ui import models_state, render
from melancia.ui.about import about
from melancia.ui.arena_tab import arena_tab
from melancia.ui.benchmark_tab import benchmarks_tab
from melancia.ui.chat import IDLE, Chat
from melancia.ui.experiment_tab import experiments_tab
from melancia.ui.follow_up import follow_ups
from melancia.ui.health_tab import health_tab
from melancia.ui.identity import Identity
from melancia.ui.jobs import jobs_tab
from melancia.ui.knowledge import knowledge_tab
from melancia.ui.names import marketplace_name

TITLE = "MelâncIA · Retail Media"
EXAMPLES = (
    "O que é Retail Media?",
    "Meu ACOS subiu. O que eu olho primeiro?",
    "Como ganho a buy box no Mercado Livre?",
    "Qual é a diferença entre ACOS e TACOS?",
)
_WORDS = {
    "chatbot.like": "Gostei",
    "chatbot.dislike": "Não gostei",
    "chatbot.retry": "Tentar novamente",
    "chatbot.copy_message": "Copiar mensagem",
    "chatbot.copied_message": "Mensagem copiada",
    "chatbot.clear": "Limpar conversa",
    "chatbot.complete": "Concluído",
    "common.error": "Erro",
    "common.loading": "Carregando",
    "common.submit": "Enviar",
}
# The page is Portuguese whatever the browser's language is.
TRANSLATIONS = gr.I18n(**dict.fromkeys(("en", "pt", "pt-BR", "es"), _WORDS))
THEME = gr.themes.Soft(
    primary_hue=gr.themes.colors.green,
    secondary_hue=gr.themes.colors.rose,
    neutral_hue=gr.themes.colors.stone,
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
    font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
)
STYLE = files("melancia.ui").joinpath("style.css").read_text(encoding="utf-8")
_SOON, _LATER = 2.0, 15.0  # seconds to the next look at the state

logger = logging.getLogger(__name__)
HEAD = (
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f"<script>{files('melancia.ui').joinpath('labels.js').read_text(encoding='utf-8')}</script>"
)


def build_page(runtime: Runtime, identity: Identity) -> gr.Blocks:
    """The Gradio page over ``runtime``."""
    chat = Chat(runtime, identity)
    settings = runtime.settings
    with gr.Blocks(analytics_enabled=False, title=TITLE) as page:
        current, rated = gr.State(""), gr.State(None)
        with gr.Row(elem_id="topo"):
            gr.Markdown(
                "# 🍉 MelâncIA\n\nAssistente de Retail Media, com fontes.", elem_id="marca", container=False
            )
            fresh = gr.Button("Nova conversa", elem_id="nova", size="sm", scale=0, min_width=140)
        state = gr.Markdown("", elem_id="estado", container=False)
        with gr.Tab("Conversa", elem_id="aba-conversa"):
            talk = gr.Chatbot(
                elem_id="chat",
                show_label=False,
                label="Conversa",
                layout="bubble",
                buttons=["copy"],
                latex_delimiters=[],
                allow_tags=False,
                placeholder="### Pergunte sobre anúncios, métricas, catálogo ou logística\n"
                "As respostas vêm da base de conhecimento e citam a fonte de cada afirmação.",
                feedback_options=("Like", "Dislike"),
            )
            final, prompt, helped, failed = follow_ups()
            # Own buttons: the component's examples have English labels and an invalid list role.
            with gr.Row(visible=False, elem_id="exemplos") as examples:
                shortcuts = [gr.Button(text, size="sm", min_width=200) for text in EXAMPLES]
            with gr.Column(visible=False, elem_id="comentario") as comment_box:
                comment = gr.Textbox(
                    label="O que faltou ou está errado nesta resposta?",
                    placeholder="Opcional, mas é o que mais ajuda a melhorar.",
                    lines=2,
                    max_length=2000,
                    elem_id="comentario-texto",
                )
                with gr.Row():
                    skip = gr.Button("Agora não", size="sm", elem_id="comentario-pular")
                    send = gr.Button(
                        "Enviar comentário", size="sm", variant="primary", elem_id="comentario-enviar"
                    )
            said = gr.Markdown("", elem_id="aviso", container=False)
            box = gr.Textbox(
                placeholder="Escreva sua pergunta…",
                label="Pergunta",
                show_label=False,
                lines=1,
                max_lines=5,
                max_length=settings.max_question_chars,
                autofocus=True,
                elem_id="pergunta",
                **IDLE,
            )
            with gr.Accordion("Opções e como funciona", open=False, elem_id="como-funciona"):
                place = gr.Dropdown(
                    _places(runtime), value="", label="Buscar só em documentos de", elem_id="marketplace"
                )
                about(page, identity)
        with gr.Tab("Arena", elem_id="aba-arena") as ring:
            arena_tab(runtime, identity, ring)
        with gr.Tab("Base de conhecimento", elem_id="aba-base") as shelf:
            knowledge_tab(runtime, identity, shelf)
        with gr.Tab("Benchmarks", elem_id="aba-benchmarks") as bench:
            starts = benchmarks_tab(runtime, identity, bench)
        with gr.Tab("Experimentos", elem_id="aba-experimentos") as trials:
            experiments_tab(runtime, identity, trials)
        with gr.Tab("Saúde", elem_id="aba-saude") as health:
            starts += health_tab(runtime, identity, health)
        with gr.Tab("Tarefas", elem_id="aba-tarefas") as queue_tab:
            jobs_tab(runtime, identity, queue_tab, starts)

        outputs: list[Any] = [talk, box, comment_box, examples, final, prompt]
        queue: dict[str, Any] = {
            "concurrency_limit": settings.concurrency,
            "concurrency_id": "answers",
            "api_visibility": "private",
            "show_progress": "hidden",
        }
        aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
        answering = [
            box.submit(chat.ask, [box, current, place], outputs, **queue),
            talk.retry(chat.retry, [current, place], outputs, **queue),
            final.click(chat.final, [current, place], outputs, **queue),
            *(button.click(chat.ask, [button, current, place], outputs, **queue) for button in shortcuts),
        ]
        # The browser cancels after an event's own function, so the function comes with the next event.
        box.stop(None, cancels=answering, **aside).then(
            chat.stop, [current], [talk, box, final, prompt], **aside
        )
        talk.like(chat.rate, [talk], [comment_box, rated, said, prompt], **aside)
        for answer, reply in ((helped, chat.helped), (failed, chat.did_not_help)):
            answer.click(reply, [current], [talk, comment_box, rated, said, prompt], **aside)
        send.click(chat.comment, [comment, rated], [comment_box, comment, said], **aside)
        skip.click(lambda: (gr.Column(visible=False), ""), None, [comment_box, comment], **aside)
        fresh.click(None, cancels=answering, **aside).then(
            chat.begin, None, [talk, current, comment_box, examples, box, final, prompt], **aside
        )
        timer = gr.Timer(_SOON, active=False)
        timer.tick(lambda: _tick(runtime), None, [state, timer], **aside)
        page.load(chat.open, None, [talk, current, examples, final, prompt], **aside)
        page.load(lambda: _arrive(runtime), None, [state, timer, place], **aside)
    return page


def _places(runtime: Runtime) -> list[tuple[str, str]]:
    known = runtime.index.marketplaces()
    return [("todos", ""), *((marketplace_name(name), name) for name in known)]


def _arrive(runtime: Runtime) -> tuple[str, Any, Any]:
    return *_tick(runtime), gr.Dropdown(choices=_places(runtime))


def _tick(runtime: Runtime) -> tuple[str, Any]:
    statuses = _statuses(runtime)
    return _state(runtime, statuses), _timer(runtime, statuses)


def _statuses(runtime: Runtime) -> Sequence[ModelStatus]:
    """What the worker says of the configured models; nothing when it cannot be read."""
    try:
        return models_state.configured(runtime.store.models.list(), runtime.settings)
    except MelanciaError:
        logger.warning("the state of the models could not be read", exc_info=True)
        return ()


def _timer(runtime: Runtime, statuses: Sequence[ModelStatus]) -> Any:
    """Look again soon while something moves, later while something is awaited, else not at all."""
    progress = runtime.index.progress()
    if (not progress.ready and progress.error is None) or models_state.is_pulling(statuses):
        return gr.Timer(_SOON, active=True)
    settings = runtime.settings
    # A worker writes a row for each model, but may start after the page was opened.
    to_come = settings.has_worker and len(statuses) < len(configured_ollama(settings))
    waiting = to_come or models_state.not_ready(statuses) or not progress.ready
    return gr.Timer(_LATER, active=waiting)


def _state(runtime: Runtime, statuses: Sequence[ModelStatus]) -> str:
    """Who answers now, how far the index is, and what is to be said of the models."""
    progress = runtime.index.progress()
    if progress.error:
        return f"⚠️ {render.inert(progress.error)}"
    if not progress.documents:
        return "⏳ Lendo os documentos da base…"
    chain = runtime.models.chain()
    models = models_state.models_state(statuses, chain, runtime.settings)
    return "\n\n".join((_who_and_index(runtime, models_state.who_answers(chain, statuses)), *models))


def _who_and_index(runtime: Runtime, answering: Variant) -> str:
    progress = runtime.index.progress()
    if not progress.ready:
        return (
            f"⏳ Preparando a busca por significado: {progress.vectors} de {progress.chunks} trechos. "
            "Até lá, as respostas usam só a busca por palavras."
        )
    count = progress.documents
    documents = f"{count} documento{'s' * (count != 1)} na base"
    if runtime.settings.blind:
        return documents
    return f"Quem responde agora: {render.variant_name(answering)} · {documents}"
