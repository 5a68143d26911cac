"""Each fault as a client meets it, the switches over HTTP, and the runner."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

from tests.standins.ollama import (
    DEFAULT_REPLY,
    OllamaStandin,
    Outcome,
    Scripted,
    split_words,
)
from tests.standins.ollama.backends import Call, Finish, Piece
from tests.standins_tests.samples import MODEL, QUESTION, REPLY_TOKENS


def test_slow_first_token_holds_back_the_head_too(standin: OllamaStandin, http: httpx.Client) -> None:
    standin.faults.set(slow_first_token=0.2, times=1)
    started = time.monotonic()
    with http.stream("POST", "/api/chat", json={"model": MODEL, "messages": QUESTION}) as reply:
        assert time.monotonic() - started >= 0.2
        last = json.loads(reply.read().splitlines()[-1])
    assert last["prompt_eval_duration"] >= 0.19e9
    standin.faults.set(slow_first_token=30)
    with pytest.raises(httpx.ReadTimeout):
        http.post("/api/chat", json={"model": MODEL, "messages": QUESTION}, timeout=0.1)
    assert standin.wait_for(lambda r: r.disconnected).tokens_sent == 0


@pytest.mark.parametrize("stream", [True, False])
def test_stall_lasts_until_the_client_leaves(standin: OllamaStandin, stream: bool) -> None:
    standin.faults.set(stall_after_tokens=3)
    asked = {"model": MODEL, "messages": QUESTION, "stream": stream}

    async def leave() -> None:
        async with httpx.AsyncClient(base_url=standin.url, timeout=60) as client:
            asking = asyncio.create_task(client.post("/api/chat", json=asked))
            # However slowly they come; the silence begins after them.
            await asyncio.to_thread(standin.wait_for, lambda record: record.tokens_sent == 3)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asking, 0.2)

    asyncio.run(leave())
    record = standin.wait_for(lambda r: r.outcome is not Outcome.PENDING)
    assert record.disconnected
    assert record.tokens_sent == 3


class _Watched(Scripted):
    """Says when its generation has been ended from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    async def stream(self, call: Call) -> AsyncIterator[Piece | Finish]:
        try:
            async for event in super().stream(call):
                yield event
        finally:
            self.ended.set()


def test_generation_ends_when_the_client_leaves() -> None:
    backend = _Watched()
    with OllamaStandin(backend) as standin:
        standin.faults.set(stall_after_tokens=1)
        stream = ollama.Client(standin.url, timeout=60).chat(MODEL, QUESTION, stream=True)
        next(stream)
        assert not backend.ended.is_set()
        stream.close()  # type: ignore[attr-defined]
        assert backend.ended.wait(60)


def test_client_that_closes_a_stream_is_noticed(standin: OllamaStandin, client: ollama.Client) -> None:
    standin.faults.set(stall_after_tokens=2)
    stream = client.chat(MODEL, QUESTION, stream=True)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert standin.wait_for(lambda r: r.disconnected).path == "/api/chat"


def test_http_500(standin: OllamaStandin, client: ollama.Client) -> None:
    standin.faults.set(http_500="sem memória", times=2)
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError, match="sem memória") as caught:
            list(client.chat(MODEL, QUESTION, stream=stream))
        assert caught.value.status_code == 500
    assert client.chat(MODEL, QUESTION).message.content == DEFAULT_REPLY


def test_http_429(standin: OllamaStandin, http: httpx.Client) -> None:
    standin.faults.set(http_429=2.5)
    reply = http.post("/api/chat", json={"model": MODEL, "messages": QUESTION})
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "2.5")
    assert "error" in reply.json()


@pytest.mark.parametrize("after", [0, 2, 99])
def test_drop_connection(standin: OllamaStandin, client: ollama.Client, after: int) -> None:
    standin.faults.set(drop_connection_after_tokens=after)
    parts: list[Any] = []
    with pytest.raises(httpx.RemoteProtocolError):
        parts.extend(client.chat(MODEL, QUESTION, stream=True))
    record = standin.wait_for(lambda r: r.outcome is Outcome.DROPPED)
    assert record.tokens_sent == min(after, REPLY_TOKENS)
    with pytest.raises(httpx.RemoteProtocolError):
        client.chat(MODEL, QUESTION)


def test_mid_stream_error(standin: OllamaStandin, client: ollama.Client) -> None:
    standin.faults.set(mid_stream_error="a placa sumiu")
    parts: list[str] = []
    with pytest.raises(ollama.ResponseError, match="a placa sumiu"):
        for part in client.chat(MODEL, QUESTION, stream=True):
            parts.append(part.message.content or "")
    assert parts == split_words(DEFAULT_REPLY)[:2]
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat(MODEL, QUESTION)
    assert caught.value.status_code == 500


def test_missing_model(standin: OllamaStandin, client: ollama.Client) -> None:
    standin.faults.set(missing_model=True)
    with pytest.raises(ollama.ResponseError, match=f"model '{MODEL}' not found"):
        client.chat(MODEL, QUESTION)
    with pytest.raises(ollama.ResponseError, match="file does not exist"):
        list(client.pull(MODEL, stream=True))
    with pytest.raises(ollama.ResponseError, match="try pulling it first"):
        client.embed("nomic-embed-text", "a")


def test_cpu_fallback(standin: OllamaStandin, client: ollama.Client) -> None:
    standin.faults.set(cpu_fallback=True)
    client.chat(MODEL, QUESTION)
    assert {model.size_vram for model in client.ps().models} == {0}


def test_pull_disk_full(standin: OllamaStandin, client: ollama.Client) -> None:
    standin.faults.set(pull_disk_full=True)
    reports: list[Any] = []
    with pytest.raises(ollama.ResponseError, match="no space left on device"):
        for report in client.pull("qwen2.5:1.5b", stream=True):
            reports.append(report)
    assert reports[-1].completed
    assert "qwen2.5:1.5b" not in standin.models
    with pytest.raises(ollama.ResponseError) as caught:
        client.pull("qwen2.5:1.5b")
    assert caught.value.status_code == 500


@pytest.mark.parametrize(("stall", "reports"), [(True, 1), ("aloud", 4)])
def test_pull_stall_and_then_the_rest(
    standin: OllamaStandin, http: httpx.Client, stall: Any, reports: int
) -> None:
    standin.faults.set(times=1, pull_stall=stall)
    asked: dict[str, Any] = {"json": {"model": "qwen2.5:1.5b"}}
    half: list[Any] = []
    with http.stream("POST", "/api/pull", **asked) as reply:
        for line in reply.iter_lines():
            half += [json.loads(line)] if '"completed":450000000' in line else []
            if len(half) == reports:
                break
    assert len(half) == reports
    assert standin.wait_for(lambda record: record.disconnected)
    # What had come is still there: the second pull begins with it.
    lines = [json.loads(line) for line in http.post("/api/pull", **asked).text.splitlines()]
    assert lines[1]["completed"] == half[0]["completed"]
    assert lines[-1] == {"status": "success"}
    http.request("DELETE", "/api/delete", json={"model": "qwen2.5:1.5b"})


def test_pull_error(standin: OllamaStandin, client: ollama.Client) -> None:
    standin.faults.set(times=1, pull_error="pull model manifest: 412: newer version")
    with pytest.raises(ollama.ResponseError, match="newer version"):
        list(client.pull("qwen2.5:1.5b", stream=True))


def test_a_script_that_fails_is_an_error_of_the_runner(standin: OllamaStandin, client: ollama.Client) -> None:
    def broken(messages: Any) -> str:
        raise RuntimeError("quebrou")

    standin.set_script(broken)
    with pytest.raises(ollama.ResponseError, match="quebrou"):
        list(client.chat(MODEL, QUESTION, stream=True))


def test_switches_over_http(standin: OllamaStandin, http: httpx.Client) -> None:
    reply = http.post("/_standin/faults", json={"http_500": True, "stall_after_tokens": 0, "times": 2})
    assert reply.json() == {
        "faults": {"http_500": True, "stall_after_tokens": 0},
        "times": {"http_500": 2, "stall_after_tokens": 2},
    }
    assert standin.faults.http_500 is True
    assert http.post("/api/chat", json={"model": MODEL, "messages": QUESTION}).status_code == 500
    assert http.get("/_standin/faults").json()["times"]["http_500"] == 1
    assert http.delete("/_standin/faults").json() == {"faults": {}, "times": {}}
    assert http.post("/api/chat", json={"model": MODEL, "messages": QUESTION}).status_code == 200
    assert [entry["status"] for entry in http.get("/_standin/requests").json()] == [500, 200]


@pytest.mark.parametrize(
    "body",
    [{"gremlin": True}, {"stall_after_tokens": "três"}, {"http_500": 1}, {"http_500": True, "times": 0}],
)
def test_wrong_switches_are_refused(standin: OllamaStandin, http: httpx.Client, body: dict[str, Any]) -> None:
    assert http.post("/_standin/faults", json=body).status_code == 422
    assert standin.faults.to_dict() == {"faults": {}, "times": {}}


# The runner


def test_stops_at_once_in_spite_of_a_stalled_answer() -> None:
    standin = OllamaStandin(Scripted(token_delay=0.001)).start()
    standin.faults.set(stall_after_tokens=1)
    stream = ollama.Client(standin.url, timeout=60).chat(MODEL, QUESTION, stream=True)
    next(stream)
    started = time.monotonic()
    standin.stop()
    assert time.monotonic() - started < 30  # the answer would never end
    with pytest.raises(httpx.HTTPError):
        list(stream)
    with pytest.raises(ConnectionError):
        ollama.Client(standin.url).list()


def test_two_run_side_by_side() -> None:
    with OllamaStandin(Scripted("um")) as one, OllamaStandin(Scripted("dois")) as two:
        assert [ollama.Client(s.url).chat(MODEL, QUESTION).message.content for s in (one, two)] == [
            "um",
            "dois",
        ]


def test_runs_as_a_process() -> None:
    """`python -m tests.standins.ollama`, on a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "tests.standins.ollama", "--port", port, "--models", "a:1b", "b:2b"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip().endswith(port)
            # The line comes just before the socket is open.
            transport = httpx.HTTPTransport(retries=6)
            with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                assert {model["name"] for model in http.get("/api/tags").json()["models"]} == {"a:1b", "b:2b"}
                assert http.post("/_standin/faults", json={"http_500": True}).status_code == 200
        finally:
            process.terminate()
