"""The route of drift reports' documents: what is there, to whom, under which policy, nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from melancia.api import create_app
from melancia.app import Runtime
from tests.api.conftest import open_runtime
from tests.ui import health as seeds

ROUTE = "/saude/relatorios"
BASE = "http://localhost:7860"
ODD = "4" * 32


@pytest.fixture(scope="module")
def client(runtime: Runtime) -> Iterator[TestClient]:
    """A client that administers, of an application with reports and files that are nobody's business."""
    leave(runtime)
    with TestClient(create_app(runtime), base_url=BASE) as made:
        made.get("/")
        yield made


def leave(runtime: Runtime) -> None:
    """Three reports, one of them with its document, and others that point astray."""
    folder = runtime.settings.drift_dir
    folder.mkdir(parents=True)
    seeds.lived(runtime.store)
    (folder / f"{seeds.NEWEST}.html").write_text("<p>á</p>", "utf-8")
    (folder / "outro.html").write_text("segredo", "utf-8")
    (folder.parent / "segredo.html").write_text("segredo", "utf-8")
    (folder / "ligado.html").symlink_to(folder.parent / "segredo.html")
    (folder / "pasta").mkdir()
    for number, file in enumerate(("../segredo.html", "ligado.html", "pasta", "nenhum.html", "")):
        runtime.store.reports.keep(seeds.report(f"{number}{ODD}", file=file))


def test_the_document_comes_with_a_policy_of_its_own(client: TestClient) -> None:
    answer = client.get(f"{ROUTE}/{seeds.NEWEST}.html")
    assert answer.status_code == 200
    assert answer.text == "<p>á</p>"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-disposition" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["cross-origin-opener-policy"] == "unsafe-none"
    assert answer.headers["cache-control"] == "private, no-cache"
    (policy,) = answer.headers.get_list("content-security-policy")
    rules = {rule.partition(" ")[0]: rule.partition(" ")[2] for rule in policy.split("; ")}
    assert rules["sandbox"] == "allow-scripts allow-popups"
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'unsafe-inline'"
    assert rules["frame-ancestors"] == "'self'"
    # No address of any network, our own included, and nothing that falls back on less than nothing.
    assert "connect-src" not in rules
    assert not {"http:", "https:", "*", "'self'"} & set(
        " ".join(value for name, value in rules.items() if name != "frame-ancestors").split()
    )


def test_the_page_itself_may_frame_only_what_is_its_own(client: TestClient) -> None:
    assert "frame-src 'self'" in client.get("/").headers["content-security-policy"]


def test_the_gaps_are_a_download(client: TestClient) -> None:
    answer = client.get(f"{ROUTE}/{seeds.NEWEST}.csv")
    assert answer.status_code == 200
    assert answer.content.startswith(b"\xef\xbb\xbfgrupo,perguntas,exemplo\r\n")
    assert "vitaminas? Escrevam para [e-mail]" in answer.content.decode("utf-8-sig")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert (
        answer.headers["content-disposition"] == 'attachment; filename="perguntas-sem-resposta-20261129.csv"'
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        f"{seeds.CALM}.html",
        "outro.html",
        f"{'f' * 32}.html",
        f"{'f' * 32}.csv",
        *(f"{number}{ODD}.html" for number in range(5)),
        seeds.NEWEST,
        f"{seeds.NEWEST}.json",
        f"{seeds.NEWEST}.html%00",
        f"{seeds.NEWEST}%0a.html",
        f"{seeds.NEWEST}.html/x",
        ".html",
        "..%2fsegredo.html",
        "%2e%2e%2fsegredo.html",
        "../segredo.html",
        "..%5csegredo.html",
        "%2fetc%2fpasswd.html",
        f"{'a' * 5000}.html",
        "%27%20OR%201=1.html",
        "",
    ],
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    answer = client.get(f"{ROUTE}/{path}")
    assert answer.status_code == 404
    assert b"segredo" not in answer.content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_reports_are_read_only(client: TestClient, method: str) -> None:
    assert client.request(method, f"{ROUTE}/{seeds.NEWEST}.html").status_code in (404, 405)


def test_who_was_never_on_the_page_reads_nothing(runtime: Runtime, client: TestClient) -> None:
    with TestClient(create_app(runtime), base_url=BASE) as stranger:
        for kind in ("html", "csv"):
            answer = stranger.get(f"{ROUTE}/{seeds.NEWEST}.{kind}")
            assert answer.status_code == 403
            assert "MELANCIA_ADMINS" in answer.json()["detail"]
            assert stranger.get(f"{ROUTE}/{'f' * 32}.{kind}").status_code == 403


def test_visitors_of_a_public_page_read_nothing(tmp_path: Path) -> None:
    runtime = open_runtime(tmp_path, allowed_origins="https://exemplo.com")
    leave(runtime)
    with TestClient(create_app(runtime), base_url=BASE) as client:
        client.get("/")
        for kind in ("html", "csv"):
            assert client.get(f"{ROUTE}/{seeds.NEWEST}.{kind}").status_code == 403
    runtime.close()


def test_the_team_reads_after_its_login(tmp_path: Path) -> None:
    runtime = open_runtime(tmp_path, auth="ana:segredo")
    leave(runtime)
    with TestClient(create_app(runtime), base_url=BASE) as client:
        for kind in ("html", "csv"):
            path = f"{ROUTE}/{seeds.NEWEST}.{kind}"
            assert client.get(path).status_code == 401
            assert client.get(path, auth=("ana", "errada")).status_code == 401
            assert client.get(path, auth=("ana", "segredo")).status_code == 200
            assert client.get(path, headers={"host": "malvado.example"}).status_code == 421
    runtime.close()
