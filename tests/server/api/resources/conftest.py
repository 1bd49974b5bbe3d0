"""A project with something of everything, and a program that has its key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from phospho_server.store import detections
from phospho_server.store.feedback import add_feedback
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction, verdict

# More than any list of a test has.
_MOST = 1_000


@dataclass(frozen=True)
class Program:
    """Calls the API of one project."""

    client: FlaskClient
    project_id: str
    key: str

    def call(self, method: str, path: str, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        address = f"/api/projects/{self.project_id}{path}"
        return self.client.open(address, method=method, headers=headers, **more)

    def read(self, path: str, **asked: object) -> Any:
        answer = self.call("GET", path, query_string=asked)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def refused(self, path: str, **asked: object) -> str:
        answer = self.call("GET", path, query_string=asked)
        assert answer.status_code == 422, answer.get_data(as_text=True)
        message: str = answer.get_json()["error"]["message"]
        return message

    def read_all(self, path: str, **asked: object) -> list[Any]:
        """Return a list, all of its pages."""
        page = self.read(path, **asked)
        found = page["data"]
        while page["next_cursor"]:
            assert len(found) < _MOST, f"{path} never ends"
            page = self.read(path, **{**asked, "cursor": page["next_cursor"]})
            found += page["data"]
        return list(found)


@pytest.fixture
def program(app: Flask, project: Project, api_key: str) -> Program:
    return Program(app.test_client(), project.id, api_key)


@pytest.fixture
def filled(store: SqliteStore, project: Project) -> None:
    """Nine interactions of three users in four sessions, two events, feedback."""
    new = [
        interaction(
            f"t{n}",
            session_id=f"s{n // 2}",
            created_at_ms=NOON_MS + n * HOUR_MS,
            user_id=f"u{n % 3}",
            version_id="v1" if n < 5 else "v2",
            input=f"flight number {n}",
            metadata=json.dumps({"plan": "pro" if n % 2 else "free"}),
        )
        for n in range(9)
    ]
    add(store, project, *new)
    for name, of in (("booking", new[:5]), ("anger", new[4:6])):
        event = define(store, project, name=name)
        said = [verdict(store, project, each, detected=True) for each in of]
        store.write(
            partial(detections.record, project_id=project.id, definition=event, verdicts=said)
        )
    for task_id, flag in (("t0", "success"), ("t0", "failure"), ("t8", "success")):
        store.write(
            partial(
                add_feedback,
                project_id=project.id,
                task_id=task_id,
                flag=flag,
                notes=f"{flag}!",
                source="user",
            )
        )
