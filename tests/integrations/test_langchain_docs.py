"""The page of LangChain and its example run as they are, against a server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from phospho.integrations.langchain import PhosphoCallbackHandler
from tests.integrations.records import sides
from tests.loopback import Loopback
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "langchain.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(loopback: Loopback, *command: str) -> str:
    """Run Python with the settings of a server, and return what it prints."""
    settings = {
        "PHOSPHO_BASE_URL": loopback.url,
        "PHOSPHO_API_KEY": "key",
        "PHOSPHO_PROJECT_ID": "proj",
    }
    ended = subprocess.run(
        [sys.executable, "-W", "error", *command],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


FIRST = ("Can I send it back?", "Within 30 days.")


@pytest.mark.parametrize(
    ("place", "said"), [(0, [FIRST]), (1, [FIRST]), (2, [FIRST, ("Where?", "At the shop.")])]
)
def test_the_page_shows_code_that_runs(
    place: int, said: list[tuple[str, str]], loopback: Loopback
) -> None:
    run(loopback, "-c", BLOCKS[place])
    assert [sides(event) for event in loopback.events] == said
    sessions = {event["session_id"] for event in loopback.events}
    assert len(sessions) == 1
    assert place == 1 or sessions == {"chat-7"}
    assert len(BLOCKS) == 3


def test_the_page_names_all_that_a_handler_takes() -> None:
    names = re.findall(r"(\w+)=\.\.\.", PAGE)
    taken = PhosphoCallbackHandler.__init__.__annotations__.keys() - {"return"}
    assert set(names) == taken


def test_the_example_runs(loopback: Loopback) -> None:
    printed = run(loopback, str(ROOT / "examples" / "langchain_app.py"))
    assert printed == "You have 30 days to send it back.\nAt any shop.\n"
    first, second = loopback.events
    assert sides(first) == ("Can I send it back?", "You have 30 days to send it back.")
    assert sides(second) == ("Where?", "At any shop.")
    assert first["session_id"] == second["session_id"]
    assert {event["version_id"] for event in loopback.events} == {"2.1"}
    steps = [(step["kind"], step["output"]) for step in first["steps"]]
    assert steps == [
        ("retrieval", "1 document: terms.md"),
        ("llm", "You have 30 days to send it back."),
    ]
