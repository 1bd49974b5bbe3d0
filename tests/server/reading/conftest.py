"""A client that reads a real application, without a socket between them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from flask import Flask

import phospho
from phospho.api.calls import Calls
from phospho_server.store.rows import Project


def reader_of(app: Flask, project_id: str, api_key: str) -> phospho.Client:
    client = phospho.Client(api_key, project_id, base_url="http://phospho.test")
    client._calls_made = Calls(client._settings, httpx.WSGITransport(app))
    return client


@pytest.fixture
def client(app: Flask, project: Project, api_key: str) -> Iterator[phospho.Client]:
    with reader_of(app, project.id, api_key) as client:
        yield client
