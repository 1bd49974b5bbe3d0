"""The dashboard, the project drop-down and the first steps, by mouse, keyboard and themselves."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from phospho_server.clock import DAY_MS, HOUR_MS, now_ms
from phospho_server.store import alerts
from phospho_server.store.alert_changes import delete_rule
from phospho_server.store.alert_rules import Terms, add_rule
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import OpenPage, Site
from tests.server.builders import add, define, interaction

pytestmark = pytest.mark.browser


def chart_of(page: Page) -> Locator:
    return page.locator("#numbers .chart.wide")


def make_project(site: Site, name: str, *, interactions: int = 0) -> Project:
    """Make a project with one interaction a day, the newest today."""
    project = site.store.write(lambda db: create_project(db, name))
    add(
        site.store,
        project,
        *(
            interaction(f"t{n}", session_id=f"s{n}", created_at_ms=now_ms() - n * DAY_MS)
            for n in range(interactions)
        ),
    )
    return project


def count_rows(page: Page) -> int:
    """Return how many sessions a list has on all of its pages."""
    count = 0
    while True:
        count += page.locator("tbody tr").count()
        older = page.get_by_role("link", name="Next")
        if not older.count():
            return count
        older.click()
        page.wait_for_load_state()


def test_a_reader_chooses_the_step_of_the_chart(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "dashboard?period=7d"))
    expect(page.get_by_role("heading", name="Interactions by day in UTC")).to_be_visible()
    expect(chart_of(page).locator(".bar")).to_have_count(7)
    page.get_by_label("Step of the chart").get_by_role("link", name="Hour").click()
    expect(page).to_have_url(re.compile("step=hour"))
    expect(page.get_by_role("heading", name="Interactions by hour")).to_be_visible()
    expect(chart_of(page).locator(".bar")).to_have_count(168)
    page.get_by_label("Period").get_by_role("link", name="30 days").click()
    page.get_by_label("Step of the chart").get_by_role("link", name="Week").click()
    expect(chart_of(page).locator(".bar")).to_have_count(5)


def test_a_figure_leads_to_a_list_of_as_many(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "dashboard?period=all"))
    number = page.locator(".figure", has_text="Sessions").locator(".figure-value")
    shown = int(number.inner_text())
    number.click()
    expect(page).to_have_url(re.compile("/sessions$"))
    assert count_rows(page) == shown


@pytest.mark.parametrize(
    ("row", "leads_to"),
    [("#lists .ranking-name", "interactions"), ("#versions .preview a", "sessions")],
)
def test_a_row_leads_to_what_it_counts(
    open_page: OpenPage, site: Site, row: str, leads_to: str
) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "dashboard?period=30d"))
    first = page.locator(row).first
    name = first.inner_text()
    first.click()
    expect(page).to_have_url(re.compile(f"/{leads_to}[?].*period=30d"))
    field = page.locator("#f-event" if "lists" in row else "#f-version")
    expect(field).to_have_value(name)
    expect(page.locator("tbody tr").first).to_contain_text(name)


def test_a_bar_of_a_day_leads_to_the_sessions_of_that_day(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "dashboard?period=7d&show=sessions"))
    address = chart_of(page).locator("a.bar").last.get_attribute("href") or ""
    found = re.search(r"since=(\d{4}-\d\d-\d\d)&until=(\d{4}-\d\d-\d\d)$", address)
    assert found
    assert found.group(1) == found.group(2)
    page.goto(site.page_of(site.full, "dashboard?period=24h"))
    expect(chart_of(page).locator(".bar")).to_have_count(24)
    expect(chart_of(page).locator("a.bar")).to_have_count(24)
    hour = chart_of(page).locator("a.bar").last
    assert re.search(r"since=[-\dT:]+Z&until=[-\dT:]+Z$", hour.get_attribute("href") or "")
    counted = hour.get_attribute("aria-label") or hour.inner_text()
    page.goto(f"{site.url}{hour.get_attribute('href')}")
    rows = page.locator("tbody tr").count()
    assert counted.endswith(f": {rows}")


def test_a_chart_is_one_stop_of_the_tab_key_and_walked_by_arrows(
    open_page: OpenPage, site: Site
) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "dashboard?period=7d"))
    bars = chart_of(page).locator(".bar")
    assert chart_of(page).locator('[tabindex="0"]').count() == 1
    page.get_by_label("Step of the chart").get_by_role("link", name="Day").focus()
    page.keyboard.press("Tab")
    expect(bars.last).to_be_focused()
    expect(bars.last).to_have_accessible_name(re.compile(r"^\d+ \w+: \d+$"))
    page.keyboard.press("ArrowLeft")
    expect(bars.nth(5)).to_be_focused()
    page.keyboard.press("Home")
    expect(bars.first).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(bars.first).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#twin summary")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(bars.first).to_be_focused()


def test_a_tooltip_says_what_a_bar_stands_for(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "dashboard?period=7d"))
    tip = page.locator(".tip")
    expect(tip).to_be_hidden()
    bar = chart_of(page).locator(".bar").nth(3)
    bar.hover()
    label, value = (bar.get_attribute("aria-label") or "").split(": ")
    expect(tip).to_have_text(f"{value}{label}")
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()
    chart_of(page).locator(".bar").last.focus()
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_bars_of_hours_are_in_the_zone_of_the_reader(open_page: OpenPage, site: Site) -> None:
    labels = {}
    for zone in ("UTC", "Asia/Tokyo"):
        page = open_page(timezone_id=zone, locale="en-GB")
        page.goto(site.page_of(site.full, "dashboard?period=24h"))
        expect(page.get_by_role("heading", name=f"in {zone}")).to_be_visible()
        labels[zone] = chart_of(page).locator(".bar").first.get_attribute("aria-label") or ""
    utc, tokyo = (int(each[:2]) * 60 + int(each[3:5]) for each in labels.values())
    assert (tokyo - utc) % 1440 == 540


def pass_time(page: Page, seconds: int) -> None:
    """Let seconds pass on the page's clock, and what was asked for in each of them be answered."""
    for _ in range(seconds):
        page.clock.run_for(1_000)
        page.evaluate("fetch('/healthz').then((answer) => answer.text())")


def test_new_numbers_come_by_themselves_and_nothing_jumps(open_page: OpenPage, site: Site) -> None:
    project = make_project(site, "Alive", interactions=9)
    page = open_page()
    page.clock.install()
    page.goto(site.page_of(project))
    page.evaluate("window.stillHere = true")
    value = page.locator(".figure", has_text="Interactions").locator(".figure-value")
    expect(value).to_have_text("9")
    page.locator("#twin summary").click()
    page.locator("#twin summary").blur()
    page.evaluate("scrollTo(0, 300)")
    before = page.locator("#versions").bounding_box()
    pass_time(page, 2)
    add(site.store, project, interaction("new", session_id="s0", created_at_ms=now_ms()))
    pass_time(page, 15)
    expect(value).to_have_text("10")
    expect(value).to_have_class(re.compile("changed"))
    expect(page.locator("#status")).to_have_text(re.compile("by itself"))
    expect(page.locator("#twin")).to_have_attribute("open", "")
    assert page.locator("#versions").bounding_box() == before
    assert page.evaluate("window.stillHere")


def test_an_alert_is_seen_while_it_is_on(open_page: OpenPage, site: Site) -> None:
    project = make_project(site, "Alarming", interactions=3)
    event = define(site.store, project, name="refund")
    rule = site.store.write(lambda db: add_rule(db, project.id, event.id, Terms(60, 10)))
    page = open_page()
    page.clock.install()
    page.goto(site.page_of(project))
    pass_time(page, 2)
    site.store.write(lambda db: alerts.fire(db, rule, count=42, usual=6, at_ms=now_ms()))
    pass_time(page, 15)
    marker = page.locator("#firing .notice")
    expect(marker).to_contain_text("42 in the last hour, usually 6")
    site.store.write(lambda db: delete_rule(db, project.id, rule.id))
    pass_time(page, 25)
    expect(marker).to_have_count(0)


def test_nothing_is_renewed_under_a_focus_but_offered(open_page: OpenPage, site: Site) -> None:
    project = make_project(site, "Busy", interactions=3)
    page = open_page()
    page.clock.install()
    page.goto(site.page_of(project))
    bar = chart_of(page).locator(".bar").last
    bar.focus()
    pass_time(page, 2)
    add(site.store, project, interaction("new", session_id="s9", created_at_ms=now_ms()))
    pass_time(page, 20)
    pill = page.get_by_role("link", name="New interactions")
    expect(pill).to_be_visible()
    expect(bar).to_be_focused()
    page.evaluate("window.stillHere = true")
    pill.click()
    figure = page.locator(".figure", has_text="Interactions").locator(".figure-value")
    expect(figure).to_have_text("4")
    expect(pill).to_be_hidden()
    assert page.evaluate("window.stillHere")


def test_the_drop_down_is_searched_and_walked_by_keyboard(open_page: OpenPage, site: Site) -> None:
    for n in range(8):
        make_project(site, f"Search me {n}")
    page = open_page()
    page.goto(site.page_of(site.full))
    page.locator(".menu summary").focus()
    page.keyboard.press("Enter")
    field = page.get_by_role("searchbox", name="Search the projects")
    expect(field).to_be_focused()
    current = page.locator("#menu-projects [aria-current]")
    expect(current).to_have_text("Travel assistant")
    page.keyboard.type("SEARCH ME")
    expect(page.locator("#menu-projects li:visible")).to_have_count(8)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#menu-projects li:visible a").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    expect(page.locator(".menu summary")).to_be_focused()
    page.keyboard.press("ArrowDown")
    field.fill("me 5")
    field.press("Enter")
    expect(page.locator(".menu-name")).to_have_text(re.compile("Search me 5"))


def test_the_drop_down_is_searched_without_javascript(open_page: OpenPage, site: Site) -> None:
    for n in range(8):
        make_project(site, f"Plain {n}")
    page = open_page(java_script_enabled=False)
    page.goto(site.page_of(site.full))
    page.locator(".menu summary").click()
    field = page.get_by_role("searchbox", name="Search the projects")
    field.fill("plain 7")
    field.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Plain 7").last.click()
    expect(page.get_by_text("Waiting for the first interaction")).to_be_visible()


def test_a_key_is_made_into_what_is_to_be_copied(open_page: OpenPage, site: Site) -> None:
    project = make_project(site, "First steps")
    page = open_page(java_script_enabled=False)
    page.goto(site.page_of(project))
    page.get_by_role("button", name="Make a key and put it in").click()
    expect(page.locator("#s-env")).to_contain_text(re.compile('PHOSPHO_API_KEY="ph_.{43}"'))
    expect(page.locator("#s-python")).to_be_visible()
    expect(page.locator("#s-curl")).to_be_hidden()
    page.get_by_text("curl", exact=True).click()
    expect(page.locator("#s-curl")).to_be_visible()
    expect(page.locator("#s-python")).to_be_hidden()


def test_first_steps_turn_into_the_dashboard_also_after_a_key_was_made(
    open_page: OpenPage, site: Site
) -> None:
    project = make_project(site, "Soon alive")
    page = open_page()
    page.goto(site.page_of(project))
    page.get_by_role("button", name="Make a key and put it in").click()
    expect(page.get_by_text("The key is shown this once")).to_be_visible()
    add(site.store, project, interaction(created_at_ms=now_ms() - HOUR_MS))
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(page).to_have_url(re.compile("/dashboard$"))


def test_the_dashboard_works_without_javascript(open_page: OpenPage, site: Site) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(site.page_of(site.full, "dashboard?period=7d"))
    page.get_by_label("Step of the chart").get_by_role("link", name="Hour").click()
    expect(page.get_by_role("heading", name="Interactions by hour in UTC")).to_be_visible()
    page.locator(".figures").get_by_role("link", name="Positive feedback").click()
    expect(page.get_by_role("heading", name="Feedback by")).to_be_visible()
    assert chart_of(page).locator(".bar title").first.text_content()
    page.locator("#twin summary").click()
    expect(page.get_by_role("columnheader", name="Negative").first).to_be_visible()


def test_a_printed_dashboard_is_its_numbers(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full))
    page.emulate_media(media="print")
    expect(page.locator(".figures")).to_be_visible()
    expect(page.get_by_label("Period")).to_be_hidden()
    expect(page.locator(".side")).to_be_hidden()


def test_what_is_chosen_is_seen_in_forced_colours(open_page: OpenPage, site: Site) -> None:
    page = open_page(forced_colors="active")
    page.goto(site.page_of(site.full))
    for chosen in (".tabs [aria-current]", ".figure[data-shown]", ".side nav [aria-current]"):
        style = page.locator(chosen).first.evaluate("each => getComputedStyle(each).outlineStyle")
        assert style == "solid", chosen


@pytest.mark.parametrize("width", [390, 1024, 1440, 2560])
def test_every_state_of_the_dashboard_is_accessible_and_fits(
    open_page: OpenPage, site: Site, width: int
) -> None:
    page = open_page(viewport={"width": width, "height": 900})
    for address in (
        site.page_of(site.full, "dashboard?period=7d&step=hour"),
        site.page_of(site.full, "dashboard?period=all&show=feedback"),
        site.page_of(site.full, "dashboard?show=users&step=week"),
        site.page_of(site.empty),
        f"{site.url}/projects",
        f"{site.url}/projects?q=nothing+like+this",
    ):
        page.goto(address)
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
