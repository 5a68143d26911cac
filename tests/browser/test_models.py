"""A model that is still being pulled: others answer, the page shows how far it is, then it answers."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from melancia.mlops.model_keeper import ModelKeeper
from melancia.records import ModelStatus
from tests.browser.conftest import NewUser, Served, serving
from tests.browser.test_page import answered, ask
from tests.standins.ollama import OllamaStandin

pytestmark = pytest.mark.browser

MODEL = "llama3.1:8b"
QUESTION = "O que é ACOS?"
Shot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application of its own over one article, whose model is not there."""
    docs = tmp_path_factory.mktemp("docs")
    (docs / "acos.md").write_text(
        "# ACOS\n\nO ACOS é o investimento em anúncios dividido pela receita desses anúncios.\n", "utf-8"
    )
    with (
        OllamaStandin(models=[]) as ollama,
        serving(
            tmp_path_factory.mktemp("models"),
            ollama,
            knowledge_dir=docs,
            variant=f"ollama:{MODEL}",
            # As in the stack: there is a worker, so a model without a row is one that it has yet to look at.
            mlflow_url="http://127.0.0.1:9",
            expect_gpu=True,
        ) as made,
    ):
        yield made


def elsewhere(work: Callable[[], Any]) -> Any:
    """Do it in another thread, as the worker does: Playwright keeps an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(timeout=30)


def test_a_model_that_is_being_pulled_is_told_of_and_replaced_until_it_is_there(
    new_user: NewUser, served: Served, shot: Shot
) -> None:
    state = "#estado"
    stop = threading.Event()
    keeper = ModelKeeper(served.runtime.settings, served.runtime.store, stop)
    served.ollama.faults.set(times=1, pull_stall="aloud")
    served.ollama.set_script("É o investimento dividido pela receita [1].")
    pulling = threading.Thread(target=keeper.pull_missing)
    pulling.start()
    served.ollama.wait_for(lambda record: record.path == "/api/pull")

    page = new_user()
    expect(page.locator(state)).to_contain_text("⏳ Baixando llama3.1:8b: 50 % (2,4 de 4,8 GB)")
    expect(page.locator(state)).to_contain_text("Até lá, responde o modo extrativo.")
    expect(page.locator(state)).to_contain_text("Quem responde agora: extrativo")
    begun = time.monotonic()
    ask(page, QUESTION)
    answered(page)
    assert time.monotonic() - begun < 10, "falling back must not make people wait"
    expect(page.locator("#chat .autoria")).to_contain_text("extrativo")
    expect(page.locator("#chat .autoria")).to_contain_text(f"no lugar de ollama:{MODEL}")
    expect(page.locator("#chat")).to_contain_text("não tem o modelo llama3.1:8b")
    shot(page, "baixando")
    stop.set()
    pulling.join(10)
    assert not pulling.is_alive()

    served.ollama.faults.set(times=1, pull_disk_full=True)
    again = ModelKeeper(served.runtime.settings, served.runtime.store)
    elsewhere(again.pull_missing)
    expect(page.locator(state)).to_contain_text("não tem espaço")
    expect(page.locator(state)).to_contain_text("docker system df")
    shot(page, "disco-cheio")

    again._failures.clear()
    assert elsewhere(again.pull_missing) == (MODEL,)
    # The page looks again by itself, without being loaded anew.
    expect(page.locator(state)).to_contain_text(f"Quem responde agora: ollama:{MODEL}")
    expect(page.locator(state)).not_to_contain_text("Até lá")
    ask(page, QUESTION)
    answered(page, 2)
    expect(page.locator("#chat .autoria").last).to_contain_text(f"Respondido por ollama:{MODEL}")


def test_a_model_that_runs_on_the_cpu_is_told_of(new_user: NewUser, served: Served, shot: Shot) -> None:
    keeper = ModelKeeper(served.runtime.settings, served.runtime.store)
    elsewhere(keeper.pull_missing)
    served.ollama.faults.set(cpu_fallback=True)
    elsewhere(keeper.check_placement)
    page = new_user()
    expect(page.locator("#estado")).to_contain_text("⚠️ llama3.1:8b roda na CPU (0 % na GPU")
    expect(page.locator("#estado")).to_contain_text("nvidia-smi")
    shot(page, "na-cpu")


def test_a_page_opened_before_the_worker_began_hears_of_it(new_user: NewUser, served: Served) -> None:
    models = served.runtime.store.models
    models.keep_only([])
    page = new_user()
    expect(page.locator("#estado")).to_contain_text("Quem responde agora")
    models.put(ModelStatus(MODEL, detail="na fila"))
    expect(page.locator("#estado")).to_contain_text("⏳ llama3.1:8b: na fila.")
