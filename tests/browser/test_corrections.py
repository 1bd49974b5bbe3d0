"""Saying which category or score an event has, as people see and use it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from phospho_server.clock import now_ms
from phospho_server.store import Connection, detections
from phospho_server.store.definitions import create_definition
from phospho_server.store.interactions import add_interactions, find_ids
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project, StoredDetection
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import OpenPage, Site
from tests.server.builders import definition, interaction

pytestmark = pytest.mark.browser


@pytest.fixture
def shop(site: Site) -> Project:
    """Return a project in which a category and a score were found in one interaction."""

    def set_up(db: Connection) -> Project:
        project = create_project(db, "Shop")
        topic = definition(
            "topic", answer="category", categories=("refund", 'Billing & "tax"', "delivery")
        )
        urgency = definition("urgency", answer="score", score_range=(1, 5))
        now = now_ms()
        add_interactions(db, project.id, [interaction("t1", created_at_ms=now)])
        at = find_ids(db, project.id, ["t1"])["t1"]
        for new, value in ((topic, '"refund"'), (urgency, "4.5")):
            event = create_definition(db, project.id, new)
            said = StoredDetection(at, "s1", now, True, 0.8, "semantic", None, value=value)
            detections.record(db, project.id, event, [said])
        return project

    return site.store.write(set_up)


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_person_picks_another_category_and_takes_it_back(
    open_page: OpenPage, site: Site, shop: Project, *, has_scripts: bool
) -> None:
    page = open_page(java_script_enabled=has_scripts)
    page.goto(site.page_of(shop, "sessions/s1"))
    note = page.locator(".note", has_text="topic")
    note.locator("summary").click()
    note.get_by_label("Category of topic").select_option('Billing & "tax"')
    note.get_by_role("button", name="Save").click()
    expect(note.get_by_text("✓ Corrected")).to_be_visible()
    expect(note.locator("strong")).to_have_text('Billing & "tax"')
    expect(note.get_by_text("detected: refund")).to_be_visible()
    note.get_by_role("button", name="Undo: topic").click()
    expect(note.locator("strong")).to_have_text("refund")


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_person_types_another_score(
    open_page: OpenPage, site: Site, shop: Project, *, has_scripts: bool
) -> None:
    page = open_page(java_script_enabled=has_scripts)
    page.goto(site.page_of(shop, "sessions/s1"))
    note = page.locator(".note", has_text="urgency")
    note.locator("summary").click()
    note.get_by_label("Score of urgency, 1 to 5").fill("3.5")
    note.get_by_role("button", name="Save").click()
    expect(note.locator("strong")).to_have_text("3.5")
    expect(note.get_by_text("detected: 4.5")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1440])
def test_corrections_are_accessible_and_fit(
    open_page: OpenPage, site: Site, shop: Project, width: int
) -> None:
    page = open_page(viewport={"width": width, "height": 900})
    page.goto(site.page_of(shop, "events"))
    page.get_by_role("link", name="topic", exact=True).click()
    event = page.url
    for address in (site.page_of(shop, "sessions/s1"), event, f"{event}/review"):
        page.goto(address)
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
