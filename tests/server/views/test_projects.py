"""Choosing a project, making one, naming it."""

from __future__ import annotations

from phospho_server.store import Connection
from phospho_server.store.projects import create_project, list_projects
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.views.conftest import Visitor, text_of


def test_without_a_project_the_first_page_makes_one(visitor: Visitor, store: SqliteStore) -> None:
    assert "Create your first project" in text_of(visitor.get("/"))
    made = visitor.post("/projects", name="  Support   bot ")
    assert made.status_code == 303
    with store.read() as db:
        (project,) = list_projects(db)
    assert project.name == "Support bot"
    assert made.headers["Location"] == f"/projects/{project.id}/dashboard"


def test_the_first_page_leads_to_the_project_used_last(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    assert visitor.get("/").headers["Location"] == f"{home}/dashboard"
    other = store.write(lambda db: create_project(db, "Other"))
    visitor.get(f"/projects/{other.id}/sessions")
    assert visitor.get("/").headers["Location"] == f"/projects/{other.id}/dashboard"


def test_the_drop_down_lists_every_project(visitor: Visitor, store: SqliteStore, home: str) -> None:
    store.write(lambda db: create_project(db, "Banking bot"))
    page = visitor.get(f"{home}/settings").get_data(as_text=True)
    menu = page[page.index("data-menu") : page.index("</details>")]
    assert "Support bot" in menu
    assert "Banking bot" in menu
    assert "New project" in menu


def menu_of(visitor: Visitor, home: str) -> str:
    page = visitor.get(f"{home}/settings").get_data(as_text=True)
    return page[page.index("data-menu") : page.index("</details>")]


def test_the_drop_down_has_a_search_once_there_are_many(
    visitor: Visitor, store: SqliteStore, home: str
) -> None:
    for n in range(6):
        store.write(lambda db, n=n: create_project(db, f"Other {n}"))  # type: ignore[misc]
    assert 'type="search"' not in menu_of(visitor, home)
    store.write(lambda db: create_project(db, "The eighth"))
    assert 'type="search"' in menu_of(visitor, home)


def test_very_many_projects_do_not_make_a_page_heavy(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    def make(db: Connection) -> None:
        for n in range(5_000):
            create_project(db, f"Project {n}")

    store.write(make)
    menu = menu_of(visitor, home)
    assert menu.count("<li>") == 50
    assert len(menu) < 12_000
    # The one that is open is on top; those it was not used before are the newest.
    assert menu.index(project.id) < menu.index("Project 4999") < menu.index("Project 4951")
    assert "Project 4950" not in menu
    everywhere = text_of(visitor.get("/projects?page=51"))
    assert "5,001 projects, page 51 of 51" in everywhere
    found = text_of(visitor.get("/projects?q=PROJECT+4950"))
    assert "1 project" in found


def test_the_projects_opened_last_come_first(
    visitor: Visitor, store: SqliteStore, home: str
) -> None:
    others = [
        store.write(lambda db, n=n: create_project(db, f"Other {n}"))  # type: ignore[misc]
        for n in range(12)
    ]
    for other in others:
        visitor.get(f"/projects/{other.id}/sessions")
    menu = menu_of(visitor, home)
    places = [menu.index(f">Other {n}<") for n in reversed(range(5, 12))]
    assert menu.index(">Support bot<") < places[0]
    assert places == sorted(places)


def test_a_search_without_a_result_leads_back_to_all(visitor: Visitor, home: str) -> None:
    page = visitor.get("/projects?q=nothing+of+that+name")
    assert "No project is called that" in text_of(page)
    assert visitor.get(f"/projects?q={'x' * 400}&page=-3").status_code == 200
    assert "Support bot" in text_of(visitor.get("/projects?page=99"))


def test_without_a_project_the_list_offers_to_make_one(visitor: Visitor) -> None:
    page = text_of(visitor.get("/projects"))
    assert "There is no project yet" in page
    assert "Create project" in page


def test_a_project_without_a_name_is_refused_and_nothing_is_lost(visitor: Visitor) -> None:
    response = visitor.post("/projects", name="x" * 101)
    assert response.status_code == 422
    assert "at most 100" in text_of(response)
    assert "x" * 101 in response.get_data(as_text=True)
    assert visitor.post("/projects").status_code == 422


def test_a_project_can_be_renamed(visitor: Visitor, home: str) -> None:
    assert visitor.post(f"{home}/settings/name", name="Helpdesk").status_code == 303
    assert "Helpdesk" in text_of(visitor.get(f"{home}/dashboard"))
    refused = visitor.post(f"{home}/settings/name", name=" ")
    assert refused.status_code == 422
    assert "Give it a name" in text_of(refused)


def test_an_unknown_project_is_not_found(visitor: Visitor) -> None:
    for page in ("dashboard", "sessions", "sessions/s1", "settings", "pulse", "session?id=a"):
        response = visitor.get(f"/projects/proj_none/{page}")
        assert response.status_code == 404
        assert "There is no project with this id" in text_of(response)
    for page in ("name", "keys", "keys/k/revoke", "events", "events/e", "events/e/toggle"):
        assert visitor.post(f"/projects/proj_none/settings/{page}", name="x").status_code in {
            404,
            422,
        }
