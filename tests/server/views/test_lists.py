"""What lists have in common: before there is anything to list, and the limits on their page."""

from __future__ import annotations

from pathlib import Path

import pytest

from phospho_server.store import event_shapes, facts, saved_views
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, interaction
from tests.server.views.conftest import Visitor, text_of

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", ["sessions", "interactions", "users", "search", "users?sort=most"])
def test_an_empty_list_says_what_to_do_and_turns_into_itself(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, page: str
) -> None:
    before = visitor.get(f"{home}/{page}")
    assert "Waiting for the first interaction" in text_of(before)
    assert f'data-reload="{home}/{page}"' in before.get_data(as_text=True)
    add(store, project, interaction())
    assert "Waiting for the first interaction" not in text_of(visitor.get(f"{home}/{page}"))


def test_the_limits_in_the_documentation_are_those_of_the_code() -> None:
    lists, dashboard = ((DOCS / f"{name}.md").read_text() for name in ("lists", "dashboard"))
    assert f"up to {facts.MAX_CHARS} characters" in lists
    assert f"the first {facts.MOST_KEYS} keys" in lists
    assert saved_views.MOST_VIEWS == 30
    assert "Thirty fit above each list" in lists
    assert f"the newest {event_shapes.MOST_SESSIONS} sessions" in dashboard
