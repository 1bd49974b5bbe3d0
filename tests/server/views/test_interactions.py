"""The interactions list: what a line says, its order, and how it goes on."""

from __future__ import annotations

import html
import json
import re

import pytest

from phospho_server.store import detections, feedback
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.views.conftest import Visitor, text_of


def test_a_line_says_who_said_what_and_leads_to_its_place(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    new = interaction("t1", input="I want a refund", output="Of course", user_id="ana")
    add(store, project, new, interaction("t2", session_id="s2", input="", output=None))
    event = define(store, project, name="refund")
    found = verdict(store, project, new, detected=True)
    store.write(lambda db: detections.record(db, project.id, event, [found]))
    store.write(
        lambda db: feedback.add_feedback(
            db, project.id, "t1", flag="failure", notes="slow", source=None
        )
    )
    page = visitor.get(f"{home}/interactions").get_data(as_text=True)
    second, first = page.partition("<tbody")[2].split("</tr>")[:2]
    for words in ("I want a refund", "Of course", ">refund<", ">ana<", "Negative feedback"):
        assert words in first
    assert ">notes<" in first
    assert f'href="{home}/users/ana"' in first
    assert "(empty message)" in second
    assert "No answer" in second
    address = re.findall(r'href="([^"]+)"', first)[0]
    response = visitor.get(html.unescape(address))
    assert response.headers["Location"].endswith(f"{home}/sessions/s1#i1")


def test_without_interactions_the_list_says_what_to_do(visitor: Visitor, home: str) -> None:
    assert "phospho.log(" in text_of(visitor.get(f"{home}/interactions"))


def test_a_filter_that_nothing_matches_says_what_to_do(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction())
    define(store, project, name="refund")
    page = text_of(visitor.get(f"{home}/interactions?user=nobody"))
    assert "No interaction matches" in page
    assert "Take a filter away" in page
    assert "once it is found" in text_of(visitor.get(f"{home}/interactions?event=refund"))


def walk(visitor: Visitor, address: str) -> list[list[int]]:
    """Return the numbers of the messages on each page of a list."""
    pages = []
    while address:
        page = visitor.get(address).get_data(as_text=True)
        pages.append([int(n) for n in re.findall(r"number (\d+)<", page)])
        following = re.search(r'data-next href="([^"]+)"', page)
        address = html.unescape(following.group(1)) if following else ""
    return pages


def test_the_pages_of_a_list_have_each_interaction_once_and_in_order(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    new = [interaction(f"t{n}", input=f"number {n}", user_id="ana") for n in range(120)]
    add(store, project, *new)
    for query in ("", "user=ana", "sort=oldest", "q=number&user=ana"):
        pages = walk(visitor, f"{home}/interactions?{query}")
        assert [len(page) for page in pages] == [50, 50, 20], query
        numbers = [number for page in pages for number in page]
        assert numbers == sorted(numbers, reverse=query != "sort=oldest"), query
        assert len(set(numbers)) == 120


def test_what_arrives_meanwhile_does_not_move_the_pages(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, *(interaction(f"t{n}", input=f"number {n}") for n in range(60)))
    first = visitor.get(f"{home}/interactions").get_data(as_text=True)
    add(store, project, *(interaction(f"u{n}", input=f"number {n + 60}") for n in range(5)))
    following = re.search(r'data-next href="([^"]+)"', first)
    assert following
    second = visitor.get(html.unescape(following.group(1))).get_data(as_text=True)
    assert re.findall(r"number (\d+)<", second) == [str(n) for n in reversed(range(10))]


def test_what_is_rare_is_looked_for_further(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    rare = interaction("rare", input="number 0", user_id="ana", version_id="2")
    add(store, project, rare)
    add(store, project, *(interaction(f"a{n}", user_id="ana") for n in range(2100)))
    add(store, project, *(interaction(f"v{n}", version_id="2") for n in range(2100)))
    page = text_of(visitor.get(f"{home}/interactions?user=ana&version=2"))
    assert "Nothing among these yet" in page
    assert "Look further" in page
    assert walk(visitor, f"{home}/interactions?user=ana&version=2") == [[]]
    address = f"{home}/interactions?user=ana&version=2"
    for _ in range(5):
        page = visitor.get(address).get_data(as_text=True)
        if "number 0" in page:
            break
        further = re.search(r'href="([^"]+)">Look further', page)
        assert further
        address = html.unescape(further.group(1))
    else:
        pytest.fail("it is never found")


def test_a_broken_cursor_is_explained(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction(user_id="x"))
    for cursor in (
        "x",
        "1",
        "0.x",
        "9" * 300 + ".1",
        "0." + "9" * 30,
        "0.\x00",
        "-1.1",
        "1.\u0661",
    ):
        for page in ("interactions", "search", "sessions"):
            for filters in ({}, {"q": "book"}, {"user": "x"}):
                query = {**filters, "cursor": cursor}
                if page == "search" and "q" not in query:
                    continue
                response = visitor.get(f"{home}/{page}", query_string=query)
                assert response.status_code == 422, (page, query)
                assert "first page" in text_of(response)


def test_a_list_has_nothing_of_another_project(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    canary = {"user_id": "canary", "session_id": "canary", "version_id": "canary"}
    add(store, other, interaction("canary", input="canary", output="canary",
                                  metadata=json.dumps({"canary": "canary"}), **canary))  # fmt: skip
    add(store, project, interaction("t1", created_at_ms=NOON_MS))
    define(store, other, name="canary")
    for page in ("interactions", "sessions", "users", "search", "dashboard"):
        assert "canary" not in visitor.get(f"{home}/{page}").get_data(as_text=True)
    for query in ("user=canary", "version=canary", "q=canary", "metadata=canary%3Dcanary"):
        page = text_of(visitor.get(f"{home}/interactions?{query}"))
        assert "No interaction matches" in page
