"""Every page in both themes and at two widths: accessible, within the screen, and itself."""

from __future__ import annotations

import uuid
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Dialog, Page

import phospho_server
from phospho_server.store import detections
from phospho_server.store.projects import create_project
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import OpenPage, Site
from tests.browser.conversations import HOSTILE
from tests.server.builders import add, define, interaction, verdict

pytestmark = pytest.mark.browser

_STATIC = Path(phospho_server.__file__).parent / "static"

PAGES = (
    "dashboard",
    "dashboard?period=24h&show=sessions",
    "dashboard?period=never",
    "dashboard?show=events",
    "sessions",
    "sessions?q=nothing+like+this",
    "sessions?language=es&sentiment=negative",
    "sessions/session-1",
    "sessions/long",
    "sessions/steps",
    "sessions/broken",
    "sessions/endless?page=2",
    "session?" + urlencode({"id": f"a//b {HOSTILE}"}),
    "interactions",
    "users",
    "user?" + urlencode({"id": HOSTILE}),
    "search",
    "search?" + urlencode({"q": HOSTILE}),
    "sessions?" + urlencode({"event": "thanks", "user": HOSTILE, "metadata": "plan=pro"}),
    "settings",
    "settings/members",
    "settings/audit-log",
    "settings?template=refund",
    "events",
)


# Words that have no room beside others stand with a letter a line.
_SQUEEZED = """[...document.querySelectorAll("main *")].filter((element) => {
  const text = [...element.childNodes].filter((node) => node.nodeType === 3);
  const box = element.getBoundingClientRect();
  return text.some((node) => node.data.trim().length > 2) && box.width < 20 && box.height > 40;
}).map((element) => element.outerHTML)"""

# What is pressed, read as a heading or framed, and has another such thing right below it.
_TOUCHING = """(() => {
  const fields = "select, textarea, input:not([type=hidden], [type=radio])";
  const parts = [...document.querySelectorAll(`main :is(.button, .card, h1, h2, ${fields})`)]
    .filter((part) => part.checkVisibility() && !part.closest(".unseen, .answers, [data-menu]"));
  const boxes = new Map(parts.map((part) => [part, part.getBoundingClientRect()]));
  const isRightBelow = (part, above) => {
    const [box, other] = [boxes.get(part), boxes.get(above)];
    const gap = box.top - other.bottom;
    const shared = Math.min(box.right, other.right) - Math.max(box.left, other.left);
    return gap > -8 && gap < 3 && shared > 1 && !part.contains(above) && !above.contains(part);
  };
  return parts.flatMap((part) => parts
    .filter((above) => isRightBelow(part, above))
    .map((above) => `${above.outerHTML} ${part.outerHTML}`));
})()"""


def list_addresses(site: Site, page: Page) -> list[str]:
    """Return the address of every page, of the full project and of the empty one."""
    page.goto(site.page_of(site.full, "settings"))
    edit = page.get_by_role("link", name="Edit").first.get_attribute("href")
    page.goto(site.page_of(site.full, "events"))
    events = [
        f"{site.url}{link.get_attribute('href')}" for link in page.locator(".preview a").all()
    ]
    return [
        f"{site.url}/login",
        f"{site.url}/account",
        f"{site.url}/audit-log",
        f"{site.url}/projects",
        f"{site.url}{edit}",
        f"{site.url}{edit}/versions",
        *events,
        *(f"{event}/review" for event in events),
        f"{events[0]}/review?of=1-2-3&at=4",
        site.page_of(site.full, f"settings/webhooks/{site.webhook_id}"),
        site.page_of(site.full, f"alerts/{site.rule_id}"),
        *(site.page_of(site.full, rest) for rest in PAGES),
        *(
            site.page_of(site.empty, rest)
            for rest in ("dashboard", "sessions", "users", "events", "settings")
        ),
    ]


@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_accessible_and_fits(open_page: OpenPage, site: Site, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 900})
    for address in list_addresses(site, page):
        page.goto(address)
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert_accessible(page)
        scroll_width = page.evaluate("document.documentElement.scrollWidth")
        assert scroll_width <= width, f"{address} is {scroll_width} wide"
        assert page.evaluate(_SQUEEZED) == [], address
        assert page.evaluate(_TOUCHING) == [], address


def test_lists_of_long_names_fit_screens_of_every_width(open_page: OpenPage, site: Site) -> None:
    project = site.store.write(lambda db: create_project(db, "Long names"))
    said = [
        interaction(
            f"t{n}",
            session_id=f"s{n}",
            input="I want a refund for my flight, please",
            user_id=str(uuid.UUID(int=n << 90)),
            version_id="2026.11.27-rc1",
            flag="success",
        )
        for n in range(3)
    ]
    add(site.store, project, *said)
    event = define(site.store, project, name="user_asks_for_refund_of_cancelled_flight")
    verdicts = [verdict(site.store, project, each, detected=True) for each in said]
    site.store.write(lambda db: detections.record(db, project.id, event, verdicts))
    page = open_page()
    for rest in ("dashboard", "sessions", "interactions", "users", "events", "settings"):
        page.goto(site.page_of(project, rest))
        for width in (600, 740, 800, 900, 1024, 1180, 1280, 1366):
            page.set_viewport_size({"width": width, "height": 900})
            scroll_width = page.evaluate("document.documentElement.scrollWidth")
            assert scroll_width <= width, f"{rest} is {scroll_width} wide"


def test_nothing_that_strangers_wrote_comes_alive(open_page: OpenPage, site: Site) -> None:
    page = open_page()
    dialogs: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    for address in list_addresses(site, page):
        page.goto(address)
        assert page.locator('main [href^="javascript:"], main script, main img').count() == 0
    assert dialogs == []


def test_an_error_page_leads_home(open_page: OpenPage, site: Site) -> None:
    page = open_page(java_script_enabled=False)
    response = page.request.get(f"{site.url}/nowhere")
    assert response.status == 404
    assert 'href="/"' in response.text()


def test_themes_differ_in_colours_alone() -> None:
    css, script = ((_STATIC / name).read_text("utf-8") for name in ("app.css", "app.js"))
    assert "light-dark(" in css
    assert "prefers-color-scheme" not in css + script


def test_style_and_script_stay_small() -> None:
    assert sum((_STATIC / name).stat().st_size for name in ("app.css", "app.js")) < 60_000
