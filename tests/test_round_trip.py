"""From an app through the real SDK and a real server process to the page."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

import phospho
from phospho.underway import find_outer
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from tests.server.processes import serving
from tests.waiting import PATIENCE_S


def answer(question: str) -> str:
    """Answer as an app does that calls a model and a tool, which fails."""
    outer = find_outer()
    assert outer is not None
    steps = outer.underway.steps
    steps.begin("llm", "gpt-x", question).end(
        "search_flights", model="gpt-x-1", usage={"total_tokens": 1204}
    )
    steps.begin("tool", "search_flights", {"to": "Oslo"}).end(error=TimeoutError("too late"))
    return "I do not know."


def test_steps_travel_from_the_app_to_the_page(tmp_path: Path) -> None:
    database = tmp_path / "phospho.db"
    with serving(database) as server:
        project_id = server.setting("PHOSPHO_PROJECT_ID")
        key = server.setting("PHOSPHO_API_KEY")
        phospho.init(key, project_id, base_url=server.url)
        with phospho.session("s1"):
            phospho.wrap(answer)("Which flights?")
            phospho.log("And trains?", "None.", steps=[{"kind": "tool", "name": "trains"}])
        assert phospho.shutdown(PATIENCE_S)
        with httpx.Client(follow_redirects=True, timeout=PATIENCE_S) as browser:
            browser.get(server.sign_in_url)
            page = browser.get(f"{server.url}/projects/{project_id}/sessions/s1").text
    store = SqliteStore(database)
    with store.read() as db:
        wrapped, logged = list_transcript(db, project_id, "s1")
    store.close()
    model, tool = wrapped.steps
    assert (model.model, model.tokens, model.input) == ("gpt-x-1", 1204, "Which flights?")
    assert (tool.kind, tool.error) == ("tool", {"type": "TimeoutError", "message": "too late"})
    assert [step.name for step in logged.steps] == ["trains"]
    assert "steps" not in {**wrapped.metadata, **logged.metadata}
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for shown in ("2 steps, 1 failed ·", "TimeoutError: too late", "1,204 tokens", "1 step Tool"):
        assert shown in words
