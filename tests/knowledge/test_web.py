"""Pages and sitemaps: fetched, kept equal, and never a way into the own network."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.errors import DocumentError, InputError
from melancia.index.catalog import Catalog
from melancia.knowledge.ingest import IngestReport, ingest
from melancia.knowledge.web import MAX_BYTES, fetch, is_public
from tests.knowledge.test_readers import PAGE, SENTENCE, pdf

HTML = "text/html; charset=utf-8"
Answer = tuple[int, str, bytes]


class Site:
    """A web site on 127.0.0.1 whose answers a test sets; ``location`` answers are redirects."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.hosts: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.hosts.append(self.headers["host"])
                status, kind, body = site.answers.get(self.path, (404, HTML, b""))
                self.send_response(status)
                self.send_header("location" if 300 <= status < 400 else "content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site() -> Iterator[Site]:
    """A running site."""
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """An empty catalog."""
    return Catalog(tmp_path / "catalog.db")


def only_this(address: str) -> bool:
    """The guard of these tests: the site's own address, and no other of this machine."""
    return address == "127.0.0.1"


def take(catalog: Catalog, *roots: str) -> IngestReport:
    """Ingest addresses of the test site."""
    return ingest(catalog, roots, allowed=only_this)


def test_a_page_is_indexed_with_its_address_and_skipped_when_its_text_is_the_same(
    catalog: Catalog, site: Site
) -> None:
    site.answers["/frete"] = (200, HTML, PAGE.encode())
    assert take(catalog, f"{site.url}/frete").added == 1
    (document,) = catalog.documents()
    assert document.source.startswith(f"{site.url}/frete")
    assert SENTENCE in " ".join(chunk.section_text for chunk in catalog.chunks()).replace("\n", " ")
    site.answers["/frete"] = (200, HTML, PAGE.replace("segredo = 1", "segredo = 2").encode())
    assert take(catalog, f"{site.url}/frete").unchanged == 1
    site.answers["/frete"] = (200, HTML, PAGE.replace("giro", "moda").encode())
    assert take(catalog, f"{site.url}/frete").changed == 1


def test_a_pdf_on_the_web(catalog: Catalog, site: Site) -> None:
    site.answers["/manual"] = (200, "application/pdf", pdf(SENTENCE))
    assert take(catalog, f"{site.url}/manual").added == 1


def test_a_sitemap_keeps_the_index_equal_to_the_site(catalog: Catalog, site: Site) -> None:
    def sitemap(*paths: str) -> Answer:
        places = "".join(f"<url><loc>{site.url}{path}</loc></url>" for path in paths)
        foreign = "<url><loc>https://outro.example/x</loc></url>"
        text = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}{foreign}</urlset>'
        return (200, "application/xml", text.encode())

    for path in ("/a", "/b"):
        site.answers[path] = (200, HTML, PAGE.replace("Frete", f"Frete {path[1]}").encode())
    site.answers["/sitemap.xml"] = sitemap("/a", "/b", "/sumiu")
    report = take(catalog, f"{site.url}/sitemap.xml")
    assert (report.added, len(report.failures)) == (2, 1)
    assert "404" in report.failures[0].reason
    site.answers["/sitemap.xml"] = sitemap("/a")
    assert take(catalog, f"{site.url}/sitemap.xml").removed == 1


def test_a_site_that_does_not_answer_loses_nothing(catalog: Catalog, site: Site) -> None:
    site.answers["/frete"] = (200, HTML, PAGE.encode())
    take(catalog, f"{site.url}/frete")
    site.answers["/frete"] = (503, HTML, b"")
    report = take(catalog, f"{site.url}/frete")
    assert (report.removed, len(report.failures)) == (0, 1)
    assert len(catalog.documents()) == 1


def test_a_redirect_is_followed_but_not_into_the_own_network(site: Site) -> None:
    site.answers["/velho"] = (301, "/novo", b"")
    site.answers["/novo"] = (200, HTML, b"ok")
    assert fetch(f"{site.url}/velho", only_this).body == b"ok"
    port = site.server.server_port
    for target in (
        f"http://127.0.0.2:{port}/novo",
        "http://[::1]/",
        "file:///etc/passwd",
        "http://10.0.0.1/",
    ):
        site.answers["/velho"] = (302, target, b"")
        with pytest.raises(DocumentError, match=r"rede interna|só http|não foi encontrado"):
            fetch(f"{site.url}/velho", only_this)
    site.answers["/velho"] = (302, "/velho", b"")
    with pytest.raises(DocumentError, match="vezes demais"):
        fetch(f"{site.url}/velho", only_this)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost:11434/api/tags",
        "http://0.0.0.0/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://2130706433/",
        "http://user:pass@127.0.0.1/",
        "http:///x",
        "http://[/",
    ],
)
def test_addresses_of_the_own_network_are_refused(url: str) -> None:
    with pytest.raises(DocumentError):
        fetch(url)


@pytest.mark.parametrize("url", ["ftp://exemplo.com/a", "file:///etc/passwd", "gopher://x/"])
def test_other_schemes_are_refused(catalog: Catalog, url: str) -> None:
    with pytest.raises(InputError, match="http"):
        take(catalog, url)


def test_an_oversized_body_is_cut_off(site: Site) -> None:
    site.answers["/grande"] = (200, HTML, b"x" * (MAX_BYTES + 1))
    with pytest.raises(DocumentError, match="MB"):
        fetch(f"{site.url}/grande", only_this)


def test_what_is_no_document_is_named(catalog: Catalog, site: Site) -> None:
    site.answers["/foto"] = (200, "image/png", b"\x89PNG")
    (failure,) = take(catalog, f"{site.url}/foto").failures
    assert "image/png" in failure.reason


def test_the_server_sees_its_own_name(site: Site) -> None:
    site.answers["/"] = (200, HTML, b"ok")
    port = site.server.server_port
    fetch(f"http://localhost:{port}/", lambda address: address in ("127.0.0.1", "::1"))
    assert site.hosts[-1] == f"localhost:{port}"


PRIVATE = [ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")]


@given(st.sampled_from(PRIVATE), st.integers(0, 2**32 - 1), st.sampled_from(["", "::ffff:", "64:ff9b::"]))
def test_no_private_address_is_public_in_any_spelling(net: object, offset: int, prefix: str) -> None:
    network = ip_network(str(net))
    address = network[offset % network.num_addresses]
    assert not is_public(f"{prefix}{address}")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("status", [300, 304])
def test_a_redirect_to_nowhere_is_a_failure(site: Site, status: int) -> None:
    site.answers["/x"] = (status, "", b"")
    with pytest.raises(DocumentError, match=f"respondeu {status}|não respondeu|não é válido|vezes demais"):
        fetch(f"{site.url}/x", only_this)


@pytest.mark.parametrize("target", ["http://[x", "http://a b/", "//"])
def test_a_redirect_to_no_address_is_a_failure(site: Site, target: str) -> None:
    site.answers["/x"] = (302, target, b"")
    with pytest.raises(DocumentError):
        fetch(f"{site.url}/x", only_this)


def test_one_bad_address_does_not_cost_a_sitemap(catalog: Catalog, site: Site) -> None:
    site.answers["/a"] = (200, HTML, PAGE.encode())
    places = "".join(f"<url><loc>{place}</loc></url>" for place in ("http://[x", f"{site.url}/a"))
    site.answers["/sitemap.xml"] = (200, "application/xml", f"<urlset>{places}</urlset>".encode())
    assert take(catalog, f"{site.url}/sitemap.xml").added == 1


def test_an_address_that_is_none_is_named(catalog: Catalog) -> None:
    (failure,) = take(catalog, "http://[foo").failures
    assert "não é válido" in failure.reason


def test_a_name_with_accents_is_asked_for_in_ascii(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.answers["/"] = (200, HTML, b"ok")
    port = site.server.server_port

    known = socket.getaddrinfo

    def resolve(host: str, *more: Any, **named: Any) -> Any:
        return known("127.0.0.1" if host == "promoção.com.br" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert fetch(f"http://promoção.com.br:{port}/", only_this).body == b"ok"
    assert site.hosts == [f"xn--promoo-7ta5a.com.br:{port}"]
