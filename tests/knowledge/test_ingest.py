"""Ingest keeps the catalog equal to the folder, whatever happens to the files."""

import dataclasses
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from melancia.embeddings.local import LocalEmbeddings
from melancia.errors import DocumentError, InputError
from melancia.index.catalog import Catalog, Document
from melancia.index.vectors import open_vectors
from melancia.knowledge.embed import compute_missing
from melancia.knowledge.ingest import ingest
from melancia.records import Filters
from tests.conftest import MODEL

FRONT = "---\nid: {id}\ntitle: {title}\ntopic: metricas\nmarketplace: [amazon]\n---\n# {title}\n\n{body}\n"


def write(
    folder: Path, id_: str, title: str = "Título", body: str = "O ACOS é o custo sobre a venda."
) -> Path:
    path = folder / f"{id_}.md"
    path.write_text(FRONT.format(id=id_, title=title, body=body), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    made.mkdir()
    return made


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "index" / "catalog.db")


def test_unchanged_documents_are_skipped_and_nothing_doubles(catalog: Catalog, folder: Path) -> None:
    write(folder, "a")
    write(folder, "b")
    assert ingest(catalog, [folder]).added == 2
    before = catalog.chunks()
    version = catalog.version
    again = ingest(catalog, [folder])
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    assert catalog.chunks() == before
    assert catalog.version == version


def test_changed_documents_are_replaced_with_their_metadata(catalog: Catalog, folder: Path) -> None:
    write(folder, "a", title="Velho", body="Texto velho.")
    ingest(catalog, [folder])
    write(folder, "a", title="Novo", body="Texto novo.")
    assert ingest(catalog, [folder]).changed == 1
    assert [document.title for document in catalog.documents()] == ["Novo"]
    assert [chunk.text for chunk in catalog.chunks()] == ["Texto novo."]


def test_removed_documents_are_deleted(catalog: Catalog, folder: Path) -> None:
    write(folder, "a")
    write(folder, "b").unlink()
    gone = write(folder, "c")
    ingest(catalog, [folder])
    gone.unlink()
    assert ingest(catalog, [folder]).removed == 1
    assert [document.id for document in catalog.documents()] == ["a"]


def test_a_bad_file_is_named_and_the_others_go_on(catalog: Catalog, folder: Path) -> None:
    write(folder, "a")
    (folder / "ruim.md").write_bytes(b"\xff\xfe\x00texto")
    (folder / "torto.md").write_text("---\ntitle: [sem fim\n---\ncorpo", encoding="utf-8")
    (folder / "vazio.md").write_text("   \n", encoding="utf-8")
    report = ingest(catalog, [folder])
    assert report.added == 1
    assert sorted(Path(failure.path).name for failure in report.failures) == [
        "ruim.md",
        "torto.md",
        "vazio.md",
    ]
    assert all(isinstance(failure, DocumentError) and failure.reason for failure in report.failures)


def test_a_document_whose_file_went_bad_is_kept(catalog: Catalog, folder: Path) -> None:
    path = write(folder, "a")
    ingest(catalog, [folder])
    path.write_bytes(b"\xff")
    report = ingest(catalog, [folder])
    assert (report.removed, len(report.failures)) == (0, 1)
    assert [document.id for document in catalog.documents()] == ["a"]


def test_two_files_with_one_id_are_refused(catalog: Catalog, folder: Path) -> None:
    write(folder, "a")
    (folder / "b.md").write_text(FRONT.format(id="a", title="Outro", body="x y z"), encoding="utf-8")
    report = ingest(catalog, [folder])
    assert report.added == 1
    assert "já é usado" in report.failures[0].reason


def test_a_path_that_does_not_exist_changes_nothing(catalog: Catalog, folder: Path) -> None:
    write(folder, "a")
    with pytest.raises(InputError, match="não existe"):
        ingest(catalog, [folder, folder / "nada"])
    assert catalog.documents() == []


def test_plain_markdown_without_front_matter_is_indexed(catalog: Catalog, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "nota.md").write_text("# Minha nota\n\nTexto simples.", encoding="utf-8")
    assert ingest(catalog, [folder]).failures == ()
    assert [(d.id, d.title) for d in catalog.documents()] == [("sub/nota", "Minha nota")]


def untimed(catalog: Catalog) -> list[Document]:
    return [dataclasses.replace(document, indexed_at="") for document in catalog.documents()]


def test_an_ingest_killed_half_way_is_finished_by_the_next(tmp_path: Path, folder: Path) -> None:
    for number in range(30):
        write(folder, f"d{number:02}", body=f"Texto {number}. " * 20)
    database = tmp_path / "killed" / "catalog.db"
    # The child dies by SIGKILL while it is told of the tenth file: no handler, no clean-up.
    script = (
        "import os, signal, sys; from pathlib import Path;"
        "from melancia.index.catalog import Catalog; from melancia.knowledge.ingest import ingest;"
        "stop = lambda name, done, total: done == 10 and os.kill(os.getpid(), signal.SIGKILL);"
        "ingest(Catalog(Path(sys.argv[1])), [Path(sys.argv[2])], stop)"
    )
    child = subprocess.run([sys.executable, "-c", script, str(database), str(folder)], check=False)
    assert child.returncode == -signal.SIGKILL
    killed = Catalog(database)
    assert len(killed.documents()) == 10
    report = ingest(killed, [folder])
    assert (report.added, report.unchanged) == (20, 10)
    clean = Catalog(tmp_path / "clean" / "catalog.db")
    ingest(clean, [folder])
    assert killed.chunks() == clean.chunks()
    # The two were indexed at different moments: everything else is the same.
    assert untimed(killed) == untimed(clean)


def test_vectors_killed_half_way_are_finished_by_the_next(tmp_path: Path, folder: Path) -> None:
    for number in range(40):
        write(folder, f"d{number:02}", body=f"Um texto bem diferente de número {number} sobre anúncios.")
    database = tmp_path / "catalog.db"
    ingest(Catalog(database), [folder])
    script = (
        "import os, signal, sys; from pathlib import Path;"
        "from melancia.embeddings.local import LocalEmbeddings;"
        "from melancia.index.catalog import Catalog; from melancia.knowledge.embed import compute_missing;"
        "stop = lambda done, total: os.kill(os.getpid(), signal.SIGKILL);"
        "compute_missing(Catalog(Path(sys.argv[1])), LocalEmbeddings(), 'local:enpt', on_progress=stop)"
    )
    child = subprocess.run([sys.executable, "-c", script, str(database)], check=False)
    assert child.returncode == -signal.SIGKILL
    catalog = Catalog(database)
    _, chunks, before = catalog.counts(MODEL)
    assert 0 < before < chunks
    assert compute_missing(catalog, LocalEmbeddings(), MODEL) == chunks - before
    vectors = open_vectors(tmp_path / "chroma", catalog, MODEL)
    vectors.sync()
    found = vectors.query(LocalEmbeddings().embed_query("texto número 7"), 100, Filters())
    assert len(found) == len({identifier for identifier, _ in found}) == chunks
    vectors.close()


def test_a_catalog_of_the_first_schema_keeps_its_documents(tmp_path: Path, folder: Path) -> None:
    write(folder, "a")
    path = tmp_path / "index" / "catalog.db"
    old = Catalog(path)
    ingest(old, [folder])
    old.set_fact("schema", "1")
    old.close()
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE documents DROP COLUMN indexed_at")
    renewed = Catalog(path)
    assert [(d.id, d.indexed_at) for d in renewed.documents()] == [("a", "")]
    assert ingest(renewed, [folder]).unchanged == 1
    renewed.close()
