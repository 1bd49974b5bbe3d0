"""The whole way: an app logs, a server detects and is killed, and a receiver hears of it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from phospho_server.commands import phospho
from phospho_server.webhooks.alert_messages import make_alert_body
from phospho_server.webhooks.messages import make_body
from tests.loopback import free_port
from tests.server.alerts.test_messages import told as make_told_alert
from tests.server.processes import ServerProcess, log, serving
from tests.server.webhooks.test_messages import told as make_told
from tests.waiting import PATIENCE_S, wait_until

_DOCS = Path(__file__).parents[3] / "docs"
PAGE = (_DOCS / "webhooks.md").read_text(encoding="utf-8")
ALERTS = (_DOCS / "alerts.md").read_text(encoding="utf-8")
ALLOWED = {"PHOSPHO_ALLOW_PRIVATE_WEBHOOKS": "1"}


@contextmanager
def receiving(port: int, secret: str) -> Iterator[list[str]]:
    """Run the receiver of the documentation; yields the lines that it prints."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    process = subprocess.Popen(
        [sys.executable, "-c", code.replace("9000", str(port))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PHOSPHO_WEBHOOK_SECRET": secret},
    )
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            lines.extend(process.stdout)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield lines
    finally:
        process.terminate()
        process.wait()
        reader.join()


def post(browser: httpx.Client, to: str, /, **fields: str) -> httpx.Response:
    page = browser.get(to.partition("/settings")[0] + "/settings").text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return browser.post(to, data={"csrf_token": found.group(1), **fields})


def make_hook(server: ServerProcess, address: str) -> str:
    """Define an event and make a webhook for it on the pages; return its secret."""
    settings = f"{server.url}/projects/{server.setting('PHOSPHO_PROJECT_ID')}/settings"
    with httpx.Client(follow_redirects=True, timeout=PATIENCE_S) as browser:
        browser.get(server.sign_in_url)
        post(browser, f"{settings}/events", name="greeting", description="The user says 'hello'")
        page = post(browser, f"{settings}/webhooks", url=address).text
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", page)
    assert found, page
    return found.group(0)


def states(database: Path) -> list[str]:
    with sqlite3.connect(database) as raw:
        return [row[0] for row in raw.execute("select state from webhook_deliveries")]


@pytest.mark.slow
def test_an_event_and_its_alert_outlive_the_server_and_reach_the_receiver_of_the_documentation(
    tmp_path: Path,
) -> None:
    database, port = tmp_path / "phospho.db", free_port()
    with serving(database, **ALLOWED) as server:
        secret = make_hook(server, f"http://127.0.0.1:{port}/")
        key, project = server.setting("PHOSPHO_API_KEY"), server.setting("PHOSPHO_PROJECT_ID")
        log(server, key, project, {"input": "well hello", "task_id": "t1"})
        wait_until(lambda: states(database) == ["waiting"], what="the event is found")
        server.kill()
    rule = ["alerts", "create", project, "greeting", "--at-least", "1"]
    made = CliRunner().invoke(phospho, [*rule, "--database", str(database)])
    assert made.exit_code == 0, made.output
    with receiving(port, secret) as lines, serving(database, **ALLOWED):
        wait_until(lambda: states(database) == ["sent"] * 2, what="the receiver hears of both")
    assert sorted(line.split()[1] for line in lines) == ["alert.fired", "event.detected"]


def shape(value: Any) -> Any:
    """Return the keys of a JSON object, and of those inside of it."""
    if not isinstance(value, Mapping):
        return None
    return {name: shape(each) for name, each in value.items()}


def test_the_documentation_shows_what_is_sent() -> None:
    for page, sent in (
        (PAGE, make_body(make_told(), "json")),
        (ALERTS, make_alert_body(make_told_alert(), "json")),
    ):
        (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
        assert shape(json.loads(shown)) == shape(json.loads(sent))
