"""The tab "Arena": what is where. What happens is in ``arena``."""

from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.store.duels import Winner
from melancia.ui.arena import IDLE, Arena
from melancia.ui.identity import Identity

_ABOUT = (
    "Dois modelos sorteados respondem à mesma pergunta, sem dizer quem são. Você vota, e eles se revelam. "
    "Cada duelo conta como duas perguntas."
)
_BUTTONS = (
    (Winner.LEFT, "A é melhor", "arena-voto-a"),
    (Winner.RIGHT, "B é melhor", "arena-voto-b"),
    (Winner.TIE, "Empate", "arena-voto-empate"),
    (Winner.BOTH_BAD, "Ambas ruins", "arena-voto-ruins"),
)


def arena_tab(runtime: Runtime, identity: Identity, shelf: gr.Tab) -> None:
    """Lay the tab out; the ranking is read anew each time that ``shelf`` is opened."""
    arena = Arena(runtime, identity)
    gr.Markdown(_ABOUT, elem_id="arena-resumo", container=False)
    drawn, current = gr.State(None), gr.State(None)
    box = gr.Textbox(
        placeholder="Escreva uma pergunta para os dois…",
        label="Pergunta da arena",
        show_label=False,
        lines=1,
        max_lines=5,
        max_length=runtime.settings.max_question_chars,
        elem_id="arena-pergunta",
        **IDLE,
    )
    said = gr.HTML("", elem_id="arena-aviso")
    asked = gr.HTML("", elem_id="arena-perguntado")
    with gr.Row(visible=False, elem_id="arena-respostas") as pair:
        texts = [_side("A"), _side("B")]
    with gr.Row(visible=False, elem_id="arena-votos") as voting:
        buttons = [
            (winner, gr.Button(title, size="sm", min_width=130, elem_id=name))
            for winner, title, name in _BUTTONS
        ]
    reveal = gr.HTML("", elem_id="arena-revelacao")
    gr.Markdown("### Ranking", container=False)
    topic = gr.Dropdown([("todos", "")], value="", label="Assunto", visible=False, elem_id="arena-assunto")
    table = gr.HTML("", elem_id="arena-ranking")

    shown: list[Any] = [current, box, said, asked, *texts, pair, voting, reveal]
    aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    queue: dict[str, Any] = {
        "concurrency_limit": runtime.settings.concurrency,
        "concurrency_id": "answers",
        "api_visibility": "private",
        "show_progress": "hidden",
    }
    # Two events of the queue, so that the limit of questions counts a duel as two; the second one only
    # answers what the first one drew.
    drawing = box.submit(arena.draw, [box], [drawn, said], **queue)
    answering = drawing.success(arena.answer, [drawn], shown, **queue)
    # The browser cancels after an event's own function, so the function comes with the next event.
    box.stop(None, cancels=[drawing, answering], **aside).then(arena.stop, [drawn], shown, **aside)
    standings: dict[str, Any] = {"inputs": [topic], "outputs": [topic, table], **aside}
    for winner, button in buttons:
        voted = button.click(arena.vote, [current, gr.State(winner.value)], shown, **aside)
        voted.then(arena.standings, **standings)
    topic.input(arena.standings, **standings)
    shelf.select(arena.open, [current], shown, **aside).then(arena.standings, **standings)


def _side(letter: str) -> gr.Markdown:
    with gr.Column(min_width=300, elem_classes="arena-lado"):
        gr.Markdown(f"### Resposta {letter}", container=False)
        return gr.Markdown("", elem_id=f"arena-{letter.lower()}", latex_delimiters=[])
