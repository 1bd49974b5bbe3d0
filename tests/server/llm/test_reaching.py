"""An LLM of somebody who does not own the server is one of the internet, and tells little."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from typing import Any

import httpx
import pytest

from phospho.errors import LlmPausedError
from phospho_server.llm.private_networks import is_private_allowed
from phospho_server.llm.reaching import make_checked_client
from phospho_server.store import llm
from phospho_server.store.llm import LlmSettings
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.judges import LoopbackJudge, refused
from tests.loopback import Reply, serve_phospho
from tests.server.builders import add, define, interaction
from tests.server.llm.conftest import MakeWorkers, verdicts
from tests.waiting import GIVEN_UP_S, PATIENCE_S

ALLOWED = {"PHOSPHO_ALLOW_PRIVATE_LLMS": "1"}
SECRET = "the words of a server inside"


@pytest.fixture
def asking(store: SqliteStore, project: Project) -> None:
    """An interaction that an LLM is asked about."""
    define(store, project, name="banana", description="The user mentions a banana")
    add(store, project, interaction("t1", input="0.3 banana"))


def name_llm(store: SqliteStore, project: Project, base_url: str, *, is_trusted: bool) -> None:
    settings = LlmSettings(base_url=base_url, model="gpt-x", is_trusted=is_trusted)
    store.write(lambda db: llm.save_settings(db, project.id, settings))


def paused(store: SqliteStore, project: Project) -> str:
    with store.read() as db:
        return llm.find_pause(db, project.id) or ""


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{}", "http://localhost:{}", "http://[::ffff:127.0.0.1]:{}",
     "http://2130706433:{}", "http://0:{}"],
)  # fmt: skip
def test_this_machine_is_not_asked_for_a_project_whose_owner_does_not_own_the_server(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge, url: str
) -> None:
    port = judge.url.rpartition(":")[2]
    name_llm(store, project, url.format(port), is_trusted=False)
    make_workers().run()
    assert judge.loopback.connections == 0
    assert "leads into a private network, where nothing is sent" in paused(store, project)
    assert verdicts(store, project) == {("t1", "banana"): (False, "semantic")}


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    ("is_trusted", "environment"), [(True, {}), (False, ALLOWED)], ids=["owner", "environment"]
)
def test_it_is_asked_where_an_owner_of_the_server_or_its_environment_says_so(
    store: SqliteStore,
    project: Project,
    make_workers: MakeWorkers,
    judge: LoopbackJudge,
    environment: dict[str, str],
    *,
    is_trusted: bool,
) -> None:
    name_llm(store, project, judge.url, is_trusted=is_trusted)
    make_workers(**environment).run()
    assert verdicts(store, project) == {("t1", "banana"): (True, "llm")}


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 302])
def test_of_what_a_server_inside_refuses_only_the_status_is_told(
    store: SqliteStore,
    project: Project,
    make_workers: MakeWorkers,
    judge: LoopbackJudge,
    status: int,
) -> None:
    judge.answer = lambda asked: refused(status, SECRET, "insufficient_quota")
    name_llm(store, project, judge.url, is_trusted=False)
    make_workers(**ALLOWED).run()
    told = paused(store, project)
    assert told
    assert SECRET not in told
    assert f"status {status}." in told or "sends us elsewhere" in told
    name_llm(store, project, judge.url, is_trusted=True)
    make_workers().run()
    assert SECRET in paused(store, project) or status == 302


@pytest.mark.usefixtures("asking")
def test_what_a_server_does_not_take_is_still_understood(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    judge.replies.append(refused(400, "Use max_completion_tokens"))
    name_llm(store, project, judge.url, is_trusted=False)
    make_workers(**ALLOWED).run()
    assert "max_completion_tokens" in judge.asked[1].body
    assert verdicts(store, project) == {("t1", "banana"): (True, "llm")}


def answer_with(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[tuple[str, int]]:
    """Let names have these addresses, one after the other; return what was connected to."""
    left, reached = list(answers), []

    def look_up(host: str, port: int, *_: object, **__: object) -> list[Any]:
        now = host if host[0].isdigit() else left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (now, port))]

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    return reached


def test_what_was_checked_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = answer_with(monkeypatch, "93.184.215.14", "127.0.0.1")
    client = make_checked_client(allow_private=False)
    with pytest.raises(httpx.ConnectError):
        client.post("http://rebinding.example/v1")
    with pytest.raises(LlmPausedError, match="private network"):
        client.post("http://rebinding.example/v1")
    assert reached == [("93.184.215.14", 80)]


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200", "168.63.129.16"])
def test_secrets_of_clouds_are_out_of_reach_where_private_networks_are_not(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    reached = answer_with(monkeypatch, address)
    with pytest.raises(LlmPausedError, match="where clouds keep secrets"):
        make_checked_client(allow_private=True).post("http://rebinding.example/v1")
    assert reached == []


@pytest.mark.parametrize("misbehaviour", ["trickle_headers", "trickle_body", "hang"])
def test_an_answer_that_comes_a_byte_at_a_time_is_broken_off(misbehaviour: str) -> None:
    with serve_phospho() as server:
        server.replies.append(Reply(500, misbehaviour=misbehaviour))
        started_s = time.monotonic()
        with pytest.raises(httpx.TimeoutException):
            make_checked_client(allow_private=True).post(server.url, json={}, timeout=0.5)
        assert time.monotonic() - started_s < GIVEN_UP_S


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(Reply(400, body=b"x" * 9_000_000), "no end", id="endless"),
        pytest.param(
            Reply(400, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 9_000_000)),
            "is compressed",
            id="compressed",
        ),
    ],
)
def test_an_answer_cannot_fill_the_memory(reply: Reply, words: str) -> None:
    with serve_phospho() as server:
        server.replies.append(reply)
        with pytest.raises(httpx.RequestError, match=words):
            make_checked_client(allow_private=True).post(server.url, json={})


def test_redirects_are_not_followed() -> None:
    with serve_phospho() as server:
        server.replies.append(Reply(307, {"Location": server.url}))
        client = make_checked_client(allow_private=True)
        assert client.post(server.url, json={}).status_code == 307
        assert len(server.requests) == 1


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_refusal_that_breaks_off_is_a_failed_try(
    store: SqliteStore,
    project: Project,
    make_workers: MakeWorkers,
    judge: LoopbackJudge,
    *,
    is_trusted: bool,
) -> None:
    judge.replies.append(Reply(401, {}, b"{", misbehaviour="truncate"))
    name_llm(store, project, judge.url, is_trusted=is_trusted)
    make_workers(**ALLOWED).run()
    assert verdicts(store, project) == {("t1", "banana"): (True, "llm")}
    # Each call has an alarm that ends with its connection.
    alarms = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    for alarm in alarms:
        alarm.join(PATIENCE_S)
    assert not any(alarm.is_alive() for alarm in alarms)


@pytest.mark.parametrize(("value", "allowed"), [("", False), ("0", False), ("1", True)])
def test_private_networks_are_allowed_by_the_environment(value: str, *, allowed: bool) -> None:
    assert is_private_allowed({"PHOSPHO_ALLOW_PRIVATE_LLMS": value}) == allowed
