"""A person at the pages: signed in by a one-time link, sending forms with their token."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from phospho_server.store.accounts import create_account
from phospho_server.store.rows import Project
from phospho_server.store.sign_ins import create_link
from phospho_server.store.sqlite import SqliteStore
from tests.server.worlds import PASSWORD, password_hash


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
def new_visitor(app: Flask) -> Callable[[], Visitor]:
    """Open one more browser."""
    return lambda: Visitor(app.test_client())


@pytest.fixture
def ana(store: SqliteStore, stranger: Visitor) -> Visitor:
    """The owner of the server, signed in with her account."""
    store.write(lambda db: create_account(db, "ana@example.com", password_hash()))
    stranger.post("/login", email="ana@example.com", password=PASSWORD)
    return stranger


@pytest.fixture
def home(project: Project) -> str:
    """Return the start of the addresses of the project's pages."""
    return f"/projects/{project.id}"


def text_of(response: TestResponse) -> str:
    """Return what a page says, without its tags."""
    page = re.sub(r"<[^>]+>", " ", response.get_data(as_text=True))
    return " ".join(html.unescape(page).split())
