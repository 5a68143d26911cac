"""Gradio's open doors are closed; health, readiness, login, origin and limits do what they say."""

import base64
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from melancia.api import create_app
from melancia.api.gate import QuestionLimit
from melancia.app import Runtime
from melancia.errors import SettingsError
from melancia.settings import load_settings
from melancia.ui.identity import COOKIE, Identity
from tests.api.conftest import open_runtime

JOIN = {"data": [], "fn_index": 0, "session_hash": "s"}


@pytest.fixture(scope="module")
def shared(runtime: Runtime) -> Iterator[TestClient]:
    """A client that came through the front door once."""
    with TestClient(create_app(runtime), base_url="http://localhost:7860") as client:
        yield client


@pytest.fixture
def client(shared: TestClient) -> TestClient:
    """The client, as a browser that was never here."""
    shared.cookies.clear()
    return shared


def test_health_and_readiness_ask_what_is_served(client: TestClient) -> None:
    assert client.get("/healthz").json()["service"] == "melancia"
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["documents"] == 1
    assert ready.json()["store"] == "pronto"


def test_readiness_fails_when_there_is_nothing_to_search(tmp_path: Path) -> None:
    empty = tmp_path / "vazia"
    empty.mkdir()
    runtime = open_runtime(tmp_path, knowledge_dir=empty)
    with TestClient(create_app(runtime), base_url="http://localhost:7860") as client:
        assert client.get("/readyz").status_code == 503
    runtime.close()


def test_the_page_comes_with_policy_and_a_signed_http_only_cookie(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    cookie = page.headers["set-cookie"]
    assert all(part in cookie for part in (COOKIE, "HttpOnly", "SameSite=Lax", "Max-Age=31536000"))
    assert "Secure" not in cookie
    assert "set-cookie" not in client.get("/").headers


def test_a_forged_cookie_is_replaced(client: TestClient, runtime: Runtime) -> None:
    client.cookies.set(COOKIE, "outra-pessoa.assinatura")
    assert COOKIE in client.get("/").headers["set-cookie"]
    assert Identity(runtime.settings).anonymous({COOKIE: "outra-pessoa.assinatura"}) is None


@pytest.mark.parametrize(
    "other",
    ['prefs={"theme":"dark"}', "sem-nome", "nome=João".encode().decode("latin-1"), "path=1", "a=\x22"],
)
def test_another_programs_cookie_on_this_host_hides_nobody(client: TestClient, other: str) -> None:
    mine = client.get("/").headers["set-cookie"].partition(";")[0]
    client.cookies.clear()
    answer = client.get("/", headers=[(b"cookie", f"{other}; {mine}".encode("latin-1"))])
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/call/ask",
        "/gradio_api/api/predict",
        "/gradio_api/upload",
        "/gradio_api/mcp/sse",
        "/gradio_api/proxy=http://example.com",
        "/gradio_api/deep_link?session_hash=abc",
        "/gradio_api/process_recording",
        "/gradio_api/dev/reload",
        "/gradio_api/vibe-edit",
        "/gradio_api/run-history/records",
        "/monitoring",
        "/monitoring/summary",
        "/docs",
        "/openapi.json",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_the_page_does_not_use_is_closed(client: TestClient, path: str, method: str) -> None:
    assert client.request(method, path).status_code in (404, 405)


@pytest.mark.parametrize("origin", ["https://malvado.example", "http://localhost:1", "null", "http://["])
def test_another_pages_request_is_refused_and_not_reflected(client: TestClient, origin: str) -> None:
    answer = client.post("/gradio_api/queue/join", json=JOIN, headers={"origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("host", "status"), [("malvado.example", 421), ("192.168.0.7:7860", 200), ("[::1]:7860", 200), ("[", 421)]
)
def test_only_known_hosts_are_served(client: TestClient, host: str, status: int) -> None:
    assert client.get("/", headers={"host": host}).status_code == status


def test_without_a_session_no_question_is_taken(client: TestClient) -> None:
    answer = client.post("/gradio_api/queue/join", json=JOIN)
    assert answer.status_code == 403
    assert "Recarregue" in answer.json()["detail"]


def test_the_question_limit_says_how_long_to_wait(client: TestClient) -> None:
    client.get("/")
    statuses = [client.post("/gradio_api/queue/join", json=JOIN).status_code for _ in range(6)]
    assert 429 not in statuses[:5]
    last = client.post("/gradio_api/queue/join", json=JOIN)
    assert statuses[5] == last.status_code == 429
    assert 0 < int(last.headers["retry-after"]) <= 61
    assert "Aguarde" in last.json()["detail"]


def test_a_team_login_covers_everything_but_health(tmp_path: Path) -> None:
    runtime = open_runtime(tmp_path, auth="ana:senha:com:dois,bia:outra")
    with TestClient(create_app(runtime), base_url="http://localhost:7860") as client:
        for path in ("/", "/config", "/gradio_api/queue/status", "/theme.css"):
            assert client.get(path).status_code == 401, path
        assert client.get("/", auth=("ana", "errada")).status_code == 401
        assert client.get("/", auth=("caio", "")).status_code == 401
        assert client.get("/", auth=("ana", "senha:com:dois")).status_code == 200
        assert client.get("/healthz").status_code == 200
    runtime.close()


@pytest.mark.parametrize("auth", ["segredo", "ana-segredo:", ":segredo", "ana:segredo,,bia:b"])
def test_a_malformed_team_is_refused_without_quoting_it(tmp_path: Path, auth: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Identity(load_settings(_env_file=None, data_dir=tmp_path, auth=auth))
    assert "segredo" not in str(caught.value)


def test_the_cookies_outlive_a_restart_and_the_key_is_private(tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, data_dir=tmp_path)
    value = Identity(settings).issue()
    assert Identity(settings).anonymous({COOKIE: value})
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    other = load_settings(_env_file=None, data_dir=tmp_path / "outra")
    assert Identity(other).anonymous({COOKIE: value}) is None


def test_a_full_queue_is_told_in_portuguese(tmp_path: Path) -> None:
    async def full(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b"Queue is full! Max size is 1."})

    identity = Identity(load_settings(_env_file=None, data_dir=tmp_path))
    client = TestClient(QuestionLimit(full, identity, 5))
    client.cookies.set(COOKIE, identity.issue())
    answer = client.post("/gradio_api/queue/join", json=JOIN)
    assert answer.status_code == 503
    assert "muitas perguntas na fila" in answer.json()["detail"]


def test_the_limit_forgets_after_a_minute(tmp_path: Path) -> None:
    async def fine(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    now = [0.0]
    identity = Identity(load_settings(_env_file=None, data_dir=tmp_path))
    client = TestClient(QuestionLimit(fine, identity, 2, clock=lambda: now[0]))
    client.cookies.set(COOKIE, identity.issue())

    def join() -> int:
        return client.post("/gradio_api/queue/join", json=JOIN).status_code

    assert [join(), join(), join()] == [200, 200, 429]
    now[0] = 60.5
    assert join() == 200
    client.cookies.clear()
    client.cookies.set(COOKIE, identity.issue())
    assert join() == 200


def test_only_administrators_may_send_files(tmp_path: Path) -> None:
    runtime = open_runtime(tmp_path, auth="ana:um,bia:dois", admins="ana")
    files = {"files": ("nota.md", b"# Nota")}
    with TestClient(create_app(runtime), base_url="http://localhost:7860") as client:
        statuses = {
            name: client.post("/gradio_api/upload", files=files, auth=(name, password)).status_code
            for name, password in (("ana", "um"), ("bia", "dois"))
        }
        assert client.post("/gradio_api/call/send", json={"data": []}, auth=("ana", "um")).status_code == 404
    runtime.close()
    assert statuses == {"ana": 200, "bia": 404}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, True),
        ({"host": "0.0.0.0"}, False),
        ({"allowed_origins": "https://loja.example"}, False),
        ({"host": "0.0.0.0", "admins": "*"}, True),
        ({"auth": "ana:um"}, False),
        ({"auth": "ana:um", "admins": "ana"}, True),
        ({"auth": "ana:um,bia:dois", "admins": "bia"}, False),
    ],
)
def test_who_administers(tmp_path: Path, values: dict[str, str], expected: bool) -> None:
    identity = Identity(load_settings(_env_file=None, data_dir=tmp_path, **values))
    user = identity.member(basic("ana", "um")) if "auth" in values else "alguém"
    assert identity.is_admin(user) is expected
    assert identity.is_admin(None) is False


def test_an_administrator_who_is_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MELANCIA_AUTH"):
        Identity(load_settings(_env_file=None, data_dir=tmp_path, auth="ana:um", admins="caio"))


def basic(name: str, password: str) -> str:
    """The header of an HTTP Basic login."""
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"
