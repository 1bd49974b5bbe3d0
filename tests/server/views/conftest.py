"""A person at the pages: signed in by a one-time link, sending forms with their token."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from phospho_server.store.rows import Project
from phospho_server.store.sign_ins import create_link
from phospho_server.store.sqlite import SqliteStore


class Visitor:
    """A browser without JavaScript."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def post(self, path: str, **fields: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token(), **fields})

    def token(self) -> str:
        page = self.client.get("/login").get_data(as_text=True)
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        return found.group(1) if found else ""

    def sign_in(self, store: SqliteStore) -> TestResponse:
        return self.get(f"/login?token={store.write(create_link)}")


@pytest.fixture
def stranger(app: Flask) -> Visitor:
    return Visitor(app.test_client())


@pytest.fixture
def visitor(app: Flask, store: SqliteStore) -> Visitor:
    visitor = Visitor(app.test_client())
    visitor.sign_in(store)
    return visitor


@pytest.fixture
def home(project: Project) -> str:
    """Return the start of the addresses of the project's pages."""
    return f"/projects/{project.id}"


def text_of(response: TestResponse) -> str:
    """Return what a page says, without its tags."""
    page = re.sub(r"<[^>]+>", " ", response.get_data(as_text=True))
    return " ".join(html.unescape(page).split())
