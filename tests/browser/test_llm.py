"""The LLM in Settings, and the banner of its pause, as people see and use them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from phospho.detectors.llm.cost import Usage
from phospho.detectors.llm.ledger import Call
from phospho_server.store import Connection, llm, llm_usage
from phospho_server.store.definitions import create_definition, delete_definition
from phospho_server.store.llm import LlmSettings
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import OpenPage, Site
from tests.server.builders import definition

pytestmark = pytest.mark.browser


@pytest.fixture
def paused(site: Site) -> Iterator[Site]:
    """Give the empty project an LLM with costs, which refuses its key; take them away after."""
    project_id = site.empty.id

    def set_up(db: Connection) -> str:
        event = create_definition(db, project_id, definition(name="a_name_that_is_rather_long"))
        set_to = LlmSettings(
            base_url="https://llm.example.org/v1",
            model="gpt-x",
            currency="$",
            price_in="1",
            price_out="4",
        )
        llm.save_settings(db, project_id, set_to)
        llm_usage.count_verdicts(db, project_id, event.id, 3_400)
        llm_usage.count_asked(db, project_id, {event.id: 408})
        llm_usage.add_call(db, project_id, Call([event.id], Usage(20_000, 2_500), 30_000_000))
        llm.pause(db, project_id, "llm.example.org refuses the API key: no. Set another key.")
        return event.id

    def take_away(db: Connection) -> None:
        delete_definition(db, project_id, event_id)
        llm.resume(db, project_id)
        for table in ("llm_settings", "llm_usage"):
            db.execute(f"delete from {table}")

    event_id = site.store.write(set_up)
    yield site
    site.store.write(take_away)


@pytest.mark.parametrize("width", [390, 1440])
def test_costs_and_the_pause_are_accessible_and_fit(
    open_page: OpenPage, paused: Site, width: int
) -> None:
    page = open_page(viewport={"width": width, "height": 900})
    for rest in ("settings", "dashboard"):
        page.goto(paused.page_of(paused.empty, rest))
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert page.get_by_text("The LLM judge is paused.").is_visible()
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_person_sets_another_key_and_the_pause_is_over(open_page: OpenPage, paused: Site) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(paused.page_of(paused.empty, "sessions"))
    page.get_by_role("button", name="Try again").click()
    assert page.get_by_text("The LLM judge is paused.").count() == 0
    page.locator("#llm summary").click()
    page.get_by_label("API key", exact=True).fill("sk-another")
    page.get_by_label("Model", exact=True).fill("gpt-y")
    page.locator("#llm").get_by_role("button", name="Save").click()
    assert page.get_by_text("Asks gpt-y at llm.example.org.").is_visible()
    assert "sk-another" not in page.content()
