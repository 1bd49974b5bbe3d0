"""The preview of the form: a page without JavaScript, a part with it."""

from __future__ import annotations

from typing import Any

import pytest

from phospho_server.store.definitions import list_definitions
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction
from tests.server.views.conftest import Visitor, text_of

DRAFT = {"name": "refund", "description": "The user says 'refund'"}


@pytest.fixture
def address(home: str) -> str:
    return f"{home}/settings/events/preview"


@pytest.fixture(autouse=True)
def _conversation(store: SqliteStore, project: Project) -> None:
    add(store, project, interaction("t1", input="I want a refund"), interaction("t2", input="Hi"))


def test_a_draft_of_a_new_event_is_previewed_on_the_page_it_was_typed_on(
    visitor: Visitor, address: str
) -> None:
    response = visitor.post(address, **DRAFT)
    page = text_of(response)
    assert response.status_code == 200
    assert "1 of the newest 2 interactions would have this event" in page
    assert 'contains "refund"' in page
    assert 'value="refund"' in response.get_data(as_text=True)
    assert "<h1>Settings" in response.get_data(as_text=True)


def test_an_edit_is_previewed_on_its_page(
    visitor: Visitor, store: SqliteStore, project: Project, address: str
) -> None:
    event = define(store, project, description="The user says 'hi'")
    response = visitor.post(address, **DRAFT, event_id=event.id, apply="new")
    assert "Edit booking" in text_of(response)
    assert "1 would be new, 0 would go" in text_of(response)
    assert 'value="new" checked' in response.get_data(as_text=True)


def test_a_part_of_the_page_is_answered_to_a_script(visitor: Visitor, address: str) -> None:
    response = visitor.post(address, description=DRAFT["description"], part="1", live="1")
    assert response.status_code == 200
    assert "<html" not in response.get_data(as_text=True)
    assert "1 of the newest 2 interactions" in text_of(response)


def test_a_detector_that_may_cost_money_waits_for_the_button(
    visitor: Visitor, store: SqliteStore, project: Project, address: str
) -> None:
    event = define(store, project, detector="acme")
    fields = {**DRAFT, "event_id": event.id, "detector": "acme", "part": "1"}
    assert "when you press Preview" in text_of(visitor.post(address, **fields, live="1"))
    assert "There is no detector 'acme'" in text_of(visitor.post(address, **fields))


@pytest.mark.parametrize("live", [{"live": "1"}, {}], ids=["typed", "pressed"])
def test_an_llm_is_asked_by_saving_only(
    visitor: Visitor, address: str, live: dict[str, str]
) -> None:
    answer = visitor.post(address, **DRAFT, detector="llm", part="1", **live)
    assert "Save it to see" in text_of(answer)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"description": ""}, "The description is empty", id="empty"),
        pytest.param({"pattern": "("}, "not a valid regular expression", id="pattern"),
        pytest.param(
            {"answer": "score", "lowest": "five"}, "The score 'five' is no number", id="word"
        ),
        pytest.param(
            {"answer": "score", "lowest": "5", "highest": "1"}, "below the highest", id="range"
        ),
        pytest.param(
            {"answer": "category", "categories": "one"}, "at least two categories", id="category"
        ),
    ],
)
def test_a_draft_with_a_mistake_says_which(
    visitor: Visitor, address: str, fields: dict[str, Any], words: str
) -> None:
    page = visitor.post(address, **{**DRAFT, **fields})
    assert page.status_code == 422
    assert words in text_of(page)
    part = visitor.post(address, **{**DRAFT, **fields}, part="1")
    assert part.status_code == 200  # it is no error of the page around it
    assert words in text_of(part)


def test_an_event_of_another_project_is_not_found(
    visitor: Visitor, store: SqliteStore, address: str
) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    event = define(store, other)
    assert visitor.post(address, **DRAFT, event_id=event.id).status_code == 404
    assert visitor.post("/projects/none/settings/events/preview", **DRAFT).status_code == 404


def test_a_stranger_is_asked_to_sign_in(stranger: Visitor, address: str) -> None:
    assert stranger.post(address, **DRAFT).headers["Location"] == "/login"


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x>', "\u202e\x00\x1b[31m", "{{ 7 * 7 }}"]
)
def test_what_strangers_wrote_stays_text(
    visitor: Visitor, store: SqliteStore, project: Project, address: str, text: str
) -> None:
    add(store, project, interaction("h", session_id=f"s{text}", input=f"refund {text}"))
    page = visitor.post(address, **DRAFT, part="1").get_data(as_text=True)
    assert "<script" not in page
    assert "<img" not in page


def test_an_answer_of_several_categories_is_kept_as_it_was_typed(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    fields = {"name": "topic", "description": "What it is about", "answer": "category"}
    typed = "billing\r\ndelivery, returns\r\n\r\nbilling"
    saved = visitor.post(f"{home}/settings/events", **fields, categories=typed)
    assert saved.status_code == 303
    with store.read() as db:
        (row,) = list_definitions(db, project.id)
    assert row.definition.categories == ("billing", "delivery, returns")
    address = f"{home}/settings/events/{row.definition.id}"
    page = visitor.get(address).get_data(as_text=True)
    assert "billing\ndelivery, returns</textarea>" in page
    assert '<option value="category" selected>' in page
    again = {**fields, "categories": "billing\ndelivery, returns"}
    assert visitor.post(address, **again).status_code == 303
    with store.read() as db:
        assert list_definitions(db, project.id)[0].definition.version == 1
