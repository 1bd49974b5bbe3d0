"""Accounts, in real browsers: from nothing to the first event, and a second person who joins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from phospho_server.clock import now_ms
from phospho_server.store.accounts import create_account
from phospho_server.store.memberships import add_member
from phospho_server.store.projects import list_projects
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import OpenPage, Site, running, watching
from tests.server.builders import add, interaction
from tests.server.worlds import PASSWORD, password_hash

pytestmark = pytest.mark.browser

ANA, BEN = "ana@example.com", "ben@example.com"


@pytest.fixture
def new_store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "phospho.db")


@pytest.fixture
def new_site(new_store: SqliteStore) -> Iterator[str]:
    """A server as it is when it was just installed."""
    with running(new_store) as url:
        yield url


@pytest.fixture
def open_new(browser: Browser, new_site: str) -> Iterator[OpenPage]:
    with watching(browser, new_site) as open_one:
        yield lambda **options: open_one(known=False, **options)


def fill(page: Page, email: str, password: str = PASSWORD) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)


def sign_up(page: Page, url: str, email: str = ANA) -> None:
    page.goto(f"{url}/signup")
    fill(page, email)
    page.get_by_role("button", name="Create account").click()


def create_project(page: Page) -> None:
    page.locator("main").get_by_label("Project name").fill("Support bot")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_text("Waiting for the first interaction")).to_be_visible()


def find_project(store: SqliteStore) -> Project:
    with store.read() as db:
        (project,) = list_projects(db)
    return project


def test_from_signing_up_to_the_first_event(
    open_new: OpenPage, new_site: str, new_store: SqliteStore
) -> None:
    page = open_new()
    page.goto(new_site)
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_role("link", name="Create the first account").click()
    fill(page, ANA)
    page.keyboard.press("Enter")
    create_project(page)
    project = find_project(new_store)
    add(new_store, project, interaction(input="Thank you!", created_at_ms=now_ms()))
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_label("Name", exact=True).fill("thanks")
    page.get_by_label("Description").fill("The user said 'thank you'")
    page.get_by_role("button", name="Define event").click()
    expect(page.locator(".definitions")).to_contain_text("thanks")
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("row", name=re.compile("Event created: thanks"))).to_contain_text(ANA)


def test_an_invitation_lets_a_second_person_in_as_far_as_it_says(
    open_new: OpenPage, new_site: str, new_store: SqliteStore
) -> None:
    ana, ben = open_new(), open_new()
    sign_up(ana, new_site)
    create_project(ana)
    project = find_project(new_store)
    add(new_store, project, interaction(created_at_ms=now_ms()))
    # The page of first steps leads to the dashboard by itself.
    expect(ana.get_by_role("heading", name="Dashboard")).to_be_visible()
    ana.goto(f"{new_site}/projects/{project.id}/settings")
    ana.get_by_role("link", name="Members").click()
    ana.get_by_label("Invite somebody as").select_option("viewer")
    ana.get_by_role("button", name="Make a link").click()
    link = ana.locator("#invitation-link").inner_text()
    assert link.startswith(f"{new_site}/signup?invitation=")

    ben.goto(link)
    expect(ben.get_by_role("heading", name="Join Support bot")).to_be_visible()
    fill(ben, BEN)
    ben.get_by_role("button", name="Create account").click()
    expect(ben.get_by_role("heading", name="Dashboard")).to_be_visible()
    ben.get_by_role("link", name="Settings", exact=True).click()
    expect(ben.get_by_text("You are a viewer of this project")).to_be_visible()
    expect(ben.locator("main form")).to_have_count(0)
    for hidden in ("API keys", "LLM judge", "Define an event"):
        expect(ben.get_by_text(hidden)).to_have_count(0)

    ana.goto(f"{new_site}/projects/{project.id}/settings/members")
    ana.get_by_label(f"Role of {BEN}", exact=True).select_option("editor")
    ana.get_by_role("button", name=f"Change the role of {BEN}").click()
    expect(ana.get_by_label(f"Role of {BEN}", exact=True)).to_have_value("editor")
    ben.reload()
    expect(ben.get_by_text("Define an event")).to_be_visible()
    expect(ben.get_by_text("API keys")).to_have_count(0)

    ben.goto(f"{new_site}/account")  # where nothing asks for news of the project
    ana.get_by_label(f"Remove {BEN}").click()
    ana.get_by_role("button", name="Remove the member").click()
    expect(ana.get_by_text(BEN)).to_have_count(0)
    ben.goto(new_site)
    expect(ben.get_by_role("heading", name="Create your first project")).to_be_visible()
    expect(ben.get_by_text("Support bot")).to_have_count(0)


def test_a_viewer_reads_a_transcript_and_is_offered_nothing_to_change(
    browser: Browser, site: Site
) -> None:
    viewer = site.store.write(lambda db: create_account(db, "viewer@example.com", password_hash()))
    other = site.store.write(lambda db: create_account(db, "v2@example.com", password_hash()))
    assert viewer.is_owner
    site.store.write(lambda db: add_member(db, site.full.id, other.id, "viewer"))
    with watching(browser, site.url) as open_one:
        page = open_one(known=False)
        page.goto(f"{site.url}/login")
        fill(page, other.email)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.goto(site.page_of(site.full, "sessions/session-7"))
        expect(page.locator(".note").first).to_be_visible()
        for pages in ("sessions/session-7", "events", "settings"):
            page.goto(site.page_of(site.full, pages))
            expect(page.locator('main form[method="post"]')).to_have_count(0)
            expect(page.locator("main button[name=click]")).to_have_count(0)
            expect(page.get_by_text("Label 10")).to_have_count(0)
        expect(page.locator(".menu-body")).not_to_contain_text(site.empty.name)


def test_signing_in_and_out_works_by_keyboard_and_without_javascript(
    open_new: OpenPage, new_site: str
) -> None:
    page = open_new(java_script_enabled=False)
    sign_up(page, new_site)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("E-mail").focus()
    page.keyboard.type(ANA)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=ANA).click()
    expect(page.get_by_role("heading", name=ANA)).to_be_visible()
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill("quite another password")
    page.get_by_role("button", name="Change password").click()
    page.get_by_role("button", name="Sign out").click()
    fill(page, ANA, "quite another password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("link", name=ANA)).to_be_visible()


@pytest.mark.parametrize("width", [390, 1440])
def test_the_pages_of_accounts_are_accessible_and_fit(
    open_new: OpenPage, new_site: str, new_store: SqliteStore, width: int
) -> None:
    def look(page: Page) -> None:
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url

    options = {"viewport": {"width": width, "height": 900}}
    ana, stranger = open_new(**options), open_new(**options)
    for path in ("/login", "/signup"):
        ana.goto(f"{new_site}{path}")
        look(ana)
    sign_up(ana, new_site, f"{'a-long-name-' * 4}@{'example' * 4}.com")
    look(ana)
    create_project(ana)
    project = find_project(new_store)
    members = f"{new_site}/projects/{project.id}/settings/members"
    ana.goto(members)
    ana.get_by_role("button", name="Make a link").click()
    look(ana)
    stranger.goto(ana.locator("#invitation-link").inner_text())
    look(stranger)
    fill(stranger, BEN)
    stranger.get_by_role("button", name="Create account").click()
    stranger.goto(f"{new_site}/projects/{project.id}/settings")
    look(stranger)
    ana.goto(members)
    look(ana)
    for path in ("/account", "/audit-log", f"/projects/{project.id}/settings/audit-log"):
        ana.goto(f"{new_site}{path}")
        look(ana)
