"""The server's log: one JSON object a line, nothing of what people said."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from phospho_server import create_app, logs
from phospho_server.security import PUBLIC, access
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.sqlite import SqliteStore


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logs.requests_logger.level)
    hooks = (sys.excepthook, threading.excepthook)
    yield
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    logs.requests_logger.setLevel(before[2])


@pytest.mark.usefixtures("restored_logging")
def test_json_logs_hold_a_line_for_each_request_without_its_query(
    store: SqliteStore, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(as_json=True)
    client = create_app(store, detectors={}).test_client()
    client.get("/healthz?token=secret", headers={"X-Request-ID": "from-the-proxy"})
    client.get("/join/secret")
    known, unknown = map(json.loads, capfd.readouterr().err.splitlines())
    assert (known["method"], known["route"], known["status"]) == ("GET", "/healthz", 200)
    assert known["request_id"] == "from-the-proxy"
    assert known["project_id"] is None
    assert known["duration_ms"] >= 0
    assert "secret" not in str((known, unknown))


@pytest.mark.usefixtures("restored_logging")
def test_a_program_finds_its_request_in_the_log_by_its_number(
    store: SqliteStore, capfd: pytest.CaptureFixture[str]
) -> None:
    project = store.write(lambda db: create_project(db, "Bot"))
    _, key = store.write(lambda db: create_key(db, project.id, "key"))
    logs.configure(as_json=True)
    app = create_app(store, detectors={})

    @access(PUBLIC)
    def fail() -> str:
        raise RuntimeError("nobody foresaw it")

    app.add_url_rule("/broken", "broken", fail)
    client = app.test_client()
    body = {"batched_log_events": [{"input": "what somebody said"}]}
    stored = client.post(
        f"/v2/log/{project.id}", json=body, headers={"Authorization": f"Bearer {key}"}
    )
    broken = client.get("/broken")
    lines = capfd.readouterr().err.splitlines()
    entries = [json.loads(line) for line in lines]
    assert entries[0]["request_id"] == stored.headers["X-Request-ID"]
    assert (entries[0]["route"], entries[0]["project_id"]) == ("/v2/log/<project_id>", project.id)
    # What went wrong, and the request's own line.
    assert [each["request_id"] for each in entries[1:]] == [broken.headers["X-Request-ID"]] * 2
    assert "nobody foresaw it" in entries[1]["exception"]
    assert not any(secret in line for line in lines for secret in (key, "what somebody said"))


@pytest.mark.parametrize(
    "given",
    ["", "a b", "a" * 65, 'x"}', "\u00fc", "a;b"],
    ids=["empty", "blank", "long", "json", "umlaut", "semicolon"],
)
def test_a_number_that_is_no_name_is_replaced(app: Flask, given: str) -> None:
    answer = app.test_client().get("/healthz", headers={"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-ID"])


@pytest.mark.usefixtures("restored_logging")
def test_plain_logs_are_silent_about_requests_that_work(
    app: Flask, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(as_json=False)
    app.test_client().get("/healthz")
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("restored_logging")
def test_what_python_would_write_by_itself_is_a_line_as_well(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise RuntimeError("nobody\nforesaw it")

    logs.configure(as_json=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("of a library", stacklevel=1)
    thread = threading.Thread(target=fail, name="theirs")
    thread.start()
    thread.join()
    exc = ValueError("why")
    sys.excepthook(ValueError, exc, None)
    entries = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert "of a library" in entries[0]["message"]
    assert entries[1]["message"] == "An unexpected error ends the thread theirs"
    assert "foresaw it" in entries[1]["exception"]
    assert "ValueError: why" in entries[2]["exception"]


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_what_keeps_a_process_from_starting_is_a_line_as_well(tmp_path: Path, command: str) -> None:
    database = tmp_path / "phospho.db"
    database.write_text("no database")
    done = subprocess.run(
        [sys.executable, "-m", "phospho_server", command, "--json-logs", "--database", database],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "cannot be opened" in json.loads(line)["message"]


def test_a_line_cannot_be_forged_and_names_the_exception() -> None:
    exc = ValueError("why")
    record = logging.LogRecord(
        "x", logging.ERROR, "", 0, "a\nb", None, (ValueError, exc, exc.__traceback__)
    )
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    assert "ValueError: why" in json.loads(line)["exception"]
