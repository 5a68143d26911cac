"""What the page's administrators do to the base: send, reread, remove; one ingest at a time."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from melancia.app import Runtime
from melancia.errors import DocumentError, InputError
from melancia.ingest_runner import IngestStatus
from melancia.knowledge.uploads import keep
from tests.api.conftest import open_runtime

NOTE = "# Prazo do cupom\n\nO cupom da loja azul vale por quinze dias depois da compra.\n"


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """An open runtime over one small article."""
    made = open_runtime(tmp_path)
    yield made
    made.close()


def sent(tmp_path: Path, name: str = "Política de Cupons.md", text: str = NOTE) -> Path:
    """A file as the page hands it over."""
    file = tmp_path / "cache" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def ended(runtime: Runtime) -> IngestStatus:
    """The status once the ingest has ended."""
    deadline = time.monotonic() + 60
    while (status := runtime.ingests.status) is None or status.running:
        assert time.monotonic() < deadline, status
        time.sleep(0.01)
    return status


def test_a_sent_file_is_found_replaced_and_removed(runtime: Runtime, tmp_path: Path) -> None:
    runtime.ingests.take([sent(tmp_path)])
    status = ended(runtime)
    assert status.error is None
    assert status.report is not None
    assert (status.report.added, status.report.failures) == (1, ())
    found = runtime.index.retriever.search("quanto tempo vale o cupom da loja azul?")
    assert found.passages[0].title == "Prazo do cupom"
    assert found.mode == "hybrid"

    runtime.ingests.take([sent(tmp_path, text=NOTE.replace("quinze", "trinta"))])
    report = ended(runtime).report
    assert report is not None
    assert (report.added, report.changed) == (0, 1)
    document = next(d for d in runtime.index.documents() if d.title == "Prazo do cupom")
    assert document.indexed_at
    assert runtime.index.contributions()[document.id].passages == 1

    assert runtime.index.remove(document.id) == ["Prazo do cupom"]
    assert not list(runtime.settings.uploads_dir.glob("*.md"))
    passages = runtime.index.retriever.search("quanto tempo vale o cupom da loja azul?").passages
    assert {passage.document_id for passage in passages} == {"buy-box"}


def test_what_was_sent_survives_a_restart_and_a_lost_index(tmp_path: Path) -> None:
    first = open_runtime(tmp_path)
    first.ingests.take([sent(tmp_path)])
    ended(first)
    first.close()
    for file in (tmp_path / "index").glob("catalog.db*"):
        file.unlink()
    second = open_runtime(tmp_path)
    assert {d.title for d in second.index.documents()} == {"Buy box", "Prazo do cupom"}
    second.close()


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("planilha.xlsx", "x", InputError),
        ("vazio.md", "  \n", DocumentError),
        ("ruim.pdf", "não", DocumentError),
    ],
)
def test_what_cannot_be_read_is_refused_and_not_kept(
    runtime: Runtime, tmp_path: Path, name: str, text: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        runtime.ingests.take([sent(tmp_path, name, text)])
    assert runtime.ingests.status is None
    assert not runtime.settings.uploads_dir.exists() or not list(runtime.settings.uploads_dir.iterdir())


def test_good_files_before_a_bad_one_are_ingested(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(DocumentError):
        runtime.ingests.take([sent(tmp_path), sent(tmp_path, "vazio.md", " ")])
    report = ended(runtime).report
    assert report is not None
    assert report.added == 1


def test_an_identifier_in_use_is_named_and_the_file_does_not_stay(runtime: Runtime, tmp_path: Path) -> None:
    runtime.ingests.take(
        [sent(tmp_path, "outro.md", "---\nid: buy-box\n---\n# Outro\n\nTexto de outra fonte.")]
    )
    report = ended(runtime).report
    assert report is not None
    assert ["já é usado" in failure.reason for failure in report.failures] == [True]
    assert not list(runtime.settings.uploads_dir.iterdir())
    assert [d.title for d in runtime.index.documents()] == ["Buy box"]


@given(st.text(max_size=300).map(lambda text: f"{text}.md"))
@example("../../fora.md")
@example(".md.md")
@example("/etc/passwd.md")
def test_no_name_leaves_the_folder_or_hides(name: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "uploads"
        file = sent(Path(place), "a.md")
        try:
            kept = keep(folder, name, file)
        except InputError:  # such as a name that is all suffix
            assert not folder.exists()
            return
        assert list(folder.iterdir()) == [kept]
        assert kept.parent == folder
        assert not kept.name.startswith(".")


def test_one_ingest_at_a_time(runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    compute: Callable[..., None] = runtime.index.compute_vectors

    def late(report: Callable[[int, int], None]) -> None:
        go.wait(20)
        compute(report)

    monkeypatch.setattr(runtime.index, "compute_vectors", late)
    runtime.ingests.take([sent(tmp_path)])
    with pytest.raises(InputError, match="em andamento"):
        runtime.ingests.take([sent(tmp_path)])
    with pytest.raises(InputError, match="em andamento"):
        runtime.ingests.start()
    go.set()
    assert ended(runtime).error is None


def test_an_address_of_the_own_network_is_refused_and_named(runtime: Runtime) -> None:
    runtime.ingests.visit("http://127.0.0.1:1/pagina")
    report = ended(runtime).report
    assert report is not None
    assert "rede interna" in report.failures[0].reason
    with pytest.raises(InputError, match="endereço"):
        runtime.ingests.visit("ftp://exemplo.com")
    assert [d.title for d in runtime.index.documents()] == ["Buy box"]


def test_a_document_of_a_folder_cannot_be_removed_on_the_page(runtime: Runtime) -> None:
    with pytest.raises(InputError, match="pasta"):
        runtime.index.remove("buy-box")
    with pytest.raises(InputError, match="não está"):
        runtime.index.remove("nenhum")


def test_rereading_everything_changes_nothing_when_nothing_changed(runtime: Runtime, tmp_path: Path) -> None:
    runtime.ingests.take([sent(tmp_path)])
    ended(runtime)
    runtime.ingests.start()
    report = ended(runtime).report
    assert report is not None
    assert (report.unchanged, report.added, report.changed, report.removed) == (2, 0, 0, 0)
