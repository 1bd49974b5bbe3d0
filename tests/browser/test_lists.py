"""Lists as people use them: filters, saved views, exports, search, users, neighbours."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from phospho_server.clock import now_ms
from phospho_server.store import Connection
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.browser.conftest import OpenPage, Site, running, watching
from tests.server.builders import add, interaction

pytestmark = pytest.mark.browser

with_and_without_scripts = pytest.mark.parametrize(
    "scripts", [True, False], ids=["scripts", "no-scripts"]
)


def count(page: Page) -> str:
    """Return what the page says about how many rows it has."""
    return page.locator("nav.pages .hint").inner_text()


@with_and_without_scripts
def test_filters_are_chosen_added_and_taken_away(
    open_page: OpenPage, site: Site, scripts: bool
) -> None:
    page = open_page(java_script_enabled=scripts)
    page.goto(site.page_of(site.full, "sessions"))
    page.get_by_label("Event", exact=True).select_option("thanks")
    if not scripts:
        page.get_by_role("button", name="Apply", exact=True).click()
    expect(page.get_by_role("link", name="Remove the filter: with thanks")).to_be_visible()
    page.get_by_text("More filters").click()
    page.get_by_label("User", exact=True).fill("user_3")
    page.get_by_label("Model").fill("gpt-x")
    page.get_by_label("Length").fill("2-5")
    page.get_by_role("button", name="Apply the filters").click()
    expect(page.locator(".chips li")).to_have_count(5)
    for name, value in (("event", "thanks"), ("user", "user_3"), ("length", "2-5")):
        expect(page).to_have_url(re.compile(f"{name}={value}"))
    expect(page.locator("tbody tr")).to_have_count(9)
    page.get_by_role("link", name="Remove the filter: user user_3").click()
    expect(page).not_to_have_url(re.compile("user=user_3"))
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator(".chips")).to_have_count(0)


@with_and_without_scripts
def test_days_of_ones_own_are_chosen(open_page: OpenPage, site: Site, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    page.goto(site.page_of(site.full, "interactions"))
    page.get_by_text("More filters").click()
    page.get_by_label("From (UTC)").fill("2020-01-01")
    page.get_by_label("To, inclusive").fill("2020-01-31")
    page.get_by_role("button", name="Apply the filters").click()
    expect(page.get_by_text("No interaction matches")).to_be_visible()
    expect(page.get_by_label("Period")).to_have_value("")
    expect(page.get_by_role("link", name="Remove the filter: from 2020-01-01")).to_be_visible()
    page.get_by_role("link", name="Clear the filters").click()
    expect(page.locator("tbody tr")).to_have_count(50)


@with_and_without_scripts
def test_a_view_is_saved_opened_and_deleted(open_page: OpenPage, site: Site, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    page.goto(site.page_of(site.full, "sessions?flag=failure&sort=oldest"))
    page.get_by_text("Save view", exact=True).click()
    page.get_by_label("Name of the view").fill("Unhappy ones")
    page.get_by_role("button", name="Save", exact=True).click()
    views = page.get_by_role("navigation", name="Saved views")
    expect(views.locator('[aria-current="true"]')).to_have_text("Unhappy ones")
    views.get_by_role("link", name="All").click()
    expect(page).to_have_url(re.compile("/sessions$"))
    views.get_by_role("link", name="Unhappy ones").click()
    expect(page).to_have_url(re.compile(r"flag=failure&sort=oldest$"))
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Delete this view").click()
    expect(views).to_have_count(0)
    expect(page).to_have_url(re.compile("flag=failure"))


@with_and_without_scripts
def test_an_export_is_a_file_with_everything(
    open_page: OpenPage, site: Site, scripts: bool
) -> None:
    page = open_page(java_script_enabled=scripts)
    page.goto(site.page_of(site.full, "interactions?user=user_3"))
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "interactions.csv"
    text = download.value.path().read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 18
    assert {row["user_id"] for row in rows} == {"user_3"}
    page.goto(site.page_of(site.full, "users"))
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSONL").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["user_id"] for line in lines} >= {f"user_{n}" for n in range(7)}


def test_a_header_sorts_and_a_key_leads_to_the_search(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "sessions"))
    page.get_by_role("link", name="Length").click()
    expect(page.locator("tbody tr").first).to_contain_text("205")
    expect(page.get_by_role("columnheader", name="Length")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_role("link", name="Last message").click()
    expect(page).to_have_url(re.compile("/sessions$"))
    page.get_by_role("link", name="Last message").click()
    expect(page.get_by_role("columnheader", name="Last message")).to_have_attribute(
        "aria-sort", "ascending"
    )
    expect(page.locator("tbody tr").first).to_contain_text("number 59")
    page.wait_for_load_state()  # the rows are there before the script listens
    page.keyboard.press("/")
    expect(page.get_by_label("Search the messages")).to_be_focused()
    page.keyboard.type("flight number 7")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)


@with_and_without_scripts
def test_a_list_goes_on_and_comes_back(open_page: OpenPage, site: Site, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    page.goto(site.page_of(site.full, "interactions?event=thanks"))
    assert count(page) == "50 interactions on this page"
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="Next")).to_have_count(0)
    assert count(page) == "10 interactions on this page"
    page.get_by_role("link", name="First page").click()
    expect(page).to_have_url(re.compile(r"/interactions\?event=thanks$"))
    page.locator("tbody a").first.click()
    expect(page).to_have_url(re.compile(r"/sessions/session-59#i2$"))


@with_and_without_scripts
def test_a_search_marks_words_and_finds_ids(open_page: OpenPage, site: Site, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    page.goto(site.page_of(site.full, "search"))
    page.get_by_label("Search the messages").fill("OSLO flight")
    page.keyboard.press("Enter")
    expect(page.locator(".matches > li")).to_have_count(20)
    expect(page.locator(".matches > li").nth(2).locator("mark")).to_have_text(["flight", "Oslo"])
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".matches > li").first).to_be_visible()
    page.get_by_label("Search the messages").fill("session-7")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="a session").click()
    expect(page).to_have_url(re.compile("/sessions/session-7$"))


@with_and_without_scripts
def test_a_user_is_found_with_all_they_did(open_page: OpenPage, site: Site, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    page.goto(site.page_of(site.full, "users"))
    page.get_by_label("The id begins with").fill("user_3")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", name="user_3")).to_be_visible()
    expect(page.locator("dl.summary")).to_contain_text("18")
    expect(page.locator("tbody tr")).to_have_count(9)
    page.locator("dl.summary .badge", has_text="thanks").click()
    expect(page).to_have_url(re.compile("user=user_3&event=thanks|event=thanks&user=user_3"))
    page.locator("tbody a").first.click()
    page.get_by_label("Facts about this session").get_by_role("link", name="user_3").click()
    expect(page).to_have_url(re.compile("/users/user_3$"))


def test_neighbours_stay_within_the_filter(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "sessions?user=user_3"))
    page.locator("tbody a").first.click()
    expect(page).to_have_url(re.compile(r"session-3\?user=user_3$"))
    for key, number in (("j", 10), ("j", 17), ("k", 10)):
        page.wait_for_load_state()  # the address changes before the script listens
        page.keyboard.press(key)
        expect(page).to_have_url(re.compile(rf"session-{number}\?user=user_3$"))
    page.get_by_role("link", name="Newer").click()
    expect(page.get_by_role("link", name="Newer")).to_have_count(0)
    page.get_by_text("that match the filters").wait_for()
    page.get_by_label("Breadcrumb").or_(page.locator(".crumb")).get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/sessions\?user=user_3$"))


@pytest.fixture(scope="module")
def sizes(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> Iterator[tuple[Site, Project, StorageState]]:
    """Serve a project without sessions, one with one, and one with 10,000."""
    store = SqliteStore(tmp_path_factory.mktemp("sizes") / "phospho.db")
    empty, one, many = (
        store.write(lambda db, n=name: create_project(db, n))  # type: ignore[misc]
        for name in ("Empty", "One", "Many")
    )
    add(store, one, interaction(user_id="ana"))
    now = now_ms()
    for first in range(0, 10_000, 2_000):
        add(
            store,
            many,
            *(
                interaction(
                    f"t{n}",
                    session_id=f"s{n}",
                    input=f"Question {n} about {'refunds' if n % 1000 == 0 else 'flights'}",
                    user_id=f"user {n % 3_000}",
                    version_id=f"{n % 4}.0",
                    created_at_ms=now - (10_000 - n) * 60_000,
                    metadata=json.dumps({"plan": "pro" if n % 2 else "free"}),
                )
                for n in range(first, first + 2_000)
            ),
        )
    store.write(_finish_jobs)
    with running(store) as url:
        site = Site(url, store, many, empty)
        context = browser.new_context()
        context.new_page().goto(site.make_link())
        yield site, one, context.storage_state()
        context.close()


def _finish_jobs(db: Connection) -> None:
    db.execute("delete from jobs")


LISTS = ("sessions", "interactions", "users", "search")


def test_lists_of_nothing_of_one_and_of_ten_thousand(
    browser: Browser, sizes: tuple[Site, Project, StorageState]
) -> None:
    site, one, state = sizes
    with watching(browser, site.url, state) as open_one:
        page = open_one()
        for rest in LISTS:
            page.goto(site.page_of(site.empty, rest))
            expect(page.get_by_text("Waiting for the first interaction")).to_be_visible()
        for rest, noun in (("sessions", "session"), ("interactions", "interaction")):
            page.goto(site.page_of(one, rest))
            assert count(page) == f"1 {noun}"
            page.goto(site.page_of(site.full, rest))
            assert count(page) == f"50 {noun}s on this page"
        page.goto(site.page_of(site.full, "sessions?q=refunds&metadata=plan%3Dfree&sort=newest"))
        expect(page.locator("tbody tr")).to_have_count(10)
        page.goto(site.page_of(site.full, "sessions?version=3.0&without=&metadata=plan%3Dpro"))
        page.get_by_role("link", name="Next").click()
        assert count(page) == "50 sessions on this page"
        page.goto(site.page_of(site.full, "search?q=question"))
        expect(page.locator(".matches > li")).to_have_count(20)
        page.goto(site.page_of(site.full, "users?sort=most"))
        assert count(page) == "50 users on this page"
        page.get_by_text("Export", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("link", name="JSONL").click()
        assert len(download.value.path().read_bytes().splitlines()) == 3_000
        page.goto(site.page_of(site.full, "sessions"))
        page.get_by_text("Export", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        rows = download.value.path().read_text(encoding="utf-8-sig").splitlines()
        assert len(rows) == 10_001


SHIFTS = """
window.__shifts = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) window.__shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_jumps_while_a_list_opens_and_when_there_is_news(
    open_page: OpenPage, site: Site, width: int
) -> None:
    project = site.store.write(lambda db: create_project(db, "Lively"))
    add(
        site.store,
        project,
        *(interaction(f"t{n}", session_id=f"s{n}", user_id="ana") for n in range(60)),
    )
    page = open_page(viewport={"width": width, "height": 900})
    page.add_init_script(SHIFTS)
    for rest in ("interactions", "users", "search?q=flight", "sessions"):
        page.goto(site.page_of(project, rest))
        expect(page.locator("time").first).to_have_attribute("title", re.compile(r"\("))
        assert page.evaluate("window.__shifts") < 0.005, rest
    page = open_page(viewport={"width": width, "height": 900})
    page.add_init_script(SHIFTS)
    with page.expect_response("**/pulse"):  # of what there is, before there is more
        page.goto(site.page_of(project, "sessions"))
    add(site.store, project, interaction("news", session_id="news"))
    expect(page.locator("#news")).to_contain_text("New interactions")
    assert page.evaluate("window.__shifts") < 0.005
    site.store.write(
        lambda db: db.execute("delete from projects where id = :id", {"id": project.id})
    )


def test_heads_that_order_a_list_are_seen_on_a_phone_while_they_have_the_focus(
    open_page: OpenPage, site: Site
) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    page.goto(site.page_of(site.full, "sessions"))
    head = page.get_by_role("link", name="Length")
    is_on_top = "link => document.elementFromPoint(...{}) === link".format(
        "(box => [box.x + box.width / 2, box.y + box.height / 2])(link.getBoundingClientRect())"
    )
    assert not head.evaluate(is_on_top)
    head.focus()
    assert head.evaluate(is_on_top)


def test_a_page_is_found_by_any_id(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    page.goto(site.page_of(site.full, "users"))
    hostile = page.locator("tbody tr", has_text="script")
    hostile.locator("a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>")
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>")
