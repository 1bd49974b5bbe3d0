"""Trying an event out, and its versions, in a real browser."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from playwright.sync_api import Page, expect

from phospho.detectors.rules import RulesDetector
from phospho.plugins import Plugins
from phospho_server.clock import DAY_MS, now_ms
from phospho_server.detection import DetectionWorker
from phospho_server.store.definitions import create_definition, edit_definition
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import OpenPage, Site
from tests.server.builders import add, definition, interaction

pytestmark = pytest.mark.browser

REFUND = "The user says 'refund'"


@pytest.fixture(scope="module")
def shop(site: Site) -> Project:
    """Return a project whose event is on its way from version 1 to version 2."""
    project = site.store.write(lambda db: create_project(db, "Shop"))
    start_ms = now_ms() - 20 * DAY_MS
    add(
        site.store,
        project,
        *(
            interaction(
                f"t{n}",
                session_id=f"s{n // 2}",
                created_at_ms=start_ms + n * DAY_MS // 20,
                input="I want a refund for my order" if n % 3 else "Where is my parcel?",
            )
            for n in range(390)
        ),
    )
    asks = definition("asks_for_money", description=REFUND)
    event = site.store.write(lambda db: create_definition(db, project.id, asks))
    hold_others(site, project, until_ms=2**60)
    worker = DetectionWorker(site.store, {"rules": RulesDetector()}, Plugins(entry_points=False))
    worker.run_until_done()
    edited = event.model_copy(update={"description": "The user says 'refund' or 'parcel'"})
    site.store.write(lambda db: edit_definition(db, project.id, edited))
    worker.run_once()
    hold_others(site, project, until_ms=0)
    return project


def hold_others(site: Site, project: Project, *, until_ms: int) -> None:
    """Leave the work of the site's other projects undone."""
    site.store.write(
        lambda db: db.execute(
            "update jobs set run_at_ms = :until where project_id <> :id",
            {"until": until_ms, "id": project.id},
        )
    )


def open_form(page: Page, site: Site, project: Project) -> None:
    page.goto(site.page_of(project, "settings#new-event"))
    expect(page.get_by_label("Description")).to_be_visible()


def test_a_draft_is_tried_out_while_it_is_typed(
    open_page: OpenPage, site: Site, shop: Project
) -> None:
    page = open_page()
    open_form(page, site, shop)
    page.get_by_label("Description").fill(REFUND)
    box = page.locator("#preview")
    expect(box).to_contain_text("260 of the newest 390 interactions would have this event")
    page.get_by_label("Description").fill("The user says 'parcel'")
    expect(box).to_contain_text("130 of the newest 390 interactions")
    box.get_by_role("link").first.click()
    expect(page.get_by_text("Where is my parcel?").first).to_be_visible()


def test_a_draft_that_is_not_finished_says_what_is_missing(
    open_page: OpenPage, site: Site, shop: Project
) -> None:
    page = open_page()
    open_form(page, site, shop)
    page.get_by_text("More options").click()
    page.get_by_label("Answer").select_option("category")
    page.get_by_label("Categories").fill("one")
    page.get_by_label("Description").fill("What it is about")
    expect(page.locator("#preview")).to_contain_text("at least two categories")
    expect(page.get_by_label("Lowest score")).to_be_hidden()
    page.get_by_label("Answer").select_option("score")
    expect(page.get_by_label("Lowest score")).to_be_visible()
    expect(page.get_by_label("Categories")).to_be_hidden()
    expect(page.locator("#preview")).to_contain_text("The mean score is")


def test_the_button_tries_a_draft_out_without_a_script(
    open_page: OpenPage, site: Site, shop: Project
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(site.page_of(shop, "settings"))
    page.get_by_text("Define an event").click()
    page.get_by_label("Description").fill(REFUND)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("260 of the newest 390 interactions")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value(REFUND)


SCREENS: Mapping[str, int] = {"phone": 390, "desk": 1440}


@pytest.mark.parametrize("screen", SCREENS)
def test_a_preview_and_mixed_versions_are_accessible_and_fit(
    open_page: OpenPage, site: Site, shop: Project, screen: str
) -> None:
    width = SCREENS[screen]
    page = open_page(viewport={"width": width, "height": 900})
    open_form(page, site, shop)
    page.get_by_label("Description").fill(REFUND)
    expect(page.locator("#preview")).to_contain_text("260 of the newest 390")
    check(page, width)
    page.get_by_role("link", name="Version 2 of asks_for_money").click()
    expect(page.get_by_role("heading", name="Versions of asks_for_money")).to_be_visible()
    expect(page.get_by_text("so far for the newest")).to_be_visible()
    check(page, width)
    page.get_by_role("link", name="Edit").click()
    page.goto(page.url.replace("/settings/events/", "/events/"))
    expect(page.get_by_role("heading", name="Found by day in UTC")).to_be_visible()
    expect(page.get_by_text("so far for the newest")).to_be_visible()
    assert page.locator(".change").count() == 2
    check(page, width)
    page.goto(site.page_of(shop, "dashboard?show=events"))
    expect(page.get_by_text("so far for the newest")).to_be_visible()
    check(page, width)


def check(page: Page, width: int) -> None:
    page.wait_for_load_state()  # with its stylesheet
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
