"""A served application and a real Chromium. Without Chromium these tests are skipped, but never in CI."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from melancia.api import create_app
from melancia.app import Runtime
from melancia.settings import load_settings
from tests.chromium import launched
from tests.jobs import helpers
from tests.ports import free_port
from tests.standins.ollama import OllamaStandin

ARTIFACTS = Path(__file__).parent.parent.parent / "artifacts"
KNOWLEDGE = Path(__file__).parent.parent.parent / "data" / "knowledge"
REPLY = (
    "A buy box do Mercado Livre é decidida por características da oferta e do vendedor. Os critérios são:\n\n"
    "- **preço final** ao comprador, com promoções [1];\n"
    "- **parcelamento** sem juros e **frete grátis** [1];\n"
    "- envio pelo **Full** ou no mesmo dia, que encurta o prazo [1][2];\n"
    "- reputação e estoque contínuo [1].\n\n"
    "Menor preço, sozinho, não garante a vitória: um concorrente mais caro com Full e parcelas sem juros "
    "pode ficar na frente [1]."
)


class Served:
    """A running application: its address, its runtime, and its Ollama."""

    def __init__(self, url: str, runtime: Runtime, ollama: OllamaStandin) -> None:
        self.url = url
        self.runtime = runtime
        self.ollama = ollama


@contextmanager
def serving(folder: Path, ollama: OllamaStandin, **changes: Any) -> Iterator[Served]:
    """A running application whose data are in ``folder``, with its vectors computed."""
    settings = load_settings(
        _env_file=None,
        **{
            "data_dir": folder,
            "knowledge_dir": KNOWLEDGE,
            "variant": "ollama:llama3.2:3b",
            "ollama_base_url": ollama.url,
            "questions_per_minute": 1000,
            # Tests ask the same things, and count thumbs.
            "cache": False,
            "rating_prompt": 0.0,
            "port": free_port(),
            **changes,
        },
    )
    runtime = Runtime.open(settings)
    runtime.index.ensure_ingested()
    runtime.index.compute_vectors()
    with helpers.served(create_app(runtime), settings.port) as url:
        yield Served(url, runtime, ollama)
    runtime.close()


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The application over the real knowledge base, answering through the stand-in Ollama."""
    with (
        OllamaStandin(models=["llama3.2:3b"]) as ollama,
        serving(tmp_path_factory.mktemp("served"), ollama) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def _calm(served: Served) -> Iterator[None]:
    served.ollama.set_script(REPLY)
    yield
    served.ollama.faults.clear()
    served.ollama.hold(None)


# Not for the session: Playwright keeps an event loop running in this thread, and other suites start theirs.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with launched() as made:
        yield made


NewUser = Callable[..., Page]


@pytest.fixture
def new_user(browser: Browser, served: Served) -> Iterator[NewUser]:
    """Opens the page as somebody who was never here; fails if a request leaves the machine."""
    contexts: list[BrowserContext] = []
    strangers: list[str] = []

    def open_page(width: int = 1280, height: int = 860, *, dark: bool = False) -> Page:
        context = browser.new_context(locale="pt-BR", viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        own = (served.url, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(own) else strangers.append(r.url))
        page.goto(f"{served.url}/?__theme={'dark' if dark else 'light'}")
        page.wait_for_selector("#exemplos button")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert strangers == []


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Saves a screenshot among CI's artifacts."""

    def save(page: Page, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTIFACTS / f"{name}.png")

    return save
