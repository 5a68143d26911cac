"""The page tells a user the code under which their data is kept, and nobody else's."""

from pathlib import Path
from typing import Any, cast

import gradio as gr

from melancia.settings import Settings
from melancia.ui.about import about
from melancia.ui.identity import COOKIE, Identity


def told(identity: Identity, **cookies: str) -> str:
    """What is said when the page is opened with these cookies."""
    with gr.Blocks() as page:
        about(page, identity)
    [handler] = page.fns.values()
    request = gr.Request(cookies=cookies, headers={})
    return str(cast(Any, handler.fn)(request))


def test_own_code(tmp_path: Path) -> None:
    identity = Identity(Settings(_env_file=None, data_dir=tmp_path))
    cookie = identity.issue()
    code = identity.anonymous({COOKIE: cookie})
    assert f"`{code}`" in told(identity, **{COOKIE: cookie})
    assert cookie not in told(identity, **{COOKIE: cookie})  # the signature stays in the browser
    assert told(identity) == ""
    assert told(identity, **{COOKIE: "falso.assinatura"}) == ""
