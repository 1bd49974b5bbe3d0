"""What the page of OpenAI claims, and the example, run against a loopback server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.openai_server import OpenAIServer, echo, serve_echo
from tests.loopback import Loopback
from tests.test_docs import ROOT, blocks
from tests.waiting import PATIENCE_S

EXPLAIN = "Explain quantum computers in 20 words."


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    with serve_echo() as state:
        yield state


def run(
    command: list[str], loopback: Loopback, openai_server: OpenAIServer, typed: str = ""
) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        input=typed,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={
            **os.environ,
            "PHOSPHO_API_KEY": "k",
            "PHOSPHO_PROJECT_ID": "p",
            "PHOSPHO_BASE_URL": loopback.url,
            "OPENAI_BASE_URL": openai_server.url,
            "OPENAI_API_KEY": "k",
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_page_of_openai_shows_code_that_runs(
    loopback: Loopback, openai_server: OpenAIServer
) -> None:
    by_one_line, whose, inside = blocks("docs/openai.md", "python")
    printed = run(["-c", by_one_line], loopback, openai_server)
    assert printed == f"{echo(EXPLAIN)}\n{echo(EXPLAIN)}"
    assert [(e["input"], e["output"]) for e in loopback.events] == [(EXPLAIN, echo(EXPLAIN))] * 2
    run(["-c", whose], loopback, openai_server)
    event = loopback.events[-1]
    assert (event["session_id"], event["user_id"]) == ("conversation-1", "ada")
    assert event["metadata"]["plan"] == "pro"
    run(["-c", inside], loopback, openai_server)
    assert len(loopback.events) == 4
    event = loopback.events[-1]
    assert event["input"] == "Where is my order?"
    assert [step["name"] for step in event["steps"]] == ["gpt-5", "gpt-5"]
    assert event["total_tokens"] == 54


def test_the_example_is_a_chat_in_one_session(
    loopback: Loopback, openai_server: OpenAIServer
) -> None:
    path = Path(ROOT) / "examples" / "openai_app.py"
    printed = run([str(path)], loopback, openai_server, "Hi\nBye\n")
    assert printed.splitlines() == [echo("Hi"), echo("Bye")]
    assert [event["input"] for event in loopback.events] == ["Hi", "Bye"]
    assert len({event["session_id"] for event in loopback.events}) == 1
    assert json.dumps(openai_server.requests[-1]["messages"]).count("assistant") == 1
