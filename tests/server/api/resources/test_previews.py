"""`POST /api/projects/{id}/definitions/preview`: who may ask, what is answered, never a 5xx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from phospho.models import EventDefinition
from phospho_server.previewing import MOST
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction
from tests.server.strangers import json_values


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def post(client: FlaskClient, project: Project, key: str, body: object) -> TestResponse:
    return client.post(
        f"/api/projects/{project.id}/definitions/preview",
        data=json.dumps(body),
        headers={"Authorization": f"Bearer {key}"},
    )


def ask(client: FlaskClient, project: Project, key: str, **body: object) -> dict[str, Any]:
    answer = post(client, project, key, body)
    assert answer.status_code == 200, answer.json
    found: dict[str, Any] = answer.get_json()
    return found


def test_a_draft_is_scored_against_what_was_logged(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    add(store, project, interaction("t1", input="a refund"), interaction("t2", input="no"))
    found = ask(client, project, api_key, description="The user says 'refund'")
    assert (found["looked_at"], found["matches"], found["detector"]) == (2, 1, "rules")
    (seen,) = found["new_yes"]["interactions"]
    assert (seen["task_id"], seen["session_id"], seen["input"]) == ("t1", "s1", "a refund")
    assert seen["evidence"] == {
        "side": "input",
        "quote": "refund",
        "reason": 'contains "refund"',
    }
    assert found["new_no"] == {"count": 0, "interactions": []}


def test_what_is_left_out_stays_as_the_event_has_it(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    add(store, project, interaction("t1", input="a refund"))
    event = define(store, project, description="Money", keywords=("refund",))
    found = ask(client, project, api_key, event_id=event.id, interactions=1)
    assert (found["is_new"], found["matches"]) == (False, 1)
    found = ask(client, project, api_key, event_id=event.id, keywords=["money"])
    assert found["matches"] == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param({}, "The description is empty", id="nothing"),
        pytest.param({"description": 3}, "'description' cannot be used", id="number"),
        pytest.param({"description": "x", "color": 1}, "Extra inputs", id="unknown"),
        pytest.param(
            {"description": "x", **{f"name {n}": n for n in range(10_000)}},
            "more than 10,000 values",
            id="unknown-names",
        ),
        pytest.param(
            {"description": "x", "examples": [{"input": "a", "names": [{}] * 10_000}]},
            "more than 10,000 values",
            id="values-within",
        ),
        pytest.param({"description": "x", "id": "event_1"}, "Extra inputs", id="own-id"),
        pytest.param({"description": "x", "reviews": []}, "Extra inputs", id="reviews"),
        pytest.param({"description": "x", "pattern": "("}, "regular expression", id="pattern"),
        pytest.param({"description": "x", "detector": "oracle"}, "no detector", id="detector"),
        pytest.param(
            {"description": "x", "interactions": 0}, "greater than or equal to 1", id="none"
        ),
        pytest.param(
            {"description": "x", "interactions": MOST + 1}, "less than or equal to 10000", id="many"
        ),
        pytest.param({"description": "x", "interactions": True}, "valid integer", id="bool"),
        pytest.param({"description": "x", "interactions": "9"}, "valid integer", id="text"),
        pytest.param(
            {"description": "x", "examples": [{"input": "a"}] * 201}, "at most 200", id="examples"
        ),
        pytest.param(
            {"description": "x", "answer": "category", "categories": ["a"]},
            "at least two categories",
            id="one-category",
        ),
        pytest.param(
            {"description": "The user never says 'a'", "scope": "session"},
            "A session has no end",
            id="never-in-a-session",
        ),
    ],
)
def test_a_draft_that_is_wrong_is_refused_in_words(
    client: FlaskClient, project: Project, api_key: str, body: dict[str, Any], words: str
) -> None:
    answer = post(client, project, api_key, body)
    assert answer.status_code == 422
    assert words in answer.get_json()["error"]["message"]


def test_a_key_opens_its_own_project_alone(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    _, other_key = store.write(lambda db: create_key(db, other.id, "k"))
    event = define(store, project)
    body = {"description": "x"}
    assert post(client, project, other_key, body).status_code == 403
    assert post(client, project, "wrong", body).status_code == 401
    mine = post(client, other, other_key, {**body, "event_id": event.id})
    assert mine.status_code == 404


FIELDS: Mapping[str, Any] = EventDefinition.model_fields
bodies = st.dictionaries(
    st.sampled_from([*FIELDS, "event_id", "interactions"]) | st.text(max_size=5),
    json_values
    | st.sampled_from(["session", "score", "category", "rules", "a*", ["a", "b"], [1, 5]])
    | st.text(st.characters()),
    max_size=6,
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(bodies)
def test_no_draft_breaks_the_server(
    client: FlaskClient, store: SqliteStore, project: Project, api_key: str, body: object
) -> None:
    add(store, project, interaction("t1", input="a \x00\u202e refund"))
    sent = {"detector": "rules", **body} if isinstance(body, dict) else body
    answer = post(client, project, api_key, sent)
    assert answer.status_code in {200, 404, 422}
    if answer.status_code != 200:
        assert answer.get_json()["error"]["message"]
