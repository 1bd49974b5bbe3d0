"""Saved views: filters of a list under a name, for everybody in the project."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.clock import new_id
from phospho_server.store.definitions import delete_definition
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.saved_views import MOST_VIEWS, list_views
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction
from tests.server.views.conftest import Visitor, text_of


@pytest.fixture(autouse=True)
def told(store: SqliteStore, project: Project) -> None:
    add(store, project, interaction())


def save(visitor: Visitor, home: str, name: str = "Mine", **fields: str) -> str:
    """Save a view and return where that led."""
    fields = {"page": "sessions", "query": "flag=failure", **fields}
    response = visitor.post(f"{home}/views", name=name, **fields)
    assert response.status_code == 303, text_of(response)
    return response.headers["Location"]


def tabs(visitor: Visitor, address: str) -> dict[str, str]:
    """Return the saved views above a list; the current one with a star."""
    page = visitor.get(address).get_data(as_text=True)
    nav = page.partition('aria-label="Saved views"')[2].partition("</nav>")[0]
    found = re.findall(r'<a href="([^"]+)"([^>]*)>(.*?)</a>', nav)
    return {
        html.unescape(re.sub(r"<[^>]+>", "", name)) + ("*" if "current" in more else ""): link
        for link, more, name in found
    }


def test_a_view_is_saved_shown_opened_and_deleted(visitor: Visitor, home: str) -> None:
    assert tabs(visitor, f"{home}/sessions") == {}
    query = "event=&flag=failure&sort=oldest&user=ana+b"
    listed = save(visitor, home, "Unhappy", query=query)
    assert listed == f"{home}/sessions?flag=failure&sort=oldest&user=ana+b"
    shown = tabs(visitor, listed)
    assert list(shown) == ["All", "Unhappy*"]
    assert list(tabs(visitor, f"{home}/sessions")) == ["All*", "Unhappy"]
    assert tabs(visitor, f"{home}/interactions") == {}
    opened = visitor.get(html.unescape(shown["Unhappy*"])).get_data(as_text=True)
    assert "Save view" not in opened
    form = re.search(r'action="([^"]+/delete)"', opened)
    assert form
    response = visitor.post(form.group(1))
    assert (response.status_code, response.headers["Location"]) == (303, listed)
    assert tabs(visitor, listed) == {}
    assert visitor.post(form.group(1)).status_code == 404


def test_a_view_is_replaced_by_one_of_its_name(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    save(visitor, home, "Mine", query="flag=failure")
    save(visitor, home, " Mine ", query="flag=success")
    save(visitor, home, "Mine", page="interactions", query="user=ana")
    with store.read() as db:
        assert [v.query for v in list_views(db, project.id, "sessions")] == ["flag=success"]
        assert [v.query for v in list_views(db, project.id, "interactions")] == ["user=ana"]


def test_there_are_thirty_views_and_the_thirtieth_may_be_replaced(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    for n in range(MOST_VIEWS):
        save(visitor, home, f"View {n}", query=f"user={n}")
    response = visitor.post(f"{home}/views", name="One more", page="sessions", query="flag=failure")
    assert response.status_code == 409
    assert "Delete one that nobody uses" in text_of(response)
    save(visitor, home, "View 29", query="flag=failure")
    save(visitor, home, "Elsewhere", page="interactions")
    with store.read() as db:
        assert len(list_views(db, project.id, "sessions")) == MOST_VIEWS


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param({"name": " \n "}, "The name of the view is empty", id="no-name"),
        pytest.param({"name": "n" * 101}, "101 characters", id="long-name"),
        pytest.param({"query": "cursor=0.1&next=/x"}, "Nothing is filtered yet", id="no-filter"),
        pytest.param({"query": "user=" + "x" * 4_000}, "not complete", id="long-query"),
        pytest.param({"page": "search"}, "not complete", id="another-list"),
    ],
)
def test_what_is_no_view_is_refused(
    visitor: Visitor, home: str, fields: dict[str, str], says: str
) -> None:
    sent = {"name": "Mine", "page": "sessions", "query": "flag=failure", **fields}
    response = visitor.post(f"{home}/views", **sent)
    assert response.status_code == 422
    assert says in text_of(response)


def test_a_view_leads_to_its_list_and_nowhere_else(visitor: Visitor, home: str) -> None:
    for more in (
        "/evil.example/?flag=failure",
        "next=https://evil.example",
        "flag=failure#//evil.example",
        "flag=failure\r\nLocation: https://evil.example",
        "_external=1&_scheme=javascript&_anchor=x",
        "user=https://evil.example",
    ):
        listed = save(visitor, home, query=f"flag=failure&{more}")
        address = urlsplit(listed)
        assert (address.scheme, address.netloc, address.path) == ("", "", f"{home}/sessions")
        assert "\n" not in listed
        assert {pair.partition("=")[0] for pair in address.query.split("&")} <= {"flag", "user"}
        assert visitor.get(listed).status_code == 200


def test_the_name_of_a_view_is_text(visitor: Visitor, home: str) -> None:
    listed = save(visitor, home, "<script>alert(1)</script>\u202e")
    page = visitor.get(listed).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "⟦U+202E⟧" in page


def test_a_view_of_another_project_is_neither_seen_nor_deleted(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    add(store, other, interaction())
    save(visitor, f"/projects/{other.id}", "canary")
    with store.read() as db:
        (view,) = list_views(db, other.id, "sessions")
    assert "canary" not in visitor.get(f"{home}/sessions").get_data(as_text=True)
    assert visitor.post(f"{home}/views/{view.id}/delete").status_code == 404
    with store.read() as db:
        assert list_views(db, other.id, "sessions") == [view]


def test_a_view_needs_a_token_and_somebody_who_is_signed_in(
    visitor: Visitor, stranger: Visitor, home: str
) -> None:
    fields = {"name": "x", "page": "sessions", "query": "flag=failure"}
    assert visitor.client.post(f"{home}/views", data=fields).status_code == 403
    assert "/login" in stranger.post(f"{home}/views", **fields).headers["Location"]
    assert tabs(visitor, f"{home}/sessions") == {}


def test_a_view_whose_event_is_gone_can_still_be_deleted(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(store, project, name="refund")
    listed = save(visitor, home, "Refunds", query="event=refund&flag=failure")
    store.write(lambda db: delete_definition(db, project.id, event.id))
    page = visitor.get(listed)
    assert "“refund” is not a choice" in text_of(page)
    assert "Refunds*" in tabs(visitor, listed)
    form = re.search(r'action="([^"]+/delete)"', page.get_data(as_text=True))
    assert form
    assert visitor.post(form.group(1)).status_code == 303
    assert tabs(visitor, f"{home}/sessions") == {}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(max_size=30), query=st.text(max_size=60), page=st.sampled_from(["sessions", ""])
)
def test_any_view_is_saved_or_refused(
    visitor: Visitor, store: SqliteStore, name: str, query: str, page: str
) -> None:
    project = store.write(lambda db: create_project(db, new_id("p")))
    add(store, project, interaction())
    home = f"/projects/{project.id}"
    for sent in (query, f"flag=failure&user={query}"):
        response = visitor.post(f"{home}/views", name=name, query=sent, page=page)
        assert response.status_code in {303, 422}
        if response.status_code == 303:
            assert visitor.get(response.headers["Location"]).status_code == 200
