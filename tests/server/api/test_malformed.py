"""Malformed requests at every route: explained in JSON or as a page, soon, and never a 5xx."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from phospho_server.answering import _API_PATH
from phospho_server.store.rows import Project
from phospho_server.store.sign_ins import create_link
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction
from tests.server.malformed import (
    BODIES,
    DRAFT_KEYS,
    ENCODED,
    EVENT_KEYS,
    FEEDBACK_KEYS,
    HEADERS,
    MARK,
    METHODS,
    PATHS,
    QUERY_VALUES,
    VALUES,
)

# Of CPU, as a busy machine is no failure. The longest takes a fifth of a second here, and five
# times that on a slow machine that measures coverage.
MOST_S = 5.0

# A message names what is wrong; it is no copy of what was sent.
MOST_BYTES = 800

# Other encodings of Unicode than the usual one: JSON can be told to be in them.
READABLE = {"utf-8-mark", "utf-16", "utf-16-be", "utf-32"}

INTERNAL = re.compile(r"Traceback|File \"|sqlite|phospho_server|site-packages|/tmp/|0x[0-9a-f]{6}")


@dataclass
class Sender:
    """Sends requests and looks at each answer.

    Args:
        count: Requests so far.
        refused: Those that were refused.
    """

    client: FlaskClient
    key: str
    count: int = 0
    refused: int = 0
    slowest_s: float = field(default=0.0)

    def send(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        headers.setdefault("Authorization", f"Bearer {self.key}")
        began = time.thread_time()
        answer = self.client.open(path, method=method, headers=headers, **options)
        body = answer.get_data(as_text=True)
        self.slowest_s = max(self.slowest_s, time.thread_time() - began)
        self.count += 1
        asked = f"{method} {path[:200]} {str(options)[:200]}"
        assert answer.status_code < 500, asked
        assert self.slowest_s < MOST_S, asked
        if answer.status_code >= 400:
            self.refused += 1
            self._look_at_refusal(asked, path, method, answer, body)
        answer.close()
        return answer

    def _look_at_refusal(
        self, asked: str, path: str, method: str, answer: TestResponse, body: str
    ) -> None:
        if not _API_PATH.match(path) or method.upper() == "HEAD":
            return
        assert answer.mimetype == "application/json", asked
        error = json.loads(body)["error"]
        assert set(error) == {"code", "message"}, asked
        assert error["message"].strip(), asked
        assert len(body) < MOST_BYTES, f"{asked}: {body[:300]}"
        assert not INTERNAL.search(body), f"{asked}: {body[:300]}"


@pytest.fixture
def sender(app: Flask, store: SqliteStore, project: Project, api_key: str) -> Sender:
    add(store, project, interaction("t1", user_id="ana", version_id="1"), interaction("t2"))
    # The first preview of a process loads the model, whatever it is asked.
    app.test_client().post(
        f"/api/projects/{project.id}/definitions/preview",
        json={"description": "The user wants a refund"},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    return Sender(app.test_client(), api_key)


@pytest.fixture
def signed_in(sender: Sender, store: SqliteStore) -> Sender:
    sender.client.get(f"/login?token={store.write(create_link)}")
    return sender


def build(rule: Rule, ids: Mapping[str, Any]) -> str:
    """Return an address of a rule; arguments that are not known are words."""
    filled = {name: ids.get(name, 1 if name == "version" else "x") for name in rule.arguments}
    address = rule.build(filled)
    assert address
    return address[1]


def routes(app: Flask, ids: Mapping[str, Any]) -> list[tuple[str, set[str]]]:
    return [
        (build(rule, ids), set(rule.methods or ()))
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
    ]


def bodies_taken(app: Flask, project: Project) -> list[str]:
    """Return the routes of the API that take a body."""
    found = routes(app, {"project_id": project.id, "task_id": "t1"})
    return [
        path
        for path, methods in found
        # The older prefix leads to the same functions.
        if "POST" in methods and _API_PATH.match(path) and not path.startswith("/v0/")
    ]


def test_no_body_that_means_nothing_is_taken(app: Flask, sender: Sender, project: Project) -> None:
    paths = bodies_taken(app, project)
    assert len(paths) >= 4
    for path in paths:
        for name, body in BODIES.items():
            answer = sender.send("POST", path, data=body, content_type="application/json")
            is_log = "/log" in path and not path.startswith("/v1/")
            if answer.status_code == 200 and is_log and name not in READABLE:
                assert all("error_in_log" in each for each in answer.get_json()["logged_events"]), (
                    name
                )
        for encoding, body in ENCODED.values():
            sender.send("POST", path, data=body, headers={"Content-Encoding": encoding})
    assert sender.count >= 4 * (len(BODIES) + len(ENCODED))
    assert sender.refused > 250


def test_a_value_of_a_wrong_type_is_refused_or_kept(
    sender: Sender, project: Project, store: SqliteStore
) -> None:
    event, log = define(store, project), f"/v2/log/{project.id}"
    for key in EVENT_KEYS:
        for value in VALUES:
            answer = sender.send(
                "POST", log, json={"batched_log_events": [{"input": "fine", key: value}]}
            )
            assert answer.status_code == 200
            assert MARK * 3 not in str(answer.json) or key in {"task_id", "session_id"}
    for key in FEEDBACK_KEYS:
        for value in VALUES:
            body = {"human_eval": "success", key: value}
            answer = sender.send("POST", "/v2/tasks/t1/human-eval", json=body)
            assert answer.status_code in {200, 403, 404, 422}
    for key in DRAFT_KEYS:
        for value in VALUES:
            body = {"description": "The user says 'x'", "event_id": event.id, key: value}
            path = f"/api/projects/{project.id}/definitions/preview"
            answer = sender.send("POST", path, json=body)
            assert answer.status_code in {200, 404, 422}
    assert sender.count > 700


def test_an_odd_header_is_no_mistake_of_the_server(
    app: Flask, signed_in: Sender, project: Project
) -> None:
    paths = [*bodies_taken(app, project), "/healthz", f"/projects/{project.id}/sessions"]
    for path in paths:
        for name, value in HEADERS:
            method = "POST" if path.startswith(("/v", "/api")) else "GET"
            answer = signed_in.send(method, path, headers={name: value}, data=b"{}")
            if name == "Authorization" and method == "POST":
                assert answer.status_code == 401
        for length in ("", "-1", "abc", "1e3", "9" * 30, "5, 5", "\xb2"):
            environ = {"CONTENT_LENGTH": length}
            signed_in.send("POST", path, environ_overrides=environ, data=b"{}")


@pytest.mark.parametrize("is_known", [True, False], ids=["signed-in", "stranger"])
def test_any_method_and_any_path_are_answered(
    request: pytest.FixtureRequest, app: Flask, project: Project, is_known: bool
) -> None:
    sender: Sender = request.getfixturevalue("signed_in" if is_known else "sender")
    sender.key = sender.key if is_known else "unknown"
    for path, _ in routes(app, {"project_id": project.id, "session_id": "s1", "user_id": "ana"}):
        if path == "/logout":
            continue
        for method in METHODS:
            sender.send(method, path)
    homes = ("/v2/log", "/v2/tasks", "/api/projects", "/v9", f"/projects/{project.id}", "/projects")
    for home in homes:
        for rest in PATHS:
            sender.send("GET", home + rest)
            sender.send("POST", home + rest, json={})


def pages(app: Flask, ids: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in routes(app, ids):
        if "GET" in methods and not _API_PATH.match(path) and path != "/login":
            yield path


class Recording(dict[str, None]):
    """The names that a page has read of its address."""


def names_read(app: Flask, client: FlaskClient, path: str) -> Sequence[str]:
    """Return the names under which a page looks for something in its address."""
    read = Recording()
    base = app.request_class.parameter_storage_class

    class Storage(base):  # type: ignore[misc, valid-type]
        def get(self, key: str, *more: Any, **options: Any) -> Any:
            read[key] = None
            return super().get(key, *more, **options)

        def getlist(self, key: str, *more: Any, **options: Any) -> Any:
            read[key] = None
            return super().getlist(key, *more, **options)

    app.request_class.parameter_storage_class = Storage
    try:
        client.get(path)
    finally:
        app.request_class.parameter_storage_class = base
    return list(read)


def test_any_text_behind_any_name_of_an_address_is_answered(
    app: Flask, signed_in: Sender, store: SqliteStore, project: Project
) -> None:
    assert len(QUERY_VALUES) == len(set(QUERY_VALUES)) == 42
    event = define(store, project)
    ids = {
        "project_id": project.id,
        "session_id": "s1",
        "user_id": "ana",
        "event_id": event.id,
        "page": "interactions",
    }
    read: dict[str, Sequence[str]] = {}
    for path in pages(app, ids):
        read[path] = names = names_read(app, signed_in.client, path)
        for number, value in enumerate(QUERY_VALUES):
            # Each text behind each name once: by turns.
            turned = [*QUERY_VALUES[number:], *QUERY_VALUES[:number]]
            query = dict(zip([name for name in names if name != "cursor"], turned, strict=False))
            signed_in.send("GET", path, query_string=query)
            if "cursor" in names:
                signed_in.send("GET", path, query_string={"cursor": value})
    home = f"/projects/{project.id}"
    assert {"q", "event", "metadata", "since", "cursor"} <= set(read[f"{home}/sessions"])
    assert {"format", "user"} <= set(read[f"{home}/export/interactions"])
    for name in read[f"{home}/interactions"]:
        for value in QUERY_VALUES:
            signed_in.send("GET", f"{home}/interactions", query_string={name: value})
