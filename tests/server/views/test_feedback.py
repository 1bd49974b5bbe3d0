"""Notes and marks that people write beside a transcript."""

from __future__ import annotations

import pytest

from phospho_server.limits import MAX_NOTES_LENGTH
from phospho_server.store.facts import NOTES, Fact
from phospho_server.store.feedback import add_feedback
from phospho_server.store.filters import Filter
from phospho_server.store.rows import Project
from phospho_server.store.sessions import list_sessions
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, interaction
from tests.server.views.conftest import Visitor, text_of


def test_a_note_stands_at_its_interaction_with_all_that_was_said_before(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1"), interaction("t2"))
    store.write(
        lambda db: add_feedback(
            db, project.id, "t1", flag="failure", notes="Wrong price", source="user"
        )
    )
    page = visitor.get(f"{home}/sessions/s1").get_data(as_text=True)
    assert "+ Add a note" in page
    answer = visitor.post(
        f"{home}/feedback",
        task_id="t1",
        flag="success",
        notes="Mended <b>today</b>\r\nby Ada",
        back=f"{home}/sessions/s1",
    )
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{home}/sessions/s1#t")
    page = text_of(visitor.get(f"{home}/sessions/s1"))
    first = page.index("Negative feedback: Wrong price user")
    assert page.index("Positive feedback: Mended <b>today</b> by Ada dashboard") > first
    with store.read() as db:
        (session,) = list_sessions(db, project.id, Filter(has=[Fact(NOTES, "yes")])).sessions
    assert (session.successes, session.failures) == (1, 0)


def test_the_form_opens_at_one_interaction_without_scripts(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1"), interaction("t2"))
    page = visitor.get(f"{home}/sessions/s1?note=2").get_data(as_text=True)
    assert page.count("<textarea") == 1
    assert '<input type="hidden" name="task_id" value="t2">' in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"task_id": "t1"}, "Nothing was written", id="nothing"),
        pytest.param({"task_id": "t1", "notes": "  "}, "Nothing was written", id="blank"),
        pytest.param({"task_id": "t1", "flag": "maybe"}, "Nothing was written", id="no-flag"),
        pytest.param({"task_id": "gone", "notes": "x"}, "no such interaction", id="gone"),
        pytest.param(
            {"task_id": "t1", "notes": "x" * (MAX_NOTES_LENGTH + 1)}, "at most 10,000", id="long"
        ),
    ],
)
def test_what_cannot_be_kept_says_why(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    fields: dict[str, str],
    said: str,
) -> None:
    add(store, project, interaction("t1"))
    answer = visitor.post(f"{home}/feedback", **fields)
    assert answer.status_code == 422
    assert said in text_of(answer)
    with store.read() as db:
        assert db.rows("select * from feedback") == []


@pytest.mark.parametrize("back", ["//evil.example/x", "https://evil.example", "/\\evil.example"])
def test_a_form_leads_nowhere_else(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, back: str
) -> None:
    add(store, project, interaction("t1"))
    answer = visitor.post(f"{home}/feedback", task_id="t1", notes="x", back=back)
    assert answer.headers["Location"].startswith(f"{home}/sessions#t")
