"""The page and the example of LlamaIndex run, and log what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.processes import ServerProcess, serving
from tests.test_docs import ROOT, blocks, run, stored

ABOUT = ["About", "text", "text", "text:", "text", "text", "text"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with serving(tmp_path / "phospho.db") as running:
        yield running


def test_the_page_shows_code_that_runs(server: ServerProcess, tmp_path: Path) -> None:
    streamed, tagged, wrapped = blocks("docs/llama_index.md", "python")
    # The oldest releases end it with a space.
    assert run(streamed, server).rstrip() == "text text text"
    assert run(tagged, server) == ""
    assert run(wrapped, server).split() == [
        "About",
        "text",
        "text",
        "text:",
        "text",
        "text",
        "text",
    ]
    first, by_tags, by_session, of_function = stored(tmp_path)
    assert (first["input"], first["output"].rstrip()) == ("When does it open?", "text text text")
    for row in (by_tags, by_session):
        assert (row["session_id"], row["user_id"]) == ("s1", "ada")
        assert json.loads(row["metadata"])["plan"] == "pro"
    assert of_function["output"].split() == [
        "About",
        "text",
        "text",
        "text:",
        "text",
        "text",
        "text",
    ]


def test_the_example_logs_each_turn_of_its_session(server: ServerProcess, tmp_path: Path) -> None:
    code = (ROOT / "examples/llama_index_app.py").read_text(encoding="utf-8")
    printed = run(code, server)
    assert [line.rstrip() for line in printed.splitlines()[1::2]] == ["text " * 4 + "text"] * 2
    rows = stored(tmp_path)
    assert [f"> {row['input']}" for row in rows] == printed.splitlines()[::2]
    assert {row["output"].rstrip() for row in rows} == {"text text text text text"}
    assert {row["user_id"] for row in rows} == {"ada"}
    assert len({row["session_id"] for row in rows}) == 1
