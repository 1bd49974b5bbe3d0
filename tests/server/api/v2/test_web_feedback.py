"""Feedback from web pages without a key: only from named origins, and nothing is learned by it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from phospho_server import create_app
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.web_feedback import MOST_OF_ONE
from tests.server.builders import add, interaction

PAGE = {"Origin": "https://app.example.com"}


@pytest.fixture
def client(store: SqliteStore, project: Project) -> FlaskClient:
    add(store, project, interaction("t1", input="a secret question"))
    return create_app(store, detectors={}, feedback_from=[PAGE["Origin"]]).test_client()


def flag(
    client: FlaskClient, headers: dict[str, str], task: str = "t1", **body: Any
) -> TestResponse:
    return client.post(f"/v2/tasks/{task}/flag", headers=headers, json={"flag": "failure", **body})


def flags(store: SqliteStore) -> list[tuple[str, str | None]]:
    with store.read() as db:
        return [(row["task_id"], row["flag"]) for row in db.rows("select * from feedback")]


def test_a_named_page_flags_what_is_there_and_reads_nothing(
    client: FlaskClient, store: SqliteStore, project: Project
) -> None:
    answer = flag(client, PAGE, project_id=project.id)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert (answer.json or {})["flag"] == "failure"
    assert "secret" not in answer.get_data(as_text=True)
    assert flags(store) == [("t1", "failure")]
    with store.read() as db:
        row = db.row("select flag from interactions")
    assert row is not None
    assert row["flag"] == "failure"


def test_what_is_not_there_is_answered_alike_and_not_kept(
    client: FlaskClient, store: SqliteStore, project: Project
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    kept = flag(client, PAGE, project_id=project.id)
    for task, project_id in (("t9", project.id), ("t1", other.id), ("t1", "none")):
        answer = flag(client, PAGE, task, project_id=project_id)
        assert answer.status_code == 200
        assert set(answer.json or {}) == set(kept.json or {})
    assert flags(store) == [("t1", "failure")]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no-page"),
        pytest.param({"Origin": "https://evil.example.com"}, id="other-page"),
        pytest.param({"Origin": "null"}, id="file"),
        pytest.param({"Origin": "https://app.example.com.evil.example"}, id="longer"),
        pytest.param({**PAGE, "Authorization": "Bearer wrong"}, id="wrong-key"),
    ],
)
def test_nobody_else_needs_no_key(
    client: FlaskClient, store: SqliteStore, project: Project, headers: dict[str, str]
) -> None:
    answer = flag(client, headers, project_id=project.id)
    assert answer.status_code == 401
    assert flags(store) == []


def test_a_page_may_do_nothing_else(client: FlaskClient, project: Project) -> None:
    for path in (f"/v2/log/{project.id}", "/v2/tasks", "/v2/tasks/t1", "/v3/log"):
        answer = client.post(path, headers=PAGE, json={"project_id": project.id})
        assert answer.status_code == 401
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert client.get("/v2/tasks/t1", headers=PAGE).status_code == 401


def test_a_browser_that_asks_first_is_told_what_it_may(client: FlaskClient) -> None:
    asked = {**PAGE, "Access-Control-Request-Method": "POST"}
    answer = client.options("/v2/tasks/t1/flag", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type"
    assert "Origin" in answer.headers["Vary"]
    stranger = client.options("/v2/tasks/t1/flag", headers={"Origin": "https://evil.example.com"})
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_one_interaction_takes_only_so_much(
    client: FlaskClient, store: SqliteStore, project: Project
) -> None:
    for _ in range(MOST_OF_ONE + 5):
        assert flag(client, PAGE, project_id=project.id).status_code == 200
    assert len(flags(store)) == MOST_OF_ONE


def test_a_body_without_a_project_or_with_nonsense_is_refused(
    client: FlaskClient, project: Project
) -> None:
    for body in ({}, {"project_id": 3}, {"project_id": project.id, "flag": "maybe"}):
        assert flag(client, PAGE, **body).status_code == 422
