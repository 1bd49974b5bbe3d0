"""What people do on the pages, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from phospho_server.clock import now_ms
from phospho_server.housekeeping import Housekeeping
from phospho_server.store.projects import create_project
from tests.browser.conftest import OpenPage, Site
from tests.loopback import serve_phospho
from tests.server.builders import add, interaction

pytestmark = pytest.mark.browser


def test_a_link_signs_in_and_leads_to_the_dashboard(open_page: OpenPage, site: Site) -> None:
    page = open_page(known=False)
    page.goto(site.make_link())
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    # Folded where the server has an account already.
    page.locator("details", has_text="phospho link").evaluate("part => { part.open = true }")
    expect(page.get_by_text("phospho link")).to_be_visible()
    page.goto(site.page_of(site.full))
    expect(page).to_have_url(re.compile("/login"))


def test_a_figure_and_a_period_change_the_chart(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full))
    page.locator(".figures").get_by_role("link", name="Events").click()
    expect(page.get_by_role("heading", name="Events by day in UTC")).to_be_visible()
    page.get_by_role("link", name="24 hours").click()
    expect(page.get_by_role("heading", name="Events by hour in UTC")).to_be_visible()
    chart = page.get_by_role("region", name="Events by hour in UTC")
    chart.get_by_text("Show as table").click()
    expect(page.get_by_role("columnheader", name="Sessions")).to_be_visible()


def test_an_event_leads_over_its_sessions_to_the_evidence(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full))
    page.locator(".ranking a", has_text="ai_language_model").click()
    expect(page.get_by_label("Event")).to_have_value("ai_language_model")
    page.locator("tbody tr").first.click()
    expect(page.locator(".assistant mark").first).to_have_text("As an AI language model")
    expect(page.locator(".note").first).to_contain_text("91")


def test_filters_take_effect_when_chosen_and_stand_in_the_address(
    open_page: OpenPage, site: Site
) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "sessions"))
    page.get_by_label("Feedback").select_option("failure")
    expect(page).to_have_url(re.compile(r"/sessions\?flag=failure$"))
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Search the messages").fill("no such words")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No session matches")).to_be_visible()
    page.get_by_role("link", name="Clear all").click()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="First page")).to_be_visible()


def test_keys_lead_to_the_neighbouring_sessions(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "sessions/session-5"))
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile("session-6$"))
    page.wait_for_load_state()  # the address changes before the script listens
    page.keyboard.press("k")
    expect(page).to_have_url(re.compile("session-5$"))


def test_an_event_is_defined_edited_and_deleted(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "settings"))
    page.get_by_text("Define an event").click()
    page.get_by_label("Name", exact=True).fill("stop_request")
    page.get_by_label("Description").fill("The user asks the assistant to stop.")
    page.get_by_role("button", name="Define event").click()
    expect(page.locator(".definitions")).to_contain_text("stop_request")
    page.get_by_role("link", name="Edit stop_request").click()
    page.get_by_text("More options").click()
    page.get_by_label("Keywords").fill("stop, no more")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".definitions")).to_contain_text("no more")
    page.get_by_label("Delete stop_request").click()
    page.get_by_role("button", name="Delete the event").click()
    expect(page.locator(".definitions")).not_to_contain_text("stop_request")


def test_a_key_is_shown_once_and_can_be_copied(open_page: OpenPage, site: Site) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(site.page_of(site.empty, "settings"))
    page.get_by_label("New key").fill("production")
    page.get_by_role("button", name="Create key").click()
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("ph_")
    page.get_by_role("button", name="Copy the API key").click()
    page.wait_for_function(
        "text => navigator.clipboard.readText().then(t => t === text)", arg=secret
    )
    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator(".keys strong")).to_have_text("production")
    assert secret not in page.content()
    page.get_by_text("Revoke", exact=True).click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_text("1 revoked key")).to_be_visible()


def test_the_drop_down_changes_and_makes_projects(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full))
    menu = page.locator("summary", has_text="Travel assistant")
    box = menu.bounding_box()
    assert box is not None
    assert box["x"] < 30
    assert box["y"] < 30
    menu.click()
    page.get_by_role("link", name="Banking bot").click()
    expect(page.get_by_text("Waiting for the first interaction")).to_be_visible()
    page.locator("summary", has_text="Banking bot").click()
    page.keyboard.press("Escape")
    expect(page.get_by_label("New project")).to_be_hidden()
    page.locator("summary", has_text="Banking bot").click()
    page.get_by_label("New project").fill("Third")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("summary", has_text="Third")).to_be_visible()


def test_the_empty_page_turns_into_the_dashboard_by_itself(open_page: OpenPage, site: Site) -> None:
    project = site.store.write(lambda db: create_project(db, "Soon full"))
    page = open_page()
    page.goto(site.page_of(project))
    expect(page.get_by_text("Waiting for the first interaction")).to_be_visible()
    add(site.store, project, interaction(created_at_ms=now_ms()))
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    with page.expect_response(lambda response: response.url.endswith("/pulse")):
        pass
    add(site.store, project, interaction("t2", created_at_ms=now_ms()))
    expect(page.get_by_role("link", name="New interactions")).to_be_visible()


def walk_by_keyboard(page: Page, name: str) -> None:
    """Press Tab until the element of this name has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip().startswith(name):
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def test_a_keyboard_reaches_a_transcript_with_its_focus_in_sight(
    open_page: OpenPage, site: Site
) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "sessions"))
    walk_by_keyboard(page, "I want to book a flight")
    row = page.locator("tr:has(a:focus-visible)")
    assert row.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/sessions/session-"))


def test_steps_unfold_by_keyboard_and_without_javascript(open_page: OpenPage, site: Site) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(site.page_of(site.full, "sessions/steps"))
    error = page.get_by_text("TimeoutError: the airline did not answer")
    expect(page.get_by_text("5 steps, 2 failed · 1.2 s")).to_be_visible()
    expect(error).to_be_hidden()
    page.locator("summary", has_text="5 steps").focus()
    page.keyboard.press("Enter")
    expect(error).to_be_visible()
    expect(page.locator(".calls > li").first).to_contain_text("Model ask · 812 ms · gpt-x")
    page.keyboard.press("Enter")
    expect(error).to_be_hidden()


def test_a_note_can_be_typed_as_soon_as_its_form_opens(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "sessions/session-1"))
    page.get_by_role("link", name="Add a note").first.click()
    expect(page.get_by_label("Note about this interaction")).to_be_focused()


def test_everything_works_without_javascript(open_page: OpenPage, site: Site) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(site.page_of(site.full, "sessions"))
    page.get_by_label("Event").select_option("thanks")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("event=thanks"))
    page.locator("tbody tr a").first.click()
    page.get_by_text("Details", exact=True).first.click()
    expect(page.get_by_text("gpt-x").first).to_be_visible()
    page.locator("summary", has_text="Travel assistant").click()
    page.get_by_role("link", name="Banking bot").click()
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_label("Name", exact=True).fill("noscript")
    page.get_by_label("Description").fill("The user has no scripts.")
    page.get_by_role("button", name="Define event").click()
    expect(page.locator(".definitions")).to_contain_text("noscript")
    page.get_by_label("Delete noscript").click()
    page.get_by_role("button", name="Delete the event").click()
    expect(page.get_by_text("No event is defined yet")).to_be_visible()


def test_an_event_is_rejected_in_place_and_taken_back(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "sessions/session-7"))
    facts = page.get_by_label("Facts about this session")
    page.evaluate("window.stillHere = true")
    page.get_by_role("button", name="Reject thanks").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("✗ Rejected")).to_be_visible()
    expect(page.locator("#said")).to_contain_text("Rejected: thanks")
    expect(facts.get_by_text("thanks")).to_be_hidden()
    expect(page.get_by_role("button", name="Undo: thanks")).to_be_focused()
    assert page.evaluate("window.stillHere")
    page.locator("#said").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Reject thanks")).to_be_visible()
    expect(facts.get_by_text("thanks")).to_be_visible()


def test_an_event_is_added_by_hand_without_javascript(open_page: OpenPage, site: Site) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(site.page_of(site.full, "sessions/session-8"))
    page.get_by_text("Add an event").first.click()
    page.get_by_label("Event that occurred here").select_option("quiet")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("✓ Added by hand")).to_be_visible()
    page.get_by_role("button", name="Undo: quiet").click()
    expect(page.get_by_text("✓ Added by hand")).to_be_hidden()


def test_an_event_is_added_by_hand_in_place(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "sessions/session-9"))
    page.evaluate("window.stillHere = true")
    page.get_by_text("Add an event").last.click()
    expect(page.get_by_label("Event that occurred here")).to_be_focused()
    page.get_by_label("Event that occurred here").select_option("quiet")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("✓ Added by hand")).to_be_visible()
    expect(page.get_by_role("button", name="Undo: quiet")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("✓ Added by hand")).to_be_hidden()
    assert page.evaluate("window.stillHere")


def test_ten_are_labelled_by_keyboard(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "events"))
    page.get_by_role("link", name="ai_language_model", exact=True).click()
    page.get_by_role("link", name="Label 10", exact=True).click()
    for position, key in enumerate("ynynynynys", start=1):
        expect(page.get_by_text(f"{position} of 10")).to_be_visible()
        page.wait_for_load_state()  # the script listens after the page is there
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="What is now known")).to_be_visible()
    expect(page.get_by_text("You answered 9 of 10")).to_be_visible()
    page.get_by_role("link", name="To the event").click()
    expect(page.locator(".quality")).to_contain_text("confirmed")


def test_a_match_is_confirmed_on_the_page_of_its_event(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "events"))
    page.get_by_role("link", name="thanks", exact=True).click()
    first = page.locator(".matches > li").first
    first.get_by_role("button", name="Confirm thanks").click()
    expect(first.get_by_text("✓ Confirmed")).to_be_visible()
    expect(page.locator("#quality")).to_contain_text("1 of 1 confirmed")
    first.get_by_role("button", name="Undo: thanks").click()
    expect(page.locator("#quality")).not_to_contain_text("confirmed;")


def test_a_template_becomes_an_event_without_a_script(open_page: OpenPage, site: Site) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(site.page_of(site.full, "settings"))
    page.get_by_text("Define an event").click()
    page.get_by_text("Begin from a template").click()
    page.get_by_role("link", name="long_answer").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("long_answer")
    page.get_by_role("button", name="Define event").click()
    expect(page.locator(".definitions")).to_contain_text("longer than 300 words")
    page.get_by_role("link", name="Duplicate long_answer").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("long_answer_2")
    page.goto(site.page_of(site.full, "settings"))
    page.get_by_label("Delete long_answer").click()
    page.get_by_role("button", name="Delete the event").last.click()
    expect(page.locator(".definitions")).not_to_contain_text("long_answer")


def test_old_data_is_shown_before_it_goes(open_page: OpenPage, site: Site) -> None:
    project = site.store.write(lambda db: create_project(db, "Long ago"))
    old = interaction(created_at_ms=now_ms() - 100 * 86_400_000)
    add(site.store, project, old, interaction("new", session_id="s2", created_at_ms=now_ms()))
    page = open_page()
    page.goto(site.page_of(project, "settings"))
    page.get_by_label("for some days").check()
    page.get_by_label("Number of days").fill("30")
    page.locator("#data").get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("1 interaction of 2 is older than that")
    page.get_by_role("button", name="Delete them").click()
    expect(page.locator("#data")).to_contain_text("Kept for 30 days")
    Housekeeping(site.store).run_until_done()
    page.reload()
    expect(page.locator("#data")).to_contain_text("1 interaction removed")


def test_a_project_is_deleted_by_typing_its_name(open_page: OpenPage, site: Site) -> None:
    project = site.store.write(lambda db: create_project(db, "To be deleted"))
    page = open_page()
    page.goto(site.page_of(project, "settings"))
    page.get_by_text("Delete this project").click()
    page.get_by_label("To confirm, type the name").fill("To be deleted")
    page.get_by_role("button", name="Delete the project and its data").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(page.locator(".menu-body")).not_to_contain_text("To be deleted")


def test_a_webhook_is_made_tried_and_deleted(open_page: OpenPage, site: Site) -> None:
    with serve_phospho() as receiver:
        page = open_page()
        page.goto(site.page_of(site.empty, "settings"))
        page.get_by_text("Add a webhook").click()
        page.get_by_label("Address", exact=True).fill(f"{receiver.url}/hook")
        page.get_by_role("button", name="Add the webhook").click()
        expect(page.locator("#secret")).to_contain_text("whsec_")
        page.get_by_role("button", name="Send a test").click()
        expect(page.locator("tbody tr")).to_contain_text("Sent (200)")
        assert receiver.requests[0].body["type"] == "test"
        page.get_by_text("Delete", exact=True).click()
        page.get_by_role("button", name="Delete the webhook").click()
        expect(page.locator("#webhooks")).not_to_contain_text("127.0.0.1")
