"""The server's log: one JSON object a line, nothing of what people said."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from flask import Flask

from phospho_server import create_app, logs
from phospho_server.store.sqlite import SqliteStore


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logs.logger.level)
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    logs.logger.setLevel(before[2])


@pytest.mark.usefixtures("restored_logging")
def test_json_logs_hold_a_line_for_each_request_without_its_query(
    store: SqliteStore, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(as_json=True)
    create_app(store, detectors={}).test_client().get("/healthz?token=secret")
    (line,) = capfd.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/healthz", 200)
    assert entry["duration_ms"] >= 0
    assert "secret" not in line


@pytest.mark.usefixtures("restored_logging")
def test_plain_logs_are_silent_about_requests_that_work(
    app: Flask, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(as_json=False)
    app.test_client().get("/healthz")
    assert capfd.readouterr().err == ""


def test_a_line_cannot_be_forged_and_names_the_exception() -> None:
    exc = ValueError("why")
    record = logging.LogRecord(
        "x", logging.ERROR, "", 0, "a\nb", None, (ValueError, exc, exc.__traceback__)
    )
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    assert "ValueError: why" in json.loads(line)["exception"]
