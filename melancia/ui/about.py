"""How the page works, and under which code it keeps what this user says."""

from importlib.resources import files

import gradio as gr

from melancia.ui import render
from melancia.ui.identity import Identity


def about(page: gr.Blocks, identity: Identity) -> None:
    """The explanation, with the user's own code, by which they can ask for a copy or for erasure."""

    def own_data(request: gr.Request) -> str:
        user = identity.user(request.cookies, request.headers.get("authorization", ""))
        if user is None:
            return ""
        return (
            f"**Seus dados** ficam guardados sob o código `{render.inert(user)}`. Para receber uma cópia ou "
            "pedir que sejam apagados, envie esse código a quem mantém este servidor. Quem o tiver pode "
            "fazer o mesmo pedido: não o publique."
        )

    gr.Markdown(files("melancia.ui").joinpath("about.md").read_text(encoding="utf-8"))
    code = gr.Markdown("", elem_id="meu-codigo", container=False)
    page.load(own_data, None, [code], queue=False, api_visibility="private", show_progress="hidden")
