"""`POST /v2/log`: who may call it, what it answers, and that it never answers 5xx."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from phospho_server.limits import MAX_BODY_BYTES, MAX_EVENTS
from phospho_server.store import projects
from phospho_server.store.projects import (
    KEY_USE_STEP_MS,
    create_key,
    create_project,
    list_keys,
    revoke_key,
)
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from tests.server.builders import NOON_MS, totals


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def post(client: FlaskClient, project: Project, key: str, body: Any, **more: Any) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", **more}
    return client.post(f"/v2/log/{project.id}", data=data, headers=headers)


def stored(store: SqliteStore, project: Project) -> int:
    with store.read() as db:
        mine = "select id from interactions where project_id = :project_id"
        return len(db.rows(mine, {"project_id": project.id}))


def events(*found: object) -> dict[str, object]:
    return {"batched_log_events": list(found)}


def test_a_batch_is_stored_and_answered_in_order(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    answer = post(
        client,
        project,
        api_key,
        events(
            {"input": "one", "task_id": "t1", "session_id": "s1"},
            {"output": "no input"},
            {"input": "two", "task_id": "t2", "session_id": "s1", "output": "2"},
        ),
    )
    assert answer.status_code == 200
    first, second, third = answer.get_json()["logged_events"]
    assert first == {"task_id": "t1", "session_id": "s1"}
    assert second == {"error_in_log": second["error_in_log"]}
    assert third["task_id"] == "t2"
    with store.read() as db:
        lines = list_transcript(db, project.id, "s1")
    assert [line.input for line in lines] == ["one", "two"]


def test_sending_again_stores_nothing_twice(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    for _ in range(3):
        assert (
            post(client, project, api_key, events({"input": "x", "task_id": "t"})).status_code
            == 200
        )
    assert totals(store, project).interactions == 1


def test_gzip_is_understood(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    body = gzip.compress(json.dumps(events({"input": "x"})).encode())
    answer = post(client, project, api_key, body, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 200
    assert totals(store, project).interactions == 1


BOMB = gzip.compress(b" " * (MAX_BODY_BYTES + 10))


@pytest.mark.parametrize(
    ("body", "encoding", "status", "says"),
    [
        pytest.param(b"", None, 400, "read as JSON", id="empty"),
        pytest.param(b"{", None, 400, "read as JSON", id="half"),
        pytest.param(b"\xff\xfe", None, 400, "read as JSON", id="binary"),
        pytest.param(b"[]", None, 400, "must be a JSON object", id="list"),
        pytest.param(b"{}", None, 400, "batched_log_events", id="no-list"),
        pytest.param(b'{"batched_log_events": 5}', None, 400, "batched_log_events", id="number"),
        pytest.param(b"[" * 100_000, None, 400, "nested too deeply", id="deep"),
        pytest.param(b"1" * 5000, None, 400, "read as JSON", id="long-number"),
        pytest.param(b"plain", "gzip", 400, "not valid gzip", id="not-gzip"),
        pytest.param(BOMB, "gzip", 413, "32 MiB when decompressed", id="bomb"),
        pytest.param(BOMB[:500], "gzip", 400, "ends too early", id="half-gzip"),
        pytest.param(b"{}", "br", 415, "Send gzip, or none", id="unknown-encoding"),
        pytest.param(b"{}", "gzip, gzip", 415, "Send gzip, or none", id="encoded-twice"),
    ],
)
def test_a_bad_body_is_refused_with_what_to_do(
    client: FlaskClient,
    project: Project,
    api_key: str,
    body: bytes,
    encoding: str | None,
    status: int,
    says: str,
) -> None:
    more = {"Content-Encoding": encoding} if encoding else {}
    answer = post(client, project, api_key, body, **more)
    assert answer.status_code == status
    assert says in answer.get_json()["error"]["message"]


def test_a_body_over_the_limit_is_refused(
    client: FlaskClient, project: Project, api_key: str
) -> None:
    answer = post(client, project, api_key, b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert "larger than 32 MiB" in answer.get_json()["error"]["message"]


@pytest.mark.parametrize("value", [b"[]", b"{}", b'"ab"', b"1.5"])
def test_a_small_body_does_not_become_a_gigabyte(
    client: FlaskClient, project: Project, api_key: str, value: bytes
) -> None:
    many = (value + b",") * ((MAX_BODY_BYTES - 100) // (len(value) + 1))
    body = gzip.compress(b'{"batched_log_events": [{"input": "", "a": [' + many + b"0]}]}", 1)
    assert len(body) < MAX_BODY_BYTES // 100
    tracemalloc.start()
    try:
        answer = post(client, project, api_key, body, **{"Content-Encoding": "gzip"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 413
    assert "more than 2,000,000 values" in answer.get_json()["error"]["message"]
    assert peak < 120 * 1024**2


def test_a_batch_of_too_many_is_refused_before_it_is_worked_on(
    client: FlaskClient, project: Project, api_key: str
) -> None:
    body = gzip.compress(b'{"batched_log_events": [' + b"1," * MAX_EVENTS + b"1]}")
    answer = post(client, project, api_key, body, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert "at most 50,000" in answer.get_json()["error"]["message"]


def test_numbers_that_json_does_not_have_become_null(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    body = b'{"batched_log_events": [{"input": "x", "session_id": "s1", '
    body += b'"metadata": {"a": NaN, "b": -Infinity, "c": 1e999, "d": 1.5}}]}'
    assert post(client, project, api_key, body).status_code == 200
    with store.read() as db:
        (line,) = list_transcript(db, project.id, "s1")
    assert line.metadata == {"a": None, "b": None, "c": None, "d": 1.5}


def test_keys_open_their_own_project_alone(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    with store.read() as db:
        key_id = list_keys(db, project.id)[0].id

    def status(target: Project, header: str | None) -> tuple[int, str]:
        headers = {} if header is None else {"Authorization": header}
        answer = client.post(f"/v2/log/{target.id}", json=events(), headers=headers)
        return answer.status_code, answer.get_json().get("error", {}).get("code", "")

    assert status(project, f"Bearer {api_key}")[0] == 200
    assert status(project, f"bearer {api_key}")[0] == 200
    assert status(project, None) == (401, "unauthorized")
    assert status(project, "Bearer") == (401, "unauthorized")
    assert status(project, f"Basic {api_key}") == (401, "unauthorized")
    assert status(project, f"Bearer {api_key}x") == (401, "unauthorized")
    assert status(project, "Bearer \x80\xff") == (401, "unauthorized")
    assert status(other, f"Bearer {api_key}") == (403, "forbidden")
    unknown = Project("proj_unknown", "?", 0)
    assert status(unknown, f"Bearer {api_key}") == (404, "not_found")
    store.write(lambda db: revoke_key(db, key_id))
    assert status(project, f"Bearer {api_key}") == (401, "unauthorized")


def test_a_key_that_another_process_revokes_stores_nothing_more(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    for n in range(3):
        assert post(client, project, api_key, events({"input": f"{n}"})).status_code == 200
    assert stored(store, project) == 3
    with store.read() as db:
        key_id = list_keys(db, project.id)[0].id
    other = store.write(lambda db: create_key(db, project.id, "other"))[1]
    store.write(lambda db: revoke_key(db, key_id))
    # The last of them cannot be read: the key is looked up first again.
    for body in (events({"input": "late"}), events(), events({"no": "input"}), b"{"):
        answer = post(client, project, api_key, body)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "unauthorized")
    assert stored(store, project) == 3
    assert post(client, project, other, events({"input": "mine"})).status_code == 200


def test_a_key_that_was_good_a_while_ago_is_looked_up_and_noted(
    client: FlaskClient,
    store: SqliteStore,
    project: Project,
    api_key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted = []
    for later_ms in (0, 0, KEY_USE_STEP_MS - 1, 2 * KEY_USE_STEP_MS):
        now_ms = NOON_MS + later_ms
        monkeypatch.setattr(projects, "now_ms", lambda now_ms=now_ms: now_ms)
        assert post(client, project, api_key, events({"input": "hi"})).status_code == 200
        with store.read() as db:
            noted.append(list_keys(db, project.id)[0].last_used_at_ms)
    assert noted == [NOON_MS, NOON_MS, NOON_MS, NOON_MS + 2 * KEY_USE_STEP_MS]


@pytest.mark.parametrize("path", ["/v2/nothing", "/api/nothing", "/v2/log/", "/v1/nothing"])
def test_an_unknown_api_path_answers_json(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.get_json()["error"]["code"] == "not_found"


def test_a_wrong_method_answers_json(client: FlaskClient, project: Project) -> None:
    answer = client.get(f"/v2/log/{project.id}")
    assert answer.status_code in {401, 405}
    assert "message" in answer.get_json()["error"]


def test_health_is_public(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json()["status"] == "ok"
    assert client.get("/v2/health").get_json() == {"status": "OK"}


def test_an_answer_to_a_program_depends_on_no_cookie_and_sets_none(client: FlaskClient) -> None:
    for answer in (client.post("/v2/log/proj_x", json={}), client.get("/healthz")):
        assert "Vary" not in answer.headers
        assert "Set-Cookie" not in answer.headers


def test_every_answer_has_the_protective_headers(client: FlaskClient) -> None:
    for path in ("/healthz", "/v2/nothing"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_feedback_is_kept_before_and_after_its_interaction(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    headers = {"Authorization": f"Bearer {api_key}"}

    def say(path: str, body: dict[str, object]) -> TestResponse:
        return client.post(path, json=body, headers=headers)

    early = say(
        "/v2/tasks/t1/human-eval", {"human_eval": "failure", "notes": "no", "source": "user"}
    )
    assert early.get_json()["id"] == "t1"
    post(client, project, api_key, events({"input": "x", "task_id": "t1", "session_id": "s1"}))
    late = say(
        "/v2/tasks/t1/flag", {"flag": "success", "project_id": project.id, "source": "owner"}
    )
    assert late.status_code == 200
    with store.read() as db:
        (line,) = list_transcript(db, project.id, "s1")
    assert (line.flag, line.notes) == ("success", "no")


@pytest.mark.parametrize("task_id", ["chat/123", "a b?c#d", "%2F", "ü", "..", "a//b/"])
def test_feedback_finds_an_id_of_any_form(
    client: FlaskClient, project: Project, api_key: str, task_id: str
) -> None:
    answer = client.post(
        f"/v2/tasks/{quote(task_id, safe='')}/human-eval",
        json={"human_eval": "success", "project_id": project.id},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert (answer.status_code, answer.get_json()["id"]) == (200, task_id)


@pytest.mark.parametrize(
    ("task_id", "body", "status"),
    [
        pytest.param("t1", {"human_eval": "great"}, 422, id="unknown-flag"),
        pytest.param("t1", {"human_eval": {}}, 422, id="object-flag"),
        pytest.param("t1", {"human_eval": "success", "notes": 5}, 422, id="notes-no-text"),
        pytest.param("t" * 600, {"human_eval": "success"}, 422, id="long-id"),
        pytest.param("t1", {"human_eval": "success", "project_id": "proj_x"}, 404, id="project"),
        pytest.param("t1", {"human_eval": "success", "project_id": ["x"]}, 404, id="list-project"),
    ],
)
def test_bad_feedback_is_refused(
    client: FlaskClient, api_key: str, task_id: str, body: dict[str, object], status: int
) -> None:
    answer = client.post(
        f"/v2/tasks/{task_id}/human-eval", json=body, headers={"Authorization": f"Bearer {api_key}"}
    )
    assert answer.status_code == status
    assert answer.get_json()["error"]["message"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_body_makes_the_server_fail(
    client: FlaskClient, project: Project, api_key: str, body: bytes
) -> None:
    answer = post(client, project, api_key, body)
    assert answer.status_code < 500
    assert answer.is_json
