"""A program that calls the routes of existing clients, with a key of the project."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from phospho_server.store.rows import Project


class Program:
    """Calls routes below `/v2`, and takes JSON."""

    def __init__(self, client: FlaskClient, project_id: str, api_key: str) -> None:
        self.client = client
        self.project_id = project_id
        self.headers = {"Authorization": f"Bearer {api_key}"}

    def get(self, path: str, *, status: int = 200) -> Any:
        return self._read(self.client.get(f"/v2{path}", headers=self.headers), status)

    def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        sent = {} if body is None else {"json": body}
        answer = self.client.post(
            f"/v2{path}", headers=self.headers, content_type="application/json", **sent
        )
        return self._read(answer, status)

    def _read(self, answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()


@pytest.fixture
def program(app: Flask, project: Project, api_key: str) -> Program:
    return Program(app.test_client(), project.id, api_key)
