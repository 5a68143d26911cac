"""The route of benchmarks' files: what is there, as what, to whom, and nothing beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from melancia.api import create_app
from melancia.app import Runtime
from tests.api.conftest import open_runtime

NAME = "benchmark_20261130_090000"
PNG = b"\x89PNG\r\n\x1a\n..."


@pytest.fixture(scope="module")
def client(runtime: Runtime) -> Iterator[TestClient]:
    """A client of an application with one benchmark, and with files that are nobody's business."""
    folder = runtime.settings.data_dir / "experiments"
    leave(folder)
    with TestClient(create_app(runtime), base_url="http://localhost:7860") as made:
        yield made


def leave(folder: Path) -> None:
    """One benchmark's files, and others."""
    (folder / NAME).mkdir(parents=True)
    for kind in ("json", "csv", "log", "partial.jsonl", "config.json"):
        (folder / f"{NAME}.{kind}").write_text("á", "utf-8")
    (folder / NAME / "latencias.png").write_bytes(PNG)
    (folder / NAME / "segredo.txt").write_text("segredo", "utf-8")
    (folder / "outro.json").write_text("segredo", "utf-8")
    (folder.parent / "benchmark_20260101_000000.json").write_text("segredo", "utf-8")
    (folder / "benchmark_20260102_000000.json").symlink_to(folder.parent / "benchmark_20260101_000000.json")
    (folder / "benchmark_20260103_000000.json").mkdir()
    (folder / NAME / "fora.png").symlink_to(folder.parent / "benchmark_20260101_000000.json")


@pytest.mark.parametrize(
    ("kind", "content"),
    [("json", "application/json"), ("csv", "text/csv; charset=utf-8"), ("log", "text/plain; charset=utf-8")],
)
def test_files_are_downloads_of_their_kind(client: TestClient, kind: str, content: str) -> None:
    answer = client.get(f"/resultados/{NAME}.{kind}")
    assert answer.status_code == 200
    assert answer.content == "á".encode()
    assert answer.headers["content-type"] == content
    assert answer.headers["content-disposition"] == f'attachment; filename="{NAME}.{kind}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "private, no-cache"


def test_a_picture_is_shown_and_not_kept(client: TestClient) -> None:
    answer = client.get(f"/resultados/{NAME}/latencias.png?v=1")
    assert answer.content == PNG
    assert answer.headers["content-type"] == "image/png"
    assert "content-disposition" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        f"{NAME}",
        f"{NAME}.partial.jsonl",
        f"{NAME}.config.json",
        f"{NAME}.json%0a",
        f"{NAME}.json%00",
        f"{NAME}.exe",
        "outro.json",
        "benchmark_20991231_000000.json",
        "benchmark_20260102_000000.json",
        "benchmark_20260103_000000.json",
        f"{NAME}/segredo.txt",
        f"{NAME}/fora.png",
        f"{NAME}/nenhuma.png",
        f"{NAME}/..%2f{NAME}.json",
        "..%2fbenchmark_20260101_000000.json",
        "%2e%2e/benchmark_20260101_000000.json",
        "..%2fmelancia.db",
        "..%5cmelancia.db",
        "%2fetc%2fpasswd",
        f"{NAME}/%2e%2e%2foutro.json",
        f"../{NAME}/latencias.png",
    ],
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    answer = client.get(f"/resultados/{path}")
    assert answer.status_code == 404
    assert b"segredo" not in answer.content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_results_are_read_only(client: TestClient, method: str) -> None:
    assert client.request(method, f"/resultados/{NAME}.json").status_code in (404, 405)


def test_the_teams_login_covers_results(tmp_path: Path) -> None:
    runtime = open_runtime(tmp_path, auth="ana:segredo")
    leave(runtime.settings.data_dir / "experiments")
    with TestClient(create_app(runtime), base_url="http://localhost:7860") as client:
        for path in (f"{NAME}.json", f"{NAME}/latencias.png"):
            assert client.get(f"/resultados/{path}").status_code == 401
            assert client.get(f"/resultados/{path}", auth=("ana", "errada")).status_code == 401
            assert client.get(f"/resultados/{path}", auth=("ana", "segredo")).status_code == 200
            assert client.get(f"/resultados/{path}", headers={"host": "malvado.example"}).status_code == 421
    runtime.close()
